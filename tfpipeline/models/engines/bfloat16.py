"""TensorFlow's own graph in bfloat16, on processors that multiply in it.

A rewrite of the graph, by oneDNN's lists of operations: weights and what is outside of
these operations stay float32. Source: `auto_mixed_precision_onednn_bfloat16` of
`tf.config.optimizer.set_experimental_options`.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import hardware

_OPTION = "auto_mixed_precision_onednn_bfloat16"

# As Linux names what such processors can do.
INSTRUCTIONS = frozenset({"amx_bf16", "avx512_bf16"})

# Images whose nearest neighbours are compared, at least, and the share of them whose
# neighbour has to be among the three nearest still.
LEAST_NEIGHBOURS, AGREEMENT = 16, 0.9


def is_supported() -> bool:
    """Tell whether this processor multiplies in bfloat16; without, it is emulated."""
    return bool(INSTRUCTIONS & hardware.processor_flags())


@contextlib.contextmanager
def rewritten() -> Iterator[None]:
    """Let graphs that are called inside the block compute in bfloat16.

    A graph that is called both inside and outside exists twice: calls outside are as
    they were.
    """
    before = bool(tf.config.optimizer.get_experimental_options().get(_OPTION, False))
    tf.config.optimizer.set_experimental_options({_OPTION: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OPTION: before})


def engine(run: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Return what computes in bfloat16 what a graph computes in float32."""

    def outputs(*given: Any) -> np.ndarray:
        with rewritten():
            return np.asarray(run(*given), np.float32)

    return outputs


def agreement(exact: np.ndarray, other: np.ndarray) -> float:
    """Return how far two sets of features of the same images say the same.

    Args:
        exact: In float32, shape (n, width); n has to be at least 4.
        other: The same in less precision.

    Returns:
        The share of images, in [0, 1], whose nearest neighbour by the cosine of `exact`
        is among the three nearest by that of `other`.
    """
    first = _similarity(exact).argmax(axis=1)
    nearest = np.argsort(-_similarity(other), axis=1)[:, :3]
    return float((nearest == first[:, None]).any(axis=1).mean())


def _similarity(features: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair; an image is no neighbour of itself."""
    rows = features.reshape(len(features), -1).astype(np.float64)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -np.inf)
    return np.asarray(similarity)
