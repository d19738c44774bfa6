"""What the batch norm of a network remembers of the images that it was trained on."""

from typing import Any

import keras
import numpy as np


def remembered(
    backbone: keras.Model,
) -> tuple[keras.Model, np.ndarray, np.ndarray] | None:
    """Return what goes into the last batch norm, and the statistics that it keeps.

    Returns:
        A model from preprocessed images to the norm's input, shape (batch, height,
        width, channels), and mean and variance of each channel in pretraining. None
        where there is no batch norm, or its statistics are those of a new layer, as
        they also are where the norm was folded into the convolutions.
    """
    kind = keras.layers.BatchNormalization
    norms: list[Any] = [one for one in backbone.layers if isinstance(one, kind)]
    if not norms:
        return None
    last = norms[-1]
    mean, variance = np.asarray(last.moving_mean), np.asarray(last.moving_variance)
    if np.ptp(mean) == 0 or np.ptp(variance) == 0:
        return None
    return keras.Model(backbone.inputs[0], last.input), mean, variance
