"""Whether what is served answers as what was trained: asked before it is published."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Probabilities that are no further apart are equal, whatever else is let pass.
TIE = 1e-4


@dataclass(frozen=True)
class Trained:
    """What the training path says of the images that the server is asked about.

    Args:
        ids: Of the images.
        chance: Probabilities, calibrated, shape (n, classes).
        labels: Class names, in the order of the columns.
    """

    ids: Sequence[str]
    chance: np.ndarray
    labels: Sequence[str]


@dataclass(frozen=True)
class Rules:
    """What is let pass besides the tolerance.

    Args:
        agreement: Share of the images whose best class has to be the same, or one that
            the training path puts below its own by `margin` at most.
        least: Share of the images that the served model has to read.
        within: Share of the images whose difference has to be within the tolerance;
            below 1, one of several may be beyond it in any case. Those beyond have to
            keep their best class.
        margin: By how much; classes that are no further apart than `TIE` are equal.
    """

    agreement: float = 1
    least: float = 0
    within: float = 1
    margin: float = TIE


def compare(
    trained: Trained,
    answers: Mapping[str, Any],
    tolerance: float,
    rules: Rules = Rules(),
) -> dict[str, Any]:
    """Return how far two answers to the same images are apart.

    Args:
        trained: What the training path says.
        answers: Of the served model: `labels` and `probabilities`, best first, `valid`
            and `error`, each with an entry an image.
        tolerance: Largest difference of a probability that is let pass.
        rules: What else is let pass.

    Returns:
        For `parity.json`: `passed`, `n` (images that were compared), `max_difference`,
        `tolerance`, `labels_equal` (share of the same best class), `agreed` (the share
        that `agreement` is about), `agreement`, `beyond` and `most_beyond`
        (images that differ by more than the tolerance, and that may), `changed` (those
        of them with another best class), `answered` and `least` (shares of all images),
        `worst` (the image of the largest difference), and `not_served`, the images that
        the served model refuses, with its reasons.
    """
    names = list(trained.labels)
    differences, equal, agreed, compared = [], [], [], []
    refused = []
    for row, image in enumerate(trained.ids):
        if not answers["valid"][row]:
            refused.append({"id": image, "error": answers["error"][row]})
            continue
        chance = trained.chance[row]
        places = [names.index(name) for name in answers["labels"][row]]
        told = np.asarray(answers["probabilities"][row], np.float64)  # None is NaN.
        off = np.abs(told - chance[places])
        differences.append(float(off.max()))
        below = chance.max() - chance[places[0]]
        equal.append(bool(below <= TIE))
        agreed.append(bool(below <= rules.margin))
        compared.append(image)
    # The largest of NaN and any number is NaN, and no NaN is within a tolerance.
    largest = float(np.max(differences)) if differences else 0.0
    share = float(np.mean(agreed)) if agreed else 0.0
    answered = len(compared) / len(trained.ids)
    beyond = [same for off, same in zip(differences, equal) if not off <= tolerance]
    most = 0 if rules.within == 1 else max(1, round((1 - rules.within) * len(compared)))
    # One image at least has to be within the tolerance: else nothing was asked.
    most = min(most, max(0, len(compared) - 1))
    passed = bool(compared) and answered >= rules.least and share >= rules.agreement
    passed &= math.isfinite(largest) and len(beyond) <= most and all(beyond)
    return {
        "passed": passed,
        "n": len(compared),
        "max_difference": largest,
        "tolerance": tolerance,
        "labels_equal": float(np.mean(equal)) if equal else 0.0,
        "agreed": share,
        "agreement": rules.agreement,
        "beyond": len(beyond),
        "most_beyond": most,
        "changed": beyond.count(False),
        "answered": answered,
        "least": rules.least,
        "worst": compared[int(np.argmax(differences))] if compared else None,
        "not_served": refused,
    }
