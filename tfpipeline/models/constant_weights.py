"""A network whose weights will not change: constants of every graph that calls it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.models import classifier

# Every function that calls such a network has a copy of its weights, and large networks
# gain little: their time goes into the products themselves.
MOST_BYTES = 2**27

# The same without batch norm, which is all that constants join to convolutions: with
# them VGG16, of 56 MiB, takes 2 CPU seconds longer for its first batch, and gains none.
MOST_PLAIN_BYTES = 2**24


def is_constant(model: keras.Model, most_bytes: int | None = None) -> bool:
    """Tell whether `Frozen` makes constants of a network's weights."""
    if most_bytes is None:
        norm = keras.layers.BatchNormalization
        joins = any(isinstance(layer, norm) for layer in classifier.leaves(model))
        most_bytes = MOST_BYTES if joins else MOST_PLAIN_BYTES
    kinds = {device.device_type for device in tf.config.list_physical_devices()}
    return size(model) <= most_bytes and kinds == {"CPU"}


def size(model: keras.Model) -> int:
    """Return the bytes of all weights."""
    shapes = [(v.shape, tf.as_dtype(v.dtype)) for v in model.variables]
    return sum(int(np.prod(shape)) * dtype.size for shape, dtype in shapes)


class Frozen:
    """A network in inference mode, with the weights that it has now.

    TensorFlow joins a convolution, its batch norm and its activation into one operation
    where it sees that the weights are constant. On CPUs, MobileNetV2 was measured to
    take two thirds of the time so, and four fifths with a gradient; the outputs are the
    same but for rounding. Where there is an accelerator, where the network is too
    large, and outside graphs, it is called as it is.

    Each call within a graph adds a copy of the weights to it: where a network is called
    again and again, `traced` has one for all.

    Args:
        model: Whose weights no longer change. Make another one after they have.
        most_bytes: Of weights; a larger network is called as it is. The default depends
            on whether it has batch norm.
    """

    def __init__(self, model: keras.Model, most_bytes: int | None = None) -> None:
        self.model = model
        self._weights: list[tuple[keras.Variable, np.ndarray]] = []
        if is_constant(model, most_bytes):
            self._weights = [(v, np.array(v)) for v in model.variables]

    def __call__(self, inputs: Any) -> Any:
        return self.run(lambda: self.model(inputs, training=False))

    def run(self, call: Callable[[], Any]) -> Any:
        """Return what a function returns for which the weights are constants.

        Args:
            call: Calls layers of the network. It is called a second time, and the
                weights stay variables, where a layer has changed one of them: noise
                that counts its draws would be the same for ever.
        """
        if tf.executing_eagerly() or not self._weights:
            return call()
        known = [(v, tf.constant(array, v.dtype)) for v, array in self._weights]
        with keras.StatelessScope(state_mapping=known) as scope:
            output = call()
        if any(scope.get_current_value(v) is not value for v, value in known):
            self._weights = []
            return call()
        return output


def traced(model: keras.Model, size: tuple[int, int]) -> Any:
    """Return a network as it is now, traced once for any number of images of a size."""
    signature = [tf.TensorSpec([None, *size, 3], tf.float32)]
    return tf.function(Frozen(model), autograph=False, input_signature=signature)
