"""Which of several heads is the best for several labels or a number."""

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import multi_label, target_score
from tfpipeline.study.heads.choice import halves


def best(target: str, outputs: np.ndarray, values: np.ndarray) -> int:
    """Return the head of the highest mAP or R2; of equals that of the least loss.

    Args:
        target: `multi` or `number`.
        outputs: Logits, or numbers in their unit: shape (heads, n, k).
        values: What is true, shape (n, k).
    """
    if not len(values):
        return 0
    if target == targets.NUMBER:
        # In the order of R2, which numbers that are all equal do not have.
        return int(np.square(outputs - values).mean(axis=(1, 2)).argmin())
    key = target_score.of_target(target).key
    figures = [target_score.measure(target, own, values)[key] for own in outputs]
    losses = [multi_label.cross_entropy(own, values) for own in outputs]
    return int(np.lexsort((np.array(losses), -np.nan_to_num(figures)))[0])


def cross_fitted(
    target: str, outputs: np.ndarray, values: np.ndarray, strata: np.ndarray
) -> np.ndarray:
    """Return what the best head answers, chosen by the other half of the examples.

    As `choice.cross_fitted` for classes. Logits of two heads are on one scale, that of
    probabilities, so that both halves may be ranked together.

    Args:
        target: `multi` or `number`.
        outputs: As for `best`.
        values: Likewise.
        strata: By which both halves are alike, shape (n,).

    Returns:
        Of the form of one head's outputs, shape (n, k).
    """
    half = halves(strata)
    chosen = np.zeros(outputs.shape[1:], outputs.dtype)
    for part in (0, 1):
        own, other = half == part, half != part
        head = best(target, outputs[:, other], values[other])
        chosen[own] = outputs[head, own]
    return chosen
