"""Which of several heads is the best, and what that is worth on images it never saw."""

import numpy as np
import tensorflow as tf


def best(logits: np.ndarray, label: np.ndarray) -> int:
    """Return the head with the best accuracy; of equals the least loss, or the first.

    Logits of all heads have shape (heads, n, classes).
    """
    if not len(label):
        return 0
    right = (logits.argmax(axis=2) == label).mean(axis=1)
    rows = np.arange(len(label))
    sure = np.asarray(tf.nn.log_softmax(logits))[:, rows, label].mean(axis=1)
    return int(np.lexsort((-sure, -right))[0])


def cross_fitted(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return what the best head answers, chosen by the other half of the examples.

    The best of several heads looks better than it is on the examples that chose it.
    Here none has chosen the head that answers it, so that the accuracy may be held
    against that of a classifier for which nothing was chosen.
    """
    half = np.empty(len(label), int)
    # In turn, class after class: both halves have as many of each.
    half[np.argsort(label, kind="stable")] = np.arange(len(label)) % 2
    answers = np.zeros_like(logits[0])
    for part in (0, 1):
        own, other = half == part, half != part
        answers[own] = logits[best(logits[:, other], label[other])][own]
    return answers
