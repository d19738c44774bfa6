"""What a training minimises, and what each example counts in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.train.adversarial import Pgd


@dataclass(frozen=True)
class Criterion:
    """Cross-entropy, and what each example counts in it.

    Args:
        classes: Number of logits.
        label_smoothing: Share of the target spread evenly over all classes.
        class_weights: What an example of each class weighs, shape (classes,); loss and
            accuracy are then weighted means.
        hardening: What makes the network resist attacks, and the network without
            dropout; None trains on the inputs as they are.
    """

    classes: int
    label_smoothing: float = 0.0
    class_weights: np.ndarray | None = None
    hardening: tuple[Pgd, Callable[[Any], Any]] | None = None

    def targets(self, labels: Any) -> Any:
        """Return one-hot targets for class indices; targets stay as they are."""
        labels = tf.convert_to_tensor(labels)
        if labels.shape.rank == 3:
            return labels
        return tf.one_hot(labels, self.classes)

    def weigh(self, targets: Any, weights: Any) -> Any:
        """Return the weights of the examples, multiplied by those of their classes."""
        if self.class_weights is None:
            return tf.convert_to_tensor(weights)
        return weights * tf.linalg.matvec(targets, self.class_weights)
