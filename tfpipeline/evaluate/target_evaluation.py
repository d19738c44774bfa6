"""What an evaluation of several labels or of a number says, and its page."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import provenance, run_dir
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics import target_metrics
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import html, run_data, target_page
from tfpipeline.train.targets import measurement

# Broken files on the page, at most.
BROKEN = 200


class Measured(NamedTuple):
    """Some examples, the outputs for them, and what turns these into answers.

    `group` is the `--data.group` of the run.
    """

    examples: Examples
    chosen: np.ndarray
    outputs: np.ndarray
    decision: Decision
    group: str = "exact"

    @property
    def truth(self) -> np.ndarray:
        """What is true of them, shape (n, k)."""
        return self.examples.truth(self.chosen)


def metrics(given: Measured) -> dict[str, Any]:
    """Return the metrics, as `metrics.json` of a run has them."""
    names = given.examples.together(given.group)
    return measurement.metrics(*given[:-1], names)


def write(run: run_dir.RunFolder, result: Mapping[str, Any], given: Measured) -> None:
    """Write the page of an evaluation of several labels or of a number."""
    split = "" if result["split"] == "all" else str(result["split"])
    shown = target_metrics.shown(given.decision, given.outputs, given.truth)
    seen, careful = result["seen_in_training"], []
    if seen:
        careful.append(f"{seen} of them are training images of the run.")
    if split in ("validation", "train"):
        careful.append(f"These are {split} images: the figures are optimistic.")
    html.write(
        run.evaluation_page,
        "target.html",
        **target_page.content(result, shown, given.decision.to_json()),
        tried=target_page.tried(run_data.read_json(run.calibration)),
        name=run.path.resolve().name,
        kicker="Evaluation",
        lead=f"Of {result['source']}{', split ' + split if split else ''}.",
        split=split,
        careful=" ".join(careful),
        curves=[],
        thresholds=given.decision.words,
        known=None,
        strange=None,
        broken=[(n, r.reason) for n, r in given.examples.quarantined[:BROKEN]],
        how={"command": provenance.command(), "versions": provenance.versions()},
        facts=[("seconds", f"{result['seconds']['total']:.1f}")],
        config_text="",
    )
