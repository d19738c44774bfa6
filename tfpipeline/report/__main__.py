"""Make the page of a run or of any result again, or one that compares runs.

python -m tfpipeline.report RUN
python -m tfpipeline.report RUN RUN ... --output compared.html
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tfpipeline.cli import flags
from tfpipeline.core import console, result_dir
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.report import comparison_page, result_page, run_data, run_page
from tfpipeline.report.run_data import RunFiles


def main(argv: Sequence[str] | None = None) -> None:
    """Write the page, and say where it lies; exit with code 2 without one."""
    parser = argparse.ArgumentParser(
        prog="python -m tfpipeline.report",
        description="Write the page of a run or another result, or compare runs.",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="folder of a run or of a result of synthesize, attack, features or study; "
        "several runs are compared",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="file of the page (default: report.html in the folder; for several runs, "
        "comparison.html in the current folder)",
    )
    parser.add_argument("--quiet", action="store_true", help=flags.QUIET)
    parser.add_argument("--json", action="store_true", help=flags.JSON)
    given = parser.parse_args(argv)
    try:
        with console.set_mode(quiet=given.quiet, as_json=given.json):
            page = make(given.folders, given.output)
            console.close(console.Closing([], look=page))
            console.answer({"written": console.written(page.parent, page)})
    except UserError as error:
        console.end_badly(f"error: {error}")
        sys.exit(2)


def make(folders: Sequence[Path], output: Path | None = None) -> Path:
    """Write a page about one run or result, or several runs, and return where it lies.

    Raises:
        UserError: A folder holds neither.
    """
    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {output}: expected a file name ending in .html.")
    folder = folders[0]
    kind = result_page.kind_of(folder) if len(folders) == 1 else None
    page = output or (folder / result_page.NAME if kind else Path("comparison.html"))
    if output or kind or len(folders) > 1:
        # The page of a run is one of its own files.
        result_dir.check_file("--output", page, result_dir.is_stamped)
    if len(folders) > 1:
        several = [RunFolder(folder).existing() for folder in folders]
        _check_alike([run_data.read(run) for run in several])
        return comparison_page.write(several, page)
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder. Found none.")
    if kind is not None:
        return result_page.write(folder, output)
    return run_page.write(RunFolder(folder).existing(), output)


def _check_alike(runs: Sequence[RunFiles]) -> None:
    """Refuse to compare runs by figures that not all of them have."""

    def kind(run: RunFiles) -> str:
        own = str(run.decision.get("target", targets.SINGLE))
        return targets.SINGLE if own in targets.CLASSES else own

    for run in runs:
        if kind(run) != kind(runs[0]):
            raise UserError(
                f"{run.folder.path}: expected {targets.FLAG} {kind(runs[0])}, as "
                f"{runs[0].folder.path} has. Received: {kind(run)}, which has other "
                "figures. Give it alone for its own page."
            )


if __name__ == "__main__":
    with console.heard():
        main()
