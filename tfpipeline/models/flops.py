"""What a network costs, counted from its layers."""

import math

import keras


def multiply_adds(model: keras.Model) -> int:
    """Return the multiplications with a following addition for one image.

    Counted are the kernels of convolutions and dense layers, which are nearly all of
    it; an operation that is none, such as an activation, counts nothing.

    Args:
        model: Built; layers within layers count as well.

    Returns:
        For one image; twice as many floating point operations.
    """
    return sum(map(_of_layer, _leaves(model)))


def _leaves(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    inner = getattr(layer, "layers", None)
    if not inner:
        return [layer]
    return [leaf for one in inner for leaf in _leaves(one)]


def _of_layer(layer: keras.layers.Layer) -> int:
    kernels = [w for w in layer.weights if "kernel" in w.name and len(w.shape) > 1]
    if not kernels:
        return 0
    # A kernel is applied once at every place of what comes out.
    places = math.prod(int(size) for size in layer.output.shape[1:-1])
    return places * sum(math.prod(kernel.shape) for kernel in kernels)
