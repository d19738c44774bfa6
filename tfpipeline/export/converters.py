"""The same classifier for phones and other runtimes: LiteRT and ONNX, from pixels."""

import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.core.errors import UserError, unknown
from tfpipeline.export import signature_inputs

INPUT, OUTPUT = "images", "probabilities"


class _Pixels(tf.Module):
    """From images to the probabilities of all classes, in the order of `labels.txt`.

    They are all 0 for an image whose values are none of pixels, where `judged`.
    """

    def __init__(
        self, model: keras.Model, temperature: float, batch: int | None, judged: bool
    ) -> None:
        super().__init__()
        self.weights = [weight.value for weight in model.weights]
        size = tuple(model.input_shape[1:])

        def forward(images: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = tf.cast(model(images, training=False), tf.float32)
            chance = tf.nn.softmax(logits / temperature)
            if judged:
                valid = signature_inputs.in_range(images)
                chance = tf.where(valid[:, None], chance, tf.zeros_like(chance))
            return {OUTPUT: chance}

        spec = tf.TensorSpec((batch, *size), tf.float32, name=INPUT)
        self.forward = tf.function(forward, input_signature=[spec])


def _litert(
    model: keras.Model, temperature: float, some: np.ndarray, kind: str
) -> bytes:
    # What 8 bits cannot hold is clipped before anything could look at it.
    served = _Pixels(model, temperature, 1, judged=kind != "int8")
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(
            served, folder, signatures={"serving_default": served.forward}
        )
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        else:

            def shown() -> Iterator[dict[str, np.ndarray]]:
                for image in some:
                    yield {INPUT: image[None]}

            converter.representative_dataset = shown
        with warnings.catch_warnings():
            # It looks at the images by an interpreter that will move to a package.
            warnings.simplefilter("ignore", UserWarning)
            return bytes(converter.convert())


def _onnx(model: keras.Model, temperature: float, some: np.ndarray, kind: str) -> bytes:
    import tf2onnx

    served = _Pixels(model, temperature, None, judged=True)
    proto, _ = tf2onnx.convert.from_function(
        served.forward, served.forward.input_signature, opset=17
    )
    return bytes(proto.SerializeToString())


@dataclass(frozen=True)
class Target:
    """A runtime that a classifier is converted to.

    Args:
        file: Its name.
        convert: From the classifier, its temperature, some images and `kind` to the
            content of the file.
        kind: Of numbers; the ranges of `int8` are set by images.
        tolerance: Difference of a probability that is let pass.
        agreement: Share of images whose best class has to be the same, where it is
            ahead by more than the tolerance.
        packages: That it needs, of the extra with the name of the target.
    """

    file: str
    convert: Callable[[keras.Model, float, np.ndarray, str], bytes]
    kind: str
    tolerance: float
    agreement: float
    packages: tuple[str, ...] = ()


_ONNX = ("tf2onnx", "onnxruntime")

# Half precision keeps three digits; weights and activations of 8 bits move a
# probability near one half by more, and the best class seldom.
TARGETS = {
    "litert_float16": Target("model_float16.tflite", _litert, "float16", 0.02, 0.95),
    "litert_int8": Target("model_int8.tflite", _litert, "int8", 0.35, 0.95),
    "onnx": Target("model.onnx", _onnx, "float32", 1e-3, 0.95, _ONNX),
}

# Share of the images whose probabilities have to be within the tolerance.
WITHIN = 0.99


def check(names: list[str]) -> None:
    """Refuse targets that nobody knows, or whose packages are not there.

    Args:
        names: What the user asked for.

    Raises:
        UserError: With the nearest known name, or what to install.
    """
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
    """Return what a converted classifier says, in this process.

    Args:
        file: Ends in `.tflite` or `.onnx`.
        images: float32 in [0, 1], shape (n, height, width, 3).

    Returns:
        Probabilities, float32, shape (n, classes).
    """
    ask: Callable[[np.ndarray], Any]
    if file.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(file), providers=["CPUExecutionProvider"]
        )

        def ask(image: np.ndarray) -> Any:
            return session.run([OUTPUT], {INPUT: image})[0]

    else:
        runner = tf.lite.Interpreter(model_path=str(file)).get_signature_runner()

        def ask(image: np.ndarray) -> Any:
            return runner(**{INPUT: image})[OUTPUT]

    return np.concatenate([ask(image[None]) for image in images])
