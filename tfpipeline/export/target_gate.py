"""How the answers of several labels or of a number are held against the training path.

A number is compared in standard deviations of those trained on, so that one tolerance
fits any unit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.export.gate import TIE, Trained
from tfpipeline.metrics import classification
from tfpipeline.metrics.decision import Decision


def chances(decision: Decision, logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return what is compared of the training path, float64, shape (n, classes)."""
    if decision.target == targets.NUMBER:
        return logits.astype(float) / decision.deviation
    if decision.target == targets.MULTI:
        return decision.chance(logits)
    return classification.probabilities(logits / temperature)


def comparable(decision: Decision, answers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answers of a served model as `gate.compare` takes them."""
    if decision.target != targets.NUMBER:
        return answers
    # JSON has None for what is no number.
    values = np.array([answers["value"]], np.float64).T / decision.deviation
    return {**answers, "probabilities": values.tolist()}


def rows(decision: Decision, outputs: np.ndarray) -> dict[str, Any]:
    """Return the outputs of a converted classifier as answers, the best class first."""
    count = len(outputs)
    if decision.target == targets.NUMBER:
        names = [list(decision.labels)] * count
        return {"valid": [True] * count, "labels": names, "value": outputs[:, 0]}
    best = classification.top_k(outputs, outputs.shape[1])
    return {
        "valid": [True] * count,
        "labels": [[decision.labels[k] for k in row] for row in best],
        "probabilities": np.take_along_axis(outputs, best, axis=1),
    }


def said(
    trained: Trained, decision: Decision, answers: Mapping[str, Any], tolerance: float
) -> dict[str, dict[str, Any]]:
    """Return whether the same labels are said; nothing where one class is the answer.

    A probability as near to its threshold as the tolerance may be on either side of it.
    """
    if decision.target != targets.MULTI or "said" not in answers:
        return {}
    place, changed = {name: k for k, name in enumerate(decision.labels)}, 0
    least = np.array(decision.thresholds)
    for row, valid in enumerate(answers["valid"]):
        if valid:
            order = [place[name] for name in answers["labels"][row]]
            chance = trained.chance[row][order]
            far = np.abs(chance - least[order]) > tolerance
            own = chance >= least[order]
            changed += int(((own != np.array(answers["said"][row])) & far).sum())
    return {"said": {"passed": not changed, "changed": changed}}


def sets(
    trained: Trained, decision: Decision, answers: Mapping[str, Any], least: float
) -> dict[str, dict[str, Any]]:
    """Return whether probabilities call the same labels, on a share of the images.

    That is for files which do not say themselves what they call. An image with a
    probability at its threshold agrees in any case.
    """
    if decision.target != targets.MULTI:
        return {}
    place = {name: k for k, name in enumerate(decision.labels)}
    served = np.zeros(trained.chance.shape)
    for row, names in enumerate(answers["labels"]):
        served[row, [place[name] for name in names]] = answers["probabilities"][row]
    off = decision.called(served) != decision.called(trained.chance)
    near = np.abs(trained.chance - np.array(decision.thresholds)) <= TIE
    off &= ~near.any(axis=1, keepdims=True)
    share = 1 - float(off.any(axis=1).mean())
    counted = {"changed": int(off.sum()), "agreed": share, "agreement": least}
    return {"said": {"passed": share >= least, **counted}}


def ends(
    decision: Decision, answers: Mapping[str, Any], tolerance: float
) -> dict[str, dict[str, Any]]:
    """Return how far the interval of a number is from where it has to be.

    That is as wide as the training path has it, around the number that is served, which
    `gate.compare` looks at; in standard deviations. Nothing where there is no interval.
    """
    if decision.target != targets.NUMBER or decision.half_width is None:
        return {}
    names = ("value", "low", "high")
    if missing := [name for name in names if name not in answers]:
        return {"interval": {"passed": False, "missing": missing}}
    valid = np.array(answers["valid"], bool)
    # JSON has None for what is no number: it is NaN, which is within nothing.
    value, low, high = (np.array(answers[n], np.float64)[valid] for n in names)
    wide = np.stack([value - low, high - value]) - decision.half_width
    largest = float(np.abs(wide).max(initial=0.0)) / decision.deviation
    return {"interval": {"passed": largest <= tolerance, "max_difference": largest}}
