"""What a network costs, counted from its layers."""

import math

import keras

from tfpipeline.models import classifier


def multiply_adds(model: keras.Model) -> int:
    """Return the multiply-adds of convolutions and dense layers for one image.

    Those are nearly all of it; each is two floating point operations.
    """
    total = 0
    for layer in classifier.leaves(model):
        kernels = [w for w in layer.weights if "kernel" in w.name and len(w.shape) > 1]
        if kernels:
            # A kernel is applied once at every place of what comes out.
            places = math.prod(int(size) for size in layer.output.shape[1:-1])
            total += places * sum(math.prod(kernel.shape) for kernel in kernels)
    return total
