"""From the shards of any number of processes to one file, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfpipeline.config.embed import MergeSettings
from tfpipeline.core import console, file_io, result_dir
from tfpipeline.core.errors import Incomplete, UserError
from tfpipeline.report.closing import closing
from tfpipeline.shards import joining
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work

# Of what is merged, and how such a file begins.
_ENDINGS = {".csv": b"id,", ".npy": b"\x93NUMPY", ".parquet": b"PAR1"}


def merge(settings: MergeSettings) -> dict[str, Any]:
    """Check shards, list missing ones, and join complete ones into one file."""
    if settings.shards is None:
        raise UserError("--shards: expected the folder that `embed` wrote.")
    output = _check(settings.output)
    plan = plans.read(Path(settings.shards))
    content = work.end(plan)
    missing = content["missing"]
    if output is not None and not missing:
        joining.write(plan, output)
    words: dict[str, Any] = {
        "result": content,
        "missing": work.numbers_in_words(missing),
        "wrote": None if missing else output,
    }
    console.close(closing("merge", plan.folder, plans.INDEX, **words))
    content["written"] = console.written(plan.folder, None)
    if missing:
        console.answer(content)
        raise Incomplete(
            f"--shards {plan.folder}: expected {plan.shards} shards. Missing: "
            f"{words['missing']}. Nothing was merged.",
            content,
        )
    return content


def _is_own(file: Path) -> bool:
    """Tell whether a file begins as what is merged does."""
    with open(file, "rb") as content:
        return content.read(8).startswith(_ENDINGS[file.suffix.lower()])


def _check(output: str | None) -> Path | None:
    if output is None:
        return None
    file = Path(output)
    if file.suffix.lower() not in _ENDINGS:
        raise UserError(
            f"--output {output}: expected a name in .csv, for rows, in .npy, for "
            "vectors, or in .parquet, for both of shards in Parquet. Received: "
            f"{file.suffix or 'no ending'}."
        )
    result_dir.check_file("--output", file, _is_own)
    file_io.check_writable(file.parent)
    return file
