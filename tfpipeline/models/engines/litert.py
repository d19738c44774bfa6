"""A frozen network in LiteRT, TensorFlow's runtime for phones, on this processor.

Its kernels (XNNPACK) take less time than TensorFlow's for small and depthwise
convolutions, and longer for large ones. An image at a time is the fastest: what a layer
hands on then stays in the processor's cache.
"""

import threading
import warnings
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


class Traced:
    """A network as TensorFlow computes it, traced so that it can be converted too.

    The maps that a classifier pools are a second output: they are there anyway. The
    weights are constants: LiteRT does not fill variables, and does not say so.

    Args:
        model: With one output; as it is now.
    """

    def __init__(self, model: keras.Model) -> None:
        signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)]
        if maps := classifier.pooled_maps(model):
            model = keras.Model(model.inputs[0], [model.outputs[0], *maps])
        function = tf.function(
            Frozen(model, MOST_WEIGHTS), autograph=False, input_signature=signature
        )
        self._function = function.get_concrete_function()

    def __call__(self, images: Any) -> np.ndarray:
        """Return the outputs of images, of any number of them."""
        outputs = tf.nest.flatten(self._function(tf.constant(images)))
        return np.asarray(outputs[0])

    def convert(self) -> bytes:
        """Return the network for LiteRT, for one image at a time.

        The converter of graphs is three times as fast as that of functions, which
        copies and optimizes the graph before.

        Raises:
            Exception: Of TensorFlow, of many kinds: LiteRT lacks an operation.
        """
        graph = self._function.graph
        # Small tensors that layers hold, as Keras' normalization does, are constants.
        inner = [held.op.type for _, held in graph.captures]
        if inner != ["Const"] * len(self._function.captured_inputs):
            raise ValueError(
                "it reads more than constants: variables that change, or tables"
            )
        given = graph.as_graph_def(), graph.inputs[:1], graph.outputs
        converter = tf.compat.v1.lite.TFLiteConverter(*given)
        # Python would read and write the whole network once more for them.
        converter.exclude_conversion_metadata = True
        return bytes(converter.convert())


class LiteRT:
    """A converted network that computes on all cores: an interpreter each.

    Args:
        content: What `Traced.convert` returned.
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
        rows: list[Any] = [None] * len(images)
        # Each interpreter takes the next image: a core may be busy with other things.
        places = iter(range(len(images)))

        def run(interpreter: Any) -> None:
            for i in places:
                interpreter.set_tensor(self._place, images[i : i + 1])
                # It lets other threads run meanwhile.
                interpreter.invoke()
                rows[i] = interpreter.get_tensor(output)

        with self._lock:
            list(self._pool.map(run, self._interpreters))
        return np.concatenate(rows)
