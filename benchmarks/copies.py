"""More pictures than there are: copies that no program takes for the same file."""

import os
from pathlib import Path

# What a JPEG decoder stops at: bytes behind it change the file, not the picture.
_END = b"\xff\xd9"


def jpeg_files(folder: Path) -> list[Path]:
    """Return the JPEG files below a folder, sorted."""
    kinds = {".jpg", ".jpeg"}
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in kinds)


def write(root: Path, folder: Path, count: int, part: str = "train") -> int:
    """Write `count` training pictures below a new root; link its test pictures.

    Args:
        root: Holds `train/` and `test/`, each with one folder a class.
        folder: The new root.
        count: Training pictures, in all; they are repeated where there are too few.
        part: Which is repeated.

    Returns:
        How many different pictures there are among them.
    """
    files = jpeg_files(root / part)
    if not files:
        raise SystemExit(f"{root / part}: expected JPEG files in class folders.")
    for number in range(count):
        # Evenly over the classes, however few are wanted.
        file = files[number * len(files) // count if count < len(files) else 0]
        if count >= len(files):
            file = files[number % len(files)]
        target = folder / part / file.parent.name / f"{number:06d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        mark = b"" if number < len(files) else number.to_bytes(4, "big")
        target.write_bytes(file.read_bytes() + mark)
    (folder / "test").symlink_to(os.path.abspath(root / "test"))
    return min(count, len(files))
