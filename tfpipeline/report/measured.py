"""What the page of a run is made of, whether it was trained or combined."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from tfpipeline.data.dataset import Examples
from tfpipeline.metrics.calibration import Calibration


@dataclass(frozen=True)
class Measured:
    """A classifier that was measured.

    Args:
        model: From images to logits.
        examples: That it was measured on, or has trained on.
        logits: Of the examples of each split that was asked about, in their order.
        calibration: What the validation images say of its probabilities.
        resize: How images come to its size.
    """

    model: keras.Model
    examples: Examples
    logits: Mapping[str, np.ndarray]
    calibration: Calibration
    resize: str
