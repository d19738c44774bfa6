"""The same classifier for phones and other runtimes: LiteRT and ONNX, from pixels."""

import contextlib
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.export import signature_inputs

INPUT, OUTPUT, NUMBER = "images", "probabilities", "value"


class Answering(NamedTuple):
    """How outputs become answers: a temperature, and what the target is."""

    temperature: float = 1.0
    target: str = targets.SINGLE

    @property
    def output(self) -> str:
        """What the output is called."""
        return NUMBER if self.target == targets.NUMBER else OUTPUT

    def __call__(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return probabilities of logits; a number as it is."""
        if self.target == targets.NUMBER:
            return outputs
        if self.target == targets.MULTI:
            return tf.sigmoid(outputs)
        return tf.nn.softmax(outputs / self.temperature)


class _Pixels(tf.Module):
    """From images to the probabilities of all classes, in the order of `labels.txt`.

    They are all 0, and a number is NaN, for an image whose values are none of pixels,
    where `checked`.
    """

    def __init__(
        self, model: keras.Model, answering: Answering, batch: int | None, checked: bool
    ) -> None:
        super().__init__()
        self.weights = [weight.value for weight in model.weights]

        def forward(images: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = tf.cast(model(images, training=False), tf.float32)
            chance = answering(logits)
            if checked:
                valid = signature_inputs.in_range(images)
                nothing = float("nan") if answering.output == NUMBER else 0.0
                blank = tf.fill(tf.shape(chance), nothing)
                chance = tf.where(valid[:, None], chance, blank)
            return {answering.output: chance}

        shape = (batch, *model.input_shape[1:])
        spec = tf.TensorSpec(shape, tf.float32, name=INPUT)
        self.forward = tf.function(forward, input_signature=[spec])


def _litert(
    model: keras.Model, answering: Answering, images: np.ndarray, kind: str
) -> bytes:
    # What 8 bits cannot hold is clipped before anything could look at it.
    served = _Pixels(model, answering, 1, checked=kind != "int8")
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(
            served, folder, signatures={"serving_default": served.forward}
        )
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        else:
            batches = [{INPUT: image[None]} for image in images]
            converter.representative_dataset = lambda: iter(batches)
        with warnings.catch_warnings():
            # It looks at the images by an interpreter that will move to a package.
            warnings.simplefilter("ignore", UserWarning)
            return bytes(converter.convert())


def _onnx(model: keras.Model, answering: Answering, *_: Any) -> bytes:
    import onnx
    import tf2onnx
    from tensorflow.python.framework import convert_to_constants

    served = _Pixels(model, answering, None, checked=True)
    # Keras compiles grouped convolutions by XLA, in calls that ONNX has no word for.
    with _inlined():
        traced = served.forward.get_concrete_function()
    # Plain tensors, as Keras' Normalization has them, would be further inputs.
    frozen = convert_to_constants.convert_variables_to_constants_v2(traced)
    (image,), (chance,) = frozen.inputs, frozen.outputs
    proto, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[image.name],
        output_names=[chance.name],
        opset=17,
        tensors_to_rename={image.name: INPUT, chance.name: answering.output},
        custom_op_handlers={"Erfc": (_erfc, [])},
    )
    # What cannot be converted is written as it is, and called a success.
    used = {node.op_type for node in proto.graph.node}
    if unknown_to_onnx := sorted(kind for kind in used if not onnx.defs.has(kind)):
        raise ValueError(f"ONNX has no such operation: {', '.join(unknown_to_onnx)}")
    return bytes(proto.SerializeToString())


@contextlib.contextmanager
def _inlined() -> Iterator[None]:
    """Trace what functions do, and not that they are called."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _erfc(graph: Any, node: Any, *_: Any) -> None:
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


@dataclass(frozen=True)
class Target:
    """A runtime that a classifier is converted to.

    By the classifier, how it answers, images that set the ranges of `int8`, and the
    kind of numbers; it may need packages of the extra with its name.
    """

    file: str
    convert: Callable[[keras.Model, Answering, np.ndarray, str], bytes]
    kind: str
    tolerance: float
    packages: tuple[str, ...] = ()


# Half precision keeps three digits; weights and activations of 8 bits move a
# probability near one half by more, and the best class seldom.
TARGETS = {
    "litert_float16": Target("model_float16.tflite", _litert, "float16", 0.02),
    "litert_int8": Target("model_int8.tflite", _litert, "int8", 0.35),
    "onnx": Target("model.onnx", _onnx, "float32", 1e-3, ("tf2onnx", "onnxruntime")),
}

# Share of the images whose probabilities have to be within the tolerance, and of those
# whose best class has to be the same where it is ahead by more than that.
WITHIN, AGREEMENT = 0.99, 0.95


def check(names: list[str]) -> None:
    """Refuse targets that nobody knows, or whose packages are not there."""
    for name in names:
        if name not in TARGETS:
            raise unknown("--also", name, TARGETS)
        for package in TARGETS[name].packages:
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"--also {name}: it needs a package that is not there ({package}): "
                    f"give pip install '.[{name}]' in the folder of "
                    "tfpipeline's source."
                )


def run(file: Path, images: np.ndarray) -> np.ndarray:
    """Return the answers of a `.tflite` or `.onnx`, asked in this process."""
    batches = [{INPUT: image[None]} for image in images]
    if file.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(file), providers=["CPUExecutionProvider"]
        )
        return np.concatenate([session.run(None, batch)[0] for batch in batches])
    ask = tf.lite.Interpreter(model_path=str(file)).get_signature_runner()
    return np.concatenate([next(iter(ask(**b).values())) for b in batches])
