"""How tf2onnx is asked for an ONNX file: what it needs of a graph, and is slow at."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf


@contextlib.contextmanager
def inlined() -> Iterator[None]:
    """Trace what functions do, and not that they are called."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def in_place(convert: Callable[[], Any]) -> Any:
    """Call tf2onnx without its copies of all weights, one before each pass.

    InceptionResNetV2 takes 12 GB without them, and more than 21 with them. They are for
    passes that fail and are left out then, as one is with MobileNetV3.
    """
    if (name := "TF2ONNX_CATCH_ERRORS") in os.environ:
        return convert()
    os.environ[name] = "FALSE"
    try:
        return convert()
    except Exception:
        os.environ[name] = "TRUE"
        return convert()
    finally:
        del os.environ[name]


def erfc(graph: Any, node: Any, *_: Any) -> None:
    """Write the complementary error function of exact GELU: ONNX has `Erf` alone."""
    (output,) = node.output
    kind = {
        "dtypes": [graph.get_dtype(output)],
        "shapes": [graph.get_shape(output)],
    }
    erf = graph.make_node("Erf", node.input, **kind)
    one = graph.make_const(f"{node.name}_one", np.array(1, np.float32))
    graph.remove_node(node.name)
    graph.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], **kind)
