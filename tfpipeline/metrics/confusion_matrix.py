"""Which classes are taken for which."""

from typing import Any

import numpy as np


def pairs(label: np.ndarray, called: np.ndarray, classes: int) -> np.ndarray:
    """Return which classes are called what, and how often, the most frequent first.

    Args:
        label: Index of the true class, shape (n,).
        called: Index of the class that was named, shape (n,).
        classes: How many there are.

    Returns:
        Rows of true class, named class and count, int64, shape (pairs, 3); right
        answers are among them.
    """
    joined = np.asarray(label, np.int64) * classes + np.asarray(called, np.int64)
    codes, counts = np.unique(joined, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return np.stack([codes // classes, codes % classes, counts], axis=1)[order]


def hardest(label: np.ndarray, called: np.ndarray, classes: int, most: int) -> Any:
    """Return the classes that are most often part of an error, ascending.

    Args:
        label: Index of the true class, shape (n,).
        called: Index of the class that was named, shape (n,).
        classes: How many there are.
        most: How many are returned, at most.

    Returns:
        Indices, int64.
    """
    if classes <= most:
        return np.arange(classes)
    wrong = label != called
    errors = np.bincount(label[wrong], minlength=classes)
    errors += np.bincount(called[wrong], minlength=classes)
    return np.sort(np.argsort(-errors, kind="stable")[:most])


def matrix(found: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return the confusion matrix of some classes.

    Args:
        found: What `pairs` returned.
        shown: Indices of the classes, shape (k,).

    Returns:
        Counts, int64, shape (k, k + 1): a row a true class, a column a named one, and
        the last column for all classes that are not shown.
    """
    place = {int(index): i for i, index in enumerate(shown)}
    counts = np.zeros((len(place), len(place) + 1), np.int64)
    for true, named, count in found.tolist():
        if true in place:
            counts[place[true], place.get(named, len(place))] += count
    return counts
