"""The page of an evaluation: what came out, which classes are worst, worst errors."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import console, image_formats, image_io, provenance, run_dir
from tfpipeline.core.brightness import Ranges
from tfpipeline.data.dataset import Examples
from tfpipeline.data.scan_cache import Row
from tfpipeline.metrics import per_example
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.report import class_ranking, diagnosis, html, measured_parts
from tfpipeline.report.diagnosis import Answers

# Errors that are shown, at most, the longer side of each, and broken files.
ERRORS, PIXELS, BROKEN = 24, 256, 200


def answers(
    examples: Examples, chosen: np.ndarray, logits: np.ndarray, fitted: Calibration
) -> Answers:
    """Return what logits of the examples `chosen` say of each of them."""
    judged = per_example.judge(
        logits, examples.source.label[chosen], fitted.temperature
    )
    return Answers(examples, chosen, examples.split[chosen], judged)


def attempt(run: run_dir.RunFolder, write: Callable[[], None]) -> Path | None:
    """Let the page be written; None where it could not be made, which is said."""
    try:
        write()
    except Exception as error:  # Nothing that goes wrong here may cost the result.
        console.warn(
            f"The page {run.evaluation_page} could not be made "
            f"({type(error).__name__}: {error}). Everything else is written."
        )
        return None
    return run.evaluation_page


def write(
    run: run_dir.RunFolder,
    result: Mapping[str, Any],
    given: Answers,
    logits: np.ndarray,
    fitted: Calibration,
) -> None:
    """Write the page of an evaluation of which one class is the answer."""
    judged, every = given.judged, np.arange(len(logits))
    split = "" if result["split"] == "all" else str(result["split"])
    shown = diagnosis.of_split(given, every, logits, fitted)
    if fitted.temperature == 1:  # Both charts would be one.
        del shown["reliability"]["after"]
    wrong = np.flatnonzero(judged.called != judged.label)
    first = wrong[np.argsort(-judged.loss[wrong], kind="stable")][:ERRORS]
    fitted_words = fitted.to_json()
    html.write(
        run.evaluation_page,
        "evaluation.html",
        name=run.path.resolve().name,
        result=result,
        split=split,
        worst=result["worst_class"],
        classes=class_ranking.ranked(result["classes"]),
        shown=shown,
        confusion=measured_parts.confusion(shown, split),
        reliability=measured_parts.reliability(shown),
        coverage=measured_parts.coverage({split or "images": shown}, fitted_words),
        fitted=fitted_words,
        errors=[_error(given, position) for position in first.tolist()],
        wrong=len(wrong),
        broken=[(n, r.reason) for n, r in given.examples.quarantined[:BROKEN]],
        how={"command": provenance.command(), "versions": provenance.versions()},
    )


def _error(given: Answers, position: int) -> dict[str, Any]:
    """Return a wrong answer with a small copy of its picture inside."""
    row = given.row(position)
    file = given.examples.files[given.index[position]]
    small = _thumbnail(file, given.examples.brightness.ranges)
    return {**row, "inside": {"picture": small} if small else {}}


def _thumbnail(file: Row, ranges: Ranges) -> str | None:
    with contextlib.suppress(image_formats.ImageError):
        content = image_io.content(file.path, file.offset, file.length)
        return html.thumbnail(content, PIXELS, ranges, file.height * file.width)
    return None  # It is gone since it was measured.
