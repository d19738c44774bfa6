"""The confusion matrix, of the classes that are shown."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def pairs(label: np.ndarray, called: np.ndarray, classes: int) -> np.ndarray:
    """Return pairs of true and predicted class, the most frequent first.

    Returns:
        Rows of true class, predicted class and count, int64, shape (pairs, 3); right
        answers are among them.
    """
    joined = np.asarray(label, np.int64) * classes + np.asarray(called, np.int64)
    codes, counts = np.unique(joined, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return np.stack([codes // classes, codes % classes, counts], axis=1)[order]


def confused_with(
    rows: np.ndarray, labels: Sequence[str], most: int = 3
) -> dict[str, dict[str, int]]:
    """Return what the images of each class are mostly predicted as, wrongly.

    Args:
        rows: As `pairs` returned them.
        labels: Class names.
        most: Wrong classes of each class, at most.

    Returns:
        By class, the number of images by wrong class, the most frequent first.
    """
    wrong: dict[str, dict[str, int]] = {name: {} for name in labels}
    for true, predicted, count in rows.tolist():
        own = wrong[labels[true]]
        if true != predicted and len(own) < most:
            own[labels[predicted]] = count
    return wrong


def hardest(label: np.ndarray, called: np.ndarray, classes: int, most: int) -> Any:
    """Return at most so many classes that are most often in an error, ascending."""
    if classes <= most:
        return np.arange(classes)
    wrong = label != called
    errors = np.bincount(label[wrong], minlength=classes)
    errors += np.bincount(called[wrong], minlength=classes)
    return np.sort(np.argsort(-errors, kind="stable")[:most])


def matrix(rows: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return the confusion matrix of the classes shown, from what `pairs` returned.

    Returns:
        Counts, int64, shape (k, k + 1): a row a true class, a column a predicted one,
        and the last column for all classes that are not shown.
    """
    place = {int(index): i for i, index in enumerate(shown)}
    counts = np.zeros((len(place), len(place) + 1), np.int64)
    for true, predicted, count in rows.tolist():
        if true in place:
            counts[place[true], place.get(predicted, len(place))] += count
    return counts
