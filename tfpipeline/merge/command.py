"""From the shards of any number of processes to one file, and what is missing."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from tfpipeline.config.embed import MergeSettings
from tfpipeline.core import console, file_io, result_dir, stores
from tfpipeline.core.errors import Incomplete, UserError
from tfpipeline.core.stores import Place
from tfpipeline.report.closing import closing
from tfpipeline.shards import joining
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work

# Of what is merged.
_ENDINGS = (".csv", ".npy", ".parquet")


def merge(settings: MergeSettings) -> dict[str, Any]:
    """Check shards, list missing ones, and join complete ones into one file."""
    if settings.shards is None:
        raise UserError(
            "--shards: expected a folder of shards, as `embed`, `predict` and `audit` "
            "write them."
        )
    plan = plans.read(stores.of("--shards", settings.shards))
    output = _check(settings.output, plan)
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


def _check(output: str | None, plan: plans.Plan) -> Path | Place | None:
    if output is None:
        return None
    file = stores.of("--output", output)
    if _is_inside(file, plan.folder):
        raise UserError(
            f"--output {output}: expected a file outside of the folder of the shards. "
            "Name one elsewhere."
        )
    if file.suffix.lower() not in _ENDINGS:
        raise UserError(
            f"--output {output}: expected a name in .csv, for rows, in .npy, for "
            "vectors, or in .parquet, for both of shards in Parquet. Received: "
            f"{file.suffix or 'no ending'}."
        )
    is_own = functools.partial(joining.is_own, plan)
    if isinstance(file, Path):
        result_dir.check_file("--output", file, is_own)
        file_io.check_writable(file.parent)
    elif file.is_file() and not is_own(file):
        raise UserError(
            f"--output {file}: would be replaced, but another command wrote it. Name "
            "another file, or move that one away."
        )
    return file


def _is_inside(file: Path | Place, folder: Path | Place) -> bool:
    """Tell whether a file would be in the folder of the shards."""
    if isinstance(file, Path) and isinstance(folder, Path):
        return file.resolve().is_relative_to(folder.resolve())
    return str(file).startswith(f"{folder}/")
