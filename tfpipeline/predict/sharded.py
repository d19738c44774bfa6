"""Predictions of any number of pictures, as shards in a folder."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline.config import PredictSettings
from tfpipeline.core import console, image_io, remote, run_dir, stores
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import pictures
from tfpipeline.models.engines.names import TENSORFLOW
from tfpipeline.predict import outputs
from tfpipeline.report.closing import closing
from tfpipeline.shards import driving
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work

if TYPE_CHECKING:
    from tfpipeline.predict.answers import Ask


_HEADER = (
    *("id", "label", "probability", "accepted", "accepted_reason"),
    *("novelty", "known", "known_reason", "top_k", "error"),
)


def is_folder(output: str | None) -> bool:
    """Tell whether `--output` names a folder of shards: one there, or no ending."""
    if not output:
        return False
    return Path(output).is_dir() or not Path(output).suffix or output.endswith("/")


def check_unused(settings: PredictSettings) -> None:
    """Refuse flags that only shards have, where no folder of them is written."""
    for name in ("workers", "part", "parts", "runner"):
        if (given := getattr(settings, name)) != getattr(PredictSettings, name):
            raise UserError(
                f"--{name} {given}: expected only with a folder of shards. Received: "
                f"--output {settings.output or '(none)'}. Give --output a name without "
                f"an ending, or leave out --{name}."
            )


def check(settings: PredictSettings) -> tuple[int, int]:
    """Return which share of the shards is this process's, and how many there are."""
    if settings.sort_into is not None:
        raise UserError(
            f"--output {settings.output} with --sort_into: expected one of them. Give "
            "--output a name in .csv."
        )
    return work.check(settings, "top_k")


def predict(
    settings: PredictSettings, open_model: Callable[[PredictSettings], Ask]
) -> dict[str, Any]:
    """Write the predictions of shards, a CSV each, and return how many there are."""
    own = check(settings)
    output = stores.of("--output", str(settings.output))
    opening = functools.partial(_open_job, open_model)
    plan, counted = driving.run("predict", settings, own, opening)
    content = work.end(plan)
    missing = work.numbers_in_words(content["missing"])
    words: Mapping[str, Any] = {"result": content, "missing": missing}
    console.close(closing("predict_shards", output, plans.INDEX, **words))
    more = {"counted": counted} if counted else {}
    return content | more | {"written": console.written(output, None)}


def _open_job(
    open_model: Callable[[PredictSettings], Ask], settings: PredictSettings
) -> work.Job:
    """Return what is done with the pictures of any shard."""
    from tfpipeline.predict import answers, batching

    # What a trial finds may differ between processes, and with it the last digits.
    engine = TENSORFLOW if settings.engine == "auto" else settings.engine
    ask = open_model(dataclasses.replace(settings, engine=engine))
    about = {
        "command": "predict",
        "engine": engine,
        "model": fingerprint(str(settings.model)),
        "top_k": settings.top_k,
        "max_pixels": settings.max_pixels,
        "decoding": image_io.RULES,
    }

    def compute(shard: list[pictures.Picture]) -> work.Content:
        files = pictures.audit(shard, settings.max_pixels)
        try:
            rows = answers.rows_of(shard, files, ask, settings.top_k)
        except batching.Incomplete as error:  # Shards that are done stay.
            raise error.cause from None
        errors = sum(bool(row["error"]) for row in rows)
        # The same columns whatever answers, and whether any picture has one.
        whole = [{name: row.get(name) for name in _HEADER} for row in rows]
        size = sum(file.length or file.size for file in files)
        cells = [*outputs.cells(whole)]
        return work.Content(_HEADER, cells, errors, bytes_read=size)

    return work.Job(about, compute)


def fingerprint(model: str) -> str:
    """Return what a model is: a server's address, else a digest of its files."""
    from tfpipeline.predict import answers

    path = Path(model)
    if not path.exists():
        return remote.shown(model)
    if (version := answers.version_of(path)) is not None:
        files = sorted(file for file in version.rglob("*") if file.is_file())
    else:
        run = run_dir.RunFolder(path.parent if path.name == "model.keras" else path)
        every = run.model, run.calibration, run.novelty, run.novelty_arrays
        files = [file for file in every if file.is_file()]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:24]
