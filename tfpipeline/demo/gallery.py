"""The drawn world to look at: one sheet of every class, or folders of pictures.

python -m tfpipeline.demo.gallery --sheet FILE.png --folder DIR
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tfpipeline.core import console, image_io, result_dir
from tfpipeline.core.errors import UserError
from tfpipeline.demo import world

SETS = {
    "transfer": world.TRANSFER_CLASSES,
    "pretraining": world.PRETRAINING_CLASSES,
    "all": tuple(sorted(world.OBJECTS)),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write what was asked for, and say where it lies."""
    parser = argparse.ArgumentParser(description="Write out the drawn world.")
    parser.add_argument("--sheet", type=Path, help="PNG with examples of every class")
    parser.add_argument("--folder", type=Path, help="new folder of class folders")
    parser.add_argument("--classes", choices=SETS, default="transfer")
    parser.add_argument("--per_class", type=int, default=60, help="pictures a folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=96, help="height and width, pixels")
    args = parser.parse_args(argv)
    if not (args.sheet or args.folder):
        parser.error("expected --sheet FILE.png, or --folder DIR, or both")
    if args.sheet and args.sheet.suffix.lower() != ".png":
        parser.error(f"--sheet: expected a name in .png. Received: {args.sheet}")
    if min(args.per_class, args.size) < 1 or args.seed < 0:
        parser.error("expected positive --per_class and --size, and --seed from 0")
    try:
        if args.sheet:
            result_dir.check_file("--sheet", args.sheet, lambda file: False)
            sheet = world.contact_sheet(2, args.seed, args.size)
            image_io.save_png(args.sheet, sheet)
            print(f"Written: {args.sheet}")
        if args.folder:
            _write_folder(args)
    except UserError as error:
        parser.error(str(error))


def _write_folder(args: argparse.Namespace) -> None:
    if args.folder.exists():
        raise UserError(f"--folder {args.folder}: already exists. Choose a new one.")
    names = SETS[args.classes]
    world.write_folder(args.folder, names, args.per_class, args.seed, args.size)
    count = args.per_class * len(names)
    print(f"Written: {count} pictures of {len(names)} classes, {args.folder}")


if __name__ == "__main__":
    with console.heard():
        main()
