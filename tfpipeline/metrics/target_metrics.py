"""Metrics of several labels, of shares and of numbers on one split."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import multi_label, regression
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.epoch_metrics import soft_cross_entropy
from tfpipeline.metrics.precision_recall import curve, cuts
from tfpipeline.metrics.targets import calibration, conformal

# Points and classes of a chart: more cannot be told apart, or are not looked at.
SHOWN_POINTS, SHOWN_CLASSES = 400, 6

# The last bar of a chart of label counts stands for so many labels, and for more.
MANY_LABELS = 12


def measure(
    decision: Decision,
    outputs: np.ndarray,
    values: np.ndarray,
    weight: np.ndarray | None = None,
    together: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the metrics of outputs for several labels or a number.

    Args:
        decision: How outputs are answered.
        outputs: Of the network, shape (n, k), n at least 1.
        values: What is true, shape (n, k).
        weight: What each example counts, shape (n,); all the same where None.
        together: Names of what belongs together, for the intervals; None for nothing.

    Returns:
        As `multi_label.multi_label`, with `loss`, `interval` (of the mean average
        precision), `criterion`, `chosen_on` and `calibration` (as
        `metrics.targets.calibration.worth`); or as `regression.regression`, with
        `intervals` and, where the decision has an interval for each image, `band`: its
        `coverage`, `half_width`, and `covered`, the share of the images whose number it
        holds. A number has no `loss`: that of its training is in deviations.
    """
    unit = None
    if together is not None and len(set(together)) < len(together):
        unit = np.unique(np.array(together), return_inverse=True)[1]
    if decision.target == targets.NUMBER:
        predicted, true = outputs[:, 0].astype(float), values[:, 0].astype(float)
        trained = np.array([decision.mean]), None
        found = regression.regression(predicted, true, weight, trained)
        between = regression.intervals(predicted, true, weight, unit)
        return {
            "quantity": decision.labels[0],
            **found,
            "intervals": between,
            **_band(decision, predicted - true, weight),
        }
    chance = decision.chance(outputs)
    own = decision.labels, decision.thresholds, weight
    found = multi_label.multi_label(chance, values, *own)
    ends = multi_label.mean_average_precision_interval(chance, values, weight, unit)
    return {
        **found,
        "loss": multi_label.cross_entropy(outputs, values, weight),
        "interval": ends,
        "criterion": decision.criterion,
        "chosen_on": decision.split or None,
        "calibration": calibration.worth(decision.temperature, outputs, values),
    }


def _band(
    decision: Decision, error: np.ndarray, weight: np.ndarray | None
) -> dict[str, Any]:
    """Return how many numbers lie in their intervals, where there are any."""
    if decision.half_width is None:
        return {}
    return {
        "band": {
            "coverage": decision.coverage,
            "half_width": decision.half_width,
            "covered": conformal.covered(decision.half_width, error, weight),
        }
    }


def of_shares(
    logits: np.ndarray, shares: np.ndarray, weight: np.ndarray | None = None
) -> dict[str, Any]:
    """Return what shares of classes add to the metrics of their likeliest class.

    Returns:
        `loss`, the cross-entropy against the shares; `entropy`, that of the shares,
        below which no loss lies; and `divergence`, the difference, all in nats.
    """
    loss = soft_cross_entropy(logits, shares, weight)
    logs = np.log(np.where(shares > 0, shares, 1.0).astype(np.float64))
    each = -(shares * logs).sum(axis=1)
    entropy = float(np.average(each, weights=weight))
    return {"loss": loss, "distribution": _excess(loss, entropy)}


def _excess(loss: float, entropy: float) -> dict[str, float]:
    return {"entropy": entropy, "divergence": loss - entropy}


def shown(
    decision: Decision, outputs: np.ndarray, values: np.ndarray
) -> dict[str, Any]:
    """Return the points of the charts of one split, for JSON.

    Of several labels, `curves`: precision against recall of the classes with most
    images; `label_counts`: how many images have no label, one and so on, `true` and
    `said`; and `reliability`, as `metrics.targets.calibration.diagram` has it. Of a
    number, `points`: pairs of what is true and what was predicted; and `errors`: a
    histogram of their differences, its `edges` and `counts`.
    """
    if decision.target == targets.NUMBER:
        few = np.unique(np.linspace(0, len(values) - 1, SHOWN_POINTS).astype(int))
        pairs = np.stack([values[:, 0], outputs[:, 0]], axis=1).astype(np.float64)
        return {"points": pairs[few].tolist(), "errors": _histogram(pairs)}
    chance = decision.chance(outputs)
    order = np.argsort(-values.sum(axis=0), kind="stable")[:SHOWN_CLASSES]
    curves = {
        decision.labels[k]: curve(cuts(chance[:, k], values[:, k]))
        for k in order.tolist()
        if values[:, k].any()
    }
    said = decision.called(chance)
    return {
        "curves": curves,
        "label_counts": _label_counts(values > 0.5, said),
        "reliability": calibration.diagram(decision.temperature, outputs, values),
    }


def _histogram(pairs: np.ndarray) -> dict[str, Any]:
    """Count errors in bins as many of which are below 0 as above."""
    error = pairs[:, 1] - pairs[:, 0]
    error = error[np.isfinite(error)]
    reach = float(np.abs(error).max(initial=0.0)) or 1.0
    bins = 2 * int(np.clip(np.sqrt(len(error)) / 2, 3, 12))
    counts, edges = np.histogram(error, bins, (-reach, reach))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _label_counts(true: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    each = [np.minimum(table.sum(axis=1), MANY_LABELS) for table in (true, said)]
    length = 1 + max(int(counts.max(initial=1)) for counts in each)
    return {
        name: np.bincount(counts, minlength=length).tolist()
        for name, counts in zip(("true", "said"), each)
    }
