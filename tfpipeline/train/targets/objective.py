"""What a training minimises, and what each example counts in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import target as targets_of
from tfpipeline.metrics.epoch_metrics import Loss
from tfpipeline.train.adversarial import Pgd
from tfpipeline.train.targets import losses


@dataclass(frozen=True)
class Criterion:
    """A loss, and what each example counts in it.

    Args:
        classes: Number of logits.
        label_smoothing: Share of the target spread evenly over all classes.
        class_weights: What an example of each class weighs, shape (classes,); loss and
            accuracy are then weighted means. Of several labels: what each class weighs
            in the loss where it is there and where it is not, shape (2, classes).
        hardening: What makes the network resist attacks, and the network without
            dropout; None trains on the inputs as they are.
        loss: Cross-entropy, or what fits another target.
    """

    classes: int
    label_smoothing: float = 0.0
    class_weights: np.ndarray | None = None
    hardening: tuple[Pgd, Callable[[Any], Any]] | None = None
    loss: Loss = Loss()

    def targets(self, labels: Any) -> Any:
        """Return one-hot targets for class indices; targets stay as they are."""
        labels = tf.convert_to_tensor(labels)
        if labels.shape.rank == 3:
            return labels
        return tf.one_hot(labels, self.classes)

    def weigh(self, targets: Any, weights: Any) -> Any:
        """Return the weights of the examples, multiplied by those of their classes."""
        if self.class_weights is None or self.loss.target == targets_of.MULTI:
            return tf.convert_to_tensor(weights)
        return weights * tf.linalg.matvec(targets, self.class_weights)

    def loss_function(self) -> Callable[[Any, Any], Any]:
        """Return what gives the loss of each example, from targets and logits."""
        return losses.function(self.loss, self.label_smoothing, self.class_weights)

    def score(self, target: Any, logits: Any) -> Any:
        """Return what is watched of each example, float32, shape (batch,).

        Whether the best class is right; of several labels the share of right answers;
        of a number the absolute error.
        """
        if self.loss.target == targets_of.MULTI:
            right = (logits > 0) == (target > 0.5)
            return tf.reduce_mean(tf.cast(right, tf.float32), axis=1)
        if self.loss.target == targets_of.NUMBER:
            return tf.abs(logits - target)[:, 0]
        right = tf.argmax(logits, 1) == tf.argmax(target, 1)
        return tf.cast(right, tf.float32)
