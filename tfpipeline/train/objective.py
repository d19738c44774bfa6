"""What a training minimises, and what each example counts in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.train.adversarial_objective import Hardening


@dataclass(frozen=True)
class Criterion:
    """Cross-entropy, and what each example counts in it."""

    classes: int
    label_smoothing: float = 0.0
    class_weights: np.ndarray | None = None
    hardening: tuple[Hardening, Callable[[Any], Any]] | None = None

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
