"""What an example of weight w is: the same example w times, or as near as can be."""

import numpy as np


def copies(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each example stands there, and what each time counts.

    A whole number w is w examples that count 1, so that an example of weight 2 is the
    same one twice, in every sum and order. What is over is spread over the copies:
    2.5 is two that count 1.25, and 0.3 is one that counts 0.3.

    Args:
        weight: Positive and finite, shape (n,).

    Returns:
        int64 and float64, shape (n,); their product is the weight.
    """
    weight = np.asarray(weight, np.float64)
    count = np.maximum(1, np.floor(weight)).astype(np.int64)
    return count, weight / count


def spread(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the position of each copy, ascending, and what it counts.

    Returns:
        int64, shape (copies,); and float64 of that shape, None where all count 1.
    """
    count, each = copies(weight)
    rows = np.repeat(np.arange(len(count)), count)
    return rows, None if (each == 1).all() else each[rows]


def mean(values: np.ndarray, each: np.ndarray | None) -> float:
    """Return the mean of values, weighted where they do not all count 1."""
    if each is None:
        return float(values.mean())
    return float((values * each).sum() / each.sum())


def effective_count(weight: np.ndarray) -> float:
    """Return of how many equal draws a weighted mean is worth, at most n.

    Source: Kish, Survey Sampling, 1965.
    """
    weight = np.asarray(weight, np.float64)
    return float(weight.sum() ** 2 / np.square(weight).sum())
