"""A frozen network in LiteRT, TensorFlow's runtime for phones, on this processor.

Its kernels (XNNPACK) take less time than TensorFlow's for small and depthwise
convolutions, and longer for large ones. An image at a time is the fastest: what a layer
hands on then stays in the processor's cache.
"""

import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.core import hardware
from tfpipeline.models import classifier
from tfpipeline.models.constant_weights import Frozen

# Interpreters side by side, at most, and the memory that they may take: each has its
# own copy of the weights, in the order in which its kernels read them.
_MOST_INTERPRETERS, _MOST_BYTES = 16, 2**30

# A model of this many bytes is not converted: TensorFlow writes no graph of 2 GiB.
MOST_WEIGHTS = 2**29


def convert(model: keras.Model) -> bytes:
    """Return a network with one output, as it is now, for one image at a time.

    The maps that a classifier pools are a second output: they are there anyway.

    The weights are constants before it is converted: LiteRT does not fill variables,
    and does not say so. The converter of graphs is three times as fast as that of
    functions, which copies and optimizes the graph before.

    Raises:
        Exception: Of TensorFlow, of many kinds: LiteRT lacks an operation.
    """
    signature = [tf.TensorSpec([1, *model.input_shape[1:]], tf.float32)]
    if maps := classifier.pooled_maps(model):
        model = keras.Model(model.inputs[0], [model.outputs[0], *maps])
    function = tf.function(
        Frozen(model, MOST_WEIGHTS), autograph=False, input_signature=signature
    )
    traced = function.get_concrete_function()
    if traced.captured_inputs:
        raise ValueError(
            "it reads more than constants: variables that change, or tables"
        )
    graph = traced.graph.as_graph_def()
    converter = tf.compat.v1.lite.TFLiteConverter(graph, traced.inputs, traced.outputs)
    # Python would read and write the whole network once more for them.
    converter.exclude_conversion_metadata = True
    return bytes(converter.convert())


class LiteRT:
    """A converted network that computes on all cores: an interpreter each.

    Args:
        content: What `convert` returned.
    """

    def __init__(self, content: bytes) -> None:
        cores = hardware.cores()
        # Measured: an interpreter holds the file's bytes about twice.
        room = max(1, _MOST_BYTES // max(1, 2 * len(content)))
        count = min(cores, _MOST_INTERPRETERS, room)
        with warnings.catch_warnings():
            # It will move to another package.
            warnings.simplefilter("ignore")
            self._interpreters = [
                tf.lite.Interpreter(
                    model_content=content, num_threads=-(-cores // count)
                )
                for _ in range(count)
            ]
        for interpreter in self._interpreters:
            interpreter.allocate_tensors()
        (image,) = self._interpreters[0].get_input_details()
        self._place = image["index"]
        # They have an order of their own: maps that are pooled have the more axes.
        outputs = sorted(
            self._interpreters[0].get_output_details(), key=lambda o: len(o["shape"])
        )
        self._output, *maps = (output["index"] for output in outputs)
        # None where nothing is pooled.
        self._maps = maps[0] if maps else None
        # An interpreter holds one image; callers may be threads, as in Apache Beam.
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(count, "litert")

    def __call__(self, images: Any) -> np.ndarray:
        """Return the outputs of images, in order.

        Args:
            images: float32, shape (n, height, width, 3).

        Returns:
            float32, shape (n, ...).
        """
        return self._over(images, self._output)

    @property
    def has_maps(self) -> bool:
        """Whether the network is a classifier, or its part, that pools maps."""
        return self._maps is not None

    def maps(self, images: Any) -> np.ndarray:
        """Return the maps that are pooled, in order, where the network `has_maps`.

        Args:
            images: float32, shape (n, height, width, 3).

        Returns:
            float32, shape (n, rows, columns, channels).
        """
        assert self._maps is not None
        return self._over(images, self._maps)

    def _over(self, images: Any, output: int) -> np.ndarray:
        images = np.asarray(images, np.float32)
        parts = np.array_split(images, len(self._interpreters))
        with self._lock:
            # An interpreter lets other threads run while it computes.
            given = self._interpreters, parts, [output] * len(parts)
            rows = list(self._pool.map(self._run, *given))
        return np.concatenate([row for part in rows for row in part])

    def _run(
        self, interpreter: Any, images: np.ndarray, output: int
    ) -> list[np.ndarray]:
        return list(self._each(interpreter, images, output))

    def _each(
        self, interpreter: Any, images: np.ndarray, output: int
    ) -> Iterator[np.ndarray]:
        for i in range(len(images)):
            interpreter.set_tensor(self._place, images[i : i + 1])
            interpreter.invoke()
            yield interpreter.get_tensor(output)
