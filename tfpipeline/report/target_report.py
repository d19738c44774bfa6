"""What a run of several labels or of a number tells of itself: tables and its page."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core import target as targets
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import multi_label, target_metrics
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import (
    diagnosis,
    gallery,
    run_page,
    second_process,
    target_suspects,
)
from tfpipeline.report.diagnosis import Measured

# Of `predictions.csv`, before a column for each class or the error of a number.
HEADER = ("id", "split", "label", "predicted")

# Suspected images with a picture on the page.
SHOWN = 12


class Answers(NamedTuple):
    """What was answered to some images.

    Args:
        size: How wrong each answer is: its loss, or absolute error, shape (n,).
        cells: Of each image `header` without id and split.
    """

    size: np.ndarray
    cells: list[list[str]]


def write(run: RunFolder, measured: Measured, decision: Decision) -> None:
    """Write the predictions, what they come to, and the page."""
    examples = measured.examples
    logits = {s: measured.logits[s] for s in diagnosis.ORDER if s in measured.logits}
    content: dict[str, Any] = {"data": diagnosis.data(examples)}
    if logits:
        rows = predictions(examples, logits, decision)
        file_io.write_csv(run.predictions, header(decision), rows)
        marked = target_suspects.find(examples, logits, decision)
        head = target_suspects.header(decision)
        file_io.write_csv(run.cleaning, head, marked.rows())
        first = marked.order()[:SHOWN]
        first = first[marked.suspicion[first] > 0]
        shown = [marked.row(place) for place in first.tolist()]
        given = run, measured, shown, marked.index[first], "suspects"
        content["suspects"] = marked.counts()
        content["suspected"] = gallery.pictured(*given)()
    else:
        # That of the run that stood here before.
        run.cleaning.unlink(missing_ok=True)
    content["splits"] = {
        split: target_metrics.shown(decision, own, examples.truth(examples.of(split)))
        for split, own in logits.items()
        if split != "train"
    }
    file_io.write_json(run.diagnosis, content)
    second_process.call(run_page.write, run)()


def header(decision: Decision) -> tuple[str, ...]:
    """Return the columns of `predictions.csv`."""
    if decision.target != targets.NUMBER:
        return (*HEADER, "wrong", "loss", *decision.labels)
    ends = () if decision.half_width is None else ("low", "high")
    return (*HEADER, "error", "absolute_error", *ends)


def predictions(
    examples: Examples, logits: dict[str, np.ndarray], decision: Decision
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of `predictions.csv`: split by split, the largest error first."""
    for split, outputs in logits.items():
        chosen = examples.of(split)
        given = answers(examples, chosen, outputs, decision)
        for k in np.argsort(-given.size, kind="stable").tolist():
            yield (examples.source.ids[chosen[k]], split, *given.cells[k])


def answers(
    examples: Examples, chosen: np.ndarray, outputs: np.ndarray, decision: Decision
) -> Answers:
    """Return what was answered to some examples, by outputs of shape (n, k)."""
    size, more = _errors(decision, outputs, examples.truth(chosen))
    told = [examples.source.said(i) for i in chosen.tolist()]
    pairs = zip(told, decision.said(outputs), more)
    return Answers(size, [[label, said, *cells] for label, said, cells in pairs])


def _errors(
    decision: Decision, outputs: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, list[list[str]]]:
    """Return how wrong each answer is, and its further cells."""
    if decision.target == targets.NUMBER:
        value = np.asarray(outputs[:, 0], np.float64)
        error, half = value - truth[:, 0], decision.half_width
        columns = [error, np.abs(error)]
        columns += [] if half is None else [value - half, value + half]
        rows = np.stack(columns, axis=1).tolist()
        return np.abs(error), [[f"{v:.6g}" for v in row] for row in rows]
    chance = decision.chance(outputs)
    wrong = (decision.called(chance) != (truth > 0.5)).sum(axis=1)
    loss = multi_label.losses(outputs, truth)
    cells = [
        [str(n), f"{value:.6g}", *(f"{p:.6g}" for p in row)]
        for n, value, row in zip(wrong.tolist(), loss.tolist(), chance.tolist())
    ]
    return loss, cells
