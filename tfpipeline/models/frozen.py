"""A network whose weights are constants: quicker, where only its images change."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Of weights, in bytes: each function that asks a network of constants has a copy.
_MOST = 2**26


def frozen(model: keras.Model) -> Any:
    """Return a network as it is now, traced once for any number of images.

    TensorFlow joins convolutions with what follows them, and scales with kernels, only
    where weights are constants: on CPUs that saves a fifth of a forward and backward
    pass. Large networks, and those that change or draw something when they are asked,
    keep their variables.

    Args:
        model: From images, shape (batch, height, width, 3), to logits.

    Returns:
        The same function, without dropout and the like; gradients pass.
    """
    height, width = model.input_shape[1:3]
    signature = [tf.TensorSpec([None, height, width, 3], tf.float32)]

    def traced(answer: Callable[[tf.Tensor], tf.Tensor]) -> Any:
        return tf.function(answer, autograph=False, input_signature=signature)

    plain = traced(lambda image: model(image, training=False))
    if not isinstance(model, keras.Model) or _bytes(model) > _MOST:
        return plain
    # Read here: inside of a trace nothing has a value.
    learned = [np.asarray(one) for one in model.trainable_variables]
    other = [np.asarray(one) for one in model.non_trainable_variables]
    pure = []

    def answer(image: tf.Tensor) -> tf.Tensor:
        before = [tf.constant(one) for one in other]
        weights = [tf.constant(one) for one in learned]
        logits, after = model.stateless_call(weights, before, image, training=False)
        pure.append(all(one is two for one, two in zip(before, after)))
        return logits

    quick = traced(answer)
    quick.get_concrete_function()
    # What counts its draws would make the same ones for ever.
    return quick if all(pure) else plain


def _bytes(model: keras.Model) -> int:
    return sum(np.asarray(one).nbytes for one in model.variables)
