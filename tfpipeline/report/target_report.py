"""What a run of several labels or of a number tells of itself: tables and its page."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfpipeline.core import console, file_io
from tfpipeline.core import target as targets
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import multi_label, target_metrics
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import diagnosis, run_page
from tfpipeline.report.diagnosis import Measured

# Of `predictions.csv`, before a column for each class or the error of a number.
HEADER = ("id", "split", "label", "predicted")

# Images with the largest errors that `diagnosis.json` names.
SHOWN = 12


def write(run: RunFolder, measured: Measured, decision: Decision) -> None:
    """Write the predictions, what they come to, and the page."""
    examples = measured.examples
    logits = {s: measured.logits[s] for s in diagnosis.ORDER if s in measured.logits}
    console.note(
        "no label is suspected, and there is no cleaning.csv: that is not defined for "
        f"{targets.FLAG} {decision.target}; predictions.csv has the largest errors "
        "first"
    )
    run.cleaning.unlink(missing_ok=True)
    content: dict[str, Any] = {"data": diagnosis.data(examples)}
    if logits:
        rows = predictions(examples, logits, decision)
        file_io.write_csv(run.predictions, header(decision), rows)
    content["splits"] = {
        split: target_metrics.shown(decision, own, examples.truth(examples.of(split)))
        for split, own in logits.items()
        if split != "train"
    }
    file_io.write_json(run.diagnosis, content)
    run_page.write(run)


def header(decision: Decision) -> tuple[str, ...]:
    """Return the columns of `predictions.csv`."""
    if decision.target == targets.NUMBER:
        return (*HEADER, "error", "absolute_error")
    return (*HEADER, "wrong", "loss", *decision.labels)


def predictions(
    examples: Examples, logits: dict[str, np.ndarray], decision: Decision
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `predictions.csv`: split by split, the largest error first."""
    source = examples.source
    for split, outputs in logits.items():
        chosen, said = examples.of(split), decision.said(outputs)
        truth = examples.truth(chosen)
        size, more = _errors(decision, outputs, truth)
        for k in np.argsort(-size, kind="stable").tolist():
            i = int(chosen[k])
            yield (source.ids[i], split, source.said(i), said[k], *more[k])


def _errors(
    decision: Decision, outputs: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, list[list[str]]]:
    """Return how wrong each answer is, and its further cells."""
    if decision.target == targets.NUMBER:
        error = np.float64(outputs[:, 0]) - truth[:, 0]
        return np.abs(error), [[f"{e:.6g}", f"{abs(e):.6g}"] for e in error.tolist()]
    chance = multi_label.probabilities(outputs)
    wrong = (decision.called(chance) != (truth > 0.5)).sum(axis=1)
    loss = np.array(
        [
            multi_label.cross_entropy(one[None], true[None])
            for one, true in zip(outputs, truth)
        ]
    )
    cells = [
        [str(n), f"{value:.6g}", *(f"{p:.6g}" for p in row)]
        for n, value, row in zip(wrong.tolist(), loss.tolist(), chance.tolist())
    ]
    return loss, cells
