"""Activation functions of layers: what comes before them, and dead ReLUs."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager import record

# Layers that only cut off, or bend, what another one has computed.
LAYERS = (keras.layers.ReLU, keras.layers.Activation)


def is_relu(layer: Any) -> bool:
    """Return whether a layer ends with a ReLU."""
    function = getattr(layer, "activation", None)
    named = getattr(function, "__name__", "") in ("relu", "relu6")
    return named or isinstance(layer, keras.layers.ReLU)


def before(layer: Any, x: Any) -> Any:
    """Return the input of a layer's activation function; None where it has none."""
    if isinstance(layer, LAYERS):
        return x
    if getattr(layer, "activation", None) in (None, keras.activations.linear):
        return None
    dense = isinstance(layer, keras.layers.Dense)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    if not (dense or depthwise or hasattr(layer, "convolution_op")):
        return None
    x = keras.ops.cast(x, layer.compute_dtype)
    kernel = keras.ops.cast(layer.kernel, layer.compute_dtype)
    if dense:
        out = keras.ops.matmul(x, kernel)
    elif depthwise:
        shape = (layer.strides, layer.padding, layer.data_format, layer.dilation_rate)
        out = keras.ops.depthwise_conv(x, kernel, *shape)
    else:
        out = layer.convolution_op(x, kernel)
    return out if layer.bias is None else out + keras.ops.cast(layer.bias, out.dtype)


def after(layer: Any, before: Any) -> Any:
    """Return the output of a layer, given the input of its activation function."""
    return layer(before) if isinstance(layer, LAYERS) else layer.activation(before)


@tf.custom_gradient
def redirect(before: Any, after: Any) -> Any:
    """Return a ReLU's output `after`, with a gradient to its input that wakes it.

    Source: Olah et al., "Feature Visualization", distill.pub, 2017 (the lucid library).
    """

    def gradient(upstream: Any) -> Any:
        own = tf.where((before > 0) & (after >= before), upstream, 0.0)
        # A step goes against the gradient of a loss: this one would raise the input.
        waking = tf.where((before < 0) & (upstream > 0), 0.0, upstream)
        axes = list(range(1, len(before.shape)))
        alive = tf.reduce_any(tf.not_equal(own, 0), axes, keepdims=True)
        return tf.where(alive, own, waking), tf.zeros_like(after)

    return after, gradient


def leaky(layer: Any, before: Any, share: float) -> Any:
    """Return a ReLU's output, with the gradient of a leaky one that has no upper limit.

    Where a ReLU is flat, it tells nothing of what would open it, or of what it has cut
    off; other networks are open elsewhere. It passes a share of the gradient where its
    output is 0, and all of it above, also at the limit of a ReLU6: there is an
    operation for that, and images are clearer by it than by the share alone.

    Source: gradients of a linear network transfer better, Guo et al., arXiv:2012.03528.
    """
    alpha = share + getattr(layer, "negative_slope", 0.0)

    def gradient(upstream: Any, output: Any) -> Any:
        # What is above the threshold, which is not negative, is put out as it is.
        return tf.raw_ops.LeakyReluGrad(
            gradients=upstream, features=output, alpha=alpha
        )

    return altered(lambda x: after(layer, x), before, gradient)


def altered(
    function: Callable[[Any], Any], x: Any, gradient: Callable[[Any, Any], Any]
) -> Any:
    """Return `function(x)`, whose gradient to x is `gradient(upstream, output)`.

    `tf.custom_gradient` holds on to x, and TensorFlow then neither joins an activation
    to the convolution before it nor works in place: a step of an ideal image took an
    eighth longer. So a tape that is recording is told itself.
    """
    if record.should_record_backprop([x]):
        with record.stop_recording():
            output = function(x)
        record.record_operation(
            "Altered", [output], [x], lambda upstream: [gradient(upstream, output)]
        )
        return output

    @tf.custom_gradient
    def later(x: Any) -> Any:
        output = function(x)
        return output, lambda upstream: gradient(upstream, output)

    return later(x)
