"""What logits are worth: plain numbers from logits and true classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.metrics import weights

# Of the best classes; to find more of them, all are sorted.
_FEW = 3


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax, float64, without overflow."""
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits, shape (n, classes), in float64."""
    return np.exp(log_probabilities(logits))


def top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Return the k best classes, best first; of equal logits the first class.

    Returns:
        Indices, int64, shape (n, min(k, classes)).
    """
    logits = np.asarray(logits)
    if k > _FEW or not np.isfinite(logits).all():
        return np.argsort(-logits, axis=1, kind="stable")[:, :k]
    # The best of a thousand classes, and the next two, need no order of all of them.
    left, best = np.array(logits, np.result_type(logits, np.float32)), []
    for _ in range(min(k, logits.shape[1])):
        best.append(left.argmax(axis=1))
        left[np.arange(len(left)), best[-1]] = -np.inf
    return np.stack(best, axis=1)


def loss_and_accuracy(
    logits: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None
) -> dict[str, float]:
    """Return what is watched while training: mean cross-entropy in nats, accuracy.

    With a `weight`, shape (n,), they are weighted means.
    """
    true = log_probabilities(logits)[np.arange(len(label)), label]
    right = np.argmax(logits, axis=1) == label
    rows, each = _spread(weight, len(label))
    loss = -weights.mean(true[rows], each)
    return {"loss": loss, "accuracy": weights.mean(right[rows], each)}


def _spread(weight: np.ndarray | None, count: int) -> tuple[Any, np.ndarray | None]:
    return (slice(count), None) if weight is None else weights.spread(weight)


def classification(
    logits: np.ndarray,
    label: np.ndarray,
    labels: Sequence[str],
    weight: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the metrics of a classifier on one split.

    Args:
        logits: Shape (n, classes), n at least 1.
        label: Index of the true class, int, shape (n,).
        labels: Class names, in the order of the logits.
        weight: What each example counts, shape (n,); all the same where None.

    Returns:
        `accuracy` and `top_3_accuracy` in [0, 1], `loss` in nats, `n`, and `classes`:
        for each class its `recall`, `precision` (null where undefined) and `n`. With
        weights all but `n` are weighted, and there are `weight`, their sum, and
        `n_effective`, of how many equal draws the means are worth.
    """
    best = top_k(logits, 3)
    among = (best == label[:, None]).any(axis=1)
    rows, each = _spread(weight, len(label))
    more = {}
    if weight is not None:
        total = float(np.sum(weight))
        more = {"weight": total, "n_effective": weights.effective_count(weight)}
    return {
        **loss_and_accuracy(logits, label, weight),
        "top_3_accuracy": weights.mean(among[rows], each),
        "n": len(label),
        **more,
        "classes": {
            name: _one_class(best[:, 0] == index, label == index, weight)
            for index, name in enumerate(labels)
        },
    }


def _one_class(
    called: np.ndarray, true: np.ndarray, weight: np.ndarray | None
) -> dict[str, float | int | None]:
    def size(where: np.ndarray) -> float:
        return int(where.sum()) if weight is None else float(weight[where].sum())

    both = size(called & true)
    return {
        "recall": both / size(true) if true.any() else None,
        "precision": both / size(called) if called.any() else None,
        "n": int(true.sum()),
    }
