"""Which of several heads is the best, and what that is worth on images it never saw."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Answers:
    """What heads say of examples: of many classes, logits would take gigabytes."""

    classes: np.ndarray  # The likeliest, shape (heads, n).
    sure: np.ndarray  # Log probability of the true class, shape (heads, n).

    @classmethod
    def of(cls, logits: np.ndarray, label: np.ndarray) -> "Answers":
        """Return the answers of logits of shape (heads, n, classes)."""
        rows = np.arange(len(label))
        sure = np.asarray(tf.nn.log_softmax(logits))[:, rows, label]
        return cls(logits.argmax(axis=2), sure)

    def some(self, chosen: np.ndarray) -> "Answers":
        """Return what is said of some of the examples."""
        return Answers(self.classes[:, chosen], self.sure[:, chosen])


def best(answers: Answers, label: np.ndarray) -> int:
    """Return the most accurate head; of equals that of the least loss, or the first."""
    if not len(label):
        return 0
    right = (answers.classes == label).mean(axis=1)
    return int(np.lexsort((-answers.sure.mean(axis=1), -right))[0])


def cross_fitted(answers: Answers, label: np.ndarray) -> np.ndarray:
    """Return what the best head answers, chosen by the other half of the examples.

    The best of several heads looks better than it is on the examples that chose it.
    Here none has chosen the head that answers it, so that the accuracy may be held
    against that of a classifier for which nothing was chosen.
    """
    half = halves(label)
    chosen = np.zeros(len(label), int)
    for part in (0, 1):
        own, other = half == part, half != part
        head = best(answers.some(other), label[other])
        chosen[own] = answers.classes[head, own]
    return chosen


def halves(label: np.ndarray) -> np.ndarray:
    """Return 0 or 1 for each example: both halves have as many of each class."""
    half = np.empty(len(label), int)
    # In turn, class after class.
    half[np.argsort(label, kind="stable")] = np.arange(len(label)) % 2
    return half
