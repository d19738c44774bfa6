"""What a network costs, counted from its layers."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras

from tfpipeline.models import classifier


def multiply_adds(model: keras.Model) -> int:
    """Return the multiply-adds of convolutions and dense layers for one image.

    Those are nearly all of it; each is two floating point operations.
    """
    return sum(count for _, count in _counts(model))


def dense_share(model: keras.Model) -> float:
    """Return the share of these in convolutions of 2 x 2 and more over all channels."""
    counts = list(_counts(model))
    dense = sum(
        count
        for layer, count in counts
        if isinstance(layer, keras.layers.Conv2D)
        and layer.groups == 1
        and math.prod(layer.kernel_size) > 1
    )
    return dense / max(1, sum(count for _, count in counts))


def _counts(model: keras.Model) -> Iterator[tuple[Any, int]]:
    """Yield the layers with kernels, and the multiply-adds of each."""
    for layer in classifier.leaves(model):
        kernels = [w for w in layer.weights if "kernel" in w.name and len(w.shape) > 1]
        if kernels:
            # A layer of a network of your own may have no output, several, or any size.
            with contextlib.suppress(AttributeError, TypeError, ValueError):
                # A kernel is applied once at every place of what comes out.
                places = math.prod(int(size) for size in layer.output.shape[1:-1])
                yield layer, places * sum(math.prod(kernel.shape) for kernel in kernels)
