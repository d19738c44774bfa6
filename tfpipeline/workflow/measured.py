"""What the page of a run is made of, whether it was trained or combined."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from tfpipeline.data.preparation import Examples
from tfpipeline.evaluation.calibration import Calibration
from tfpipeline.workflow.stages import Course


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

    @classmethod
    def of(cls, course: Course) -> "Measured":
        """Return what a training came to.

        Args:
            course: The training, measured.
        """
        work = course.work
        resize = work.settings.data.resize
        return cls(work.model, work.examples, course.logits, course.calibration, resize)
