"""The same classifier for phones and other runtimes: LiteRT and ONNX, from pixels."""

import functools
import importlib.util
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.export import litert_graphs, onnx_graphs, signature_inputs
from tfpipeline.metrics.novelty import Novelty
from tfpipeline.models import classifier

INPUT, OUTPUT, NUMBER = "images", "probabilities", "value"
# The ends of the interval of a number, where there is one.
LOW, HIGH = "low", "high"

# How unlike an image is those of the run, and whether it is known (1 or 0): of models
# that tell. As an image classifier's further heads, which runtimes for phones can have,
# they have a column and are float32.
NOVELTY, KNOWN = "novelty", "known"
_FEATURES, _LOGITS, _VALID = "features", "logits", "valid"

# From images to outputs by name, or from what the score is made of.
Outputs = dict[str, tf.Tensor]


class Answering(NamedTuple):
    """How outputs become answers: a temperature, what the target is, an interval."""

    temperature: float = 1.0
    target: str = targets.SINGLE
    # Of a number: half the width of its interval.
    half_width: float | None = None

    @property
    def output(self) -> str:
        """What the output is called."""
        return NUMBER if self.target == targets.NUMBER else OUTPUT

    def __call__(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return probabilities of logits; a number as it is."""
        if self.target == targets.NUMBER:
            return outputs
        if self.target == targets.MULTI:
            return tf.sigmoid(outputs / self.temperature)
        return tf.nn.softmax(outputs / self.temperature)

    def ends(self, value: tf.Tensor) -> Outputs:
        """Return the ends of the interval of a number; nothing without one."""
        if self.target != targets.NUMBER or self.half_width is None:
            return {}
        half = tf.constant(self.half_width, tf.float32)
        return {LOW: value - half, HIGH: value + half}

    @property
    def further(self) -> tuple[str, ...]:
        """What `ends` returns, by name."""
        has_ends = self.target == targets.NUMBER and self.half_width is not None
        return (LOW, HIGH) if has_ends else ()


class _Traced(tf.Module):
    """A function with its inputs, and the weights that it uses."""

    def __init__(
        self,
        function: Callable[..., Outputs],
        shapes: Mapping[str, Sequence[int | None]],
        weights: Sequence[Any] = (),
    ) -> None:
        super().__init__()
        self.weights = [weight.value for weight in weights]
        specs = [
            tf.TensorSpec(shape, tf.float32, name=n) for n, shape in shapes.items()
        ]
        self.forward = tf.function(function, input_signature=specs, autograph=False)


def _pixels(
    model: keras.Model,
    answering: Answering,
    score: Novelty | None,
    checked: bool,
    parts: bool = False,
) -> Callable[[tf.Tensor], Outputs]:
    """Return what answers images: the probabilities of all classes, and novelty.

    All is 0, and a number NaN, for an image whose values are none of pixels, if
    `checked`. With `parts`, it answers what the score is made of instead of the score.
    """

    def plain(images: tf.Tensor) -> tuple[tf.Tensor, Outputs]:
        return tf.cast(model(images, training=False), tf.float32), {}

    def scored(images: tf.Tensor) -> tuple[tf.Tensor, Outputs]:
        vectors = tf.cast(extractor(images, training=False), tf.float32)
        logits = tf.cast(head(vectors, training=False), tf.float32)
        return logits, tail(vectors, *([logits] if uses_logits else []))

    ask = plain
    if score is not None:
        extractor, head = classifier.split_classifier(model)
        tail, uses_logits = _parts if parts else _strange(score), score.uses_logits
        ask = scored

    def forward(images: tf.Tensor) -> Outputs:
        logits, more = ask(images)
        answer = {answering.output: answering(logits), **more}
        if not checked:
            return answer | answering.ends(answer[answering.output])
        valid = signature_inputs.in_range(images)[:, None]
        masked = {n: tf.where(valid, a, tf.zeros_like(a)) for n, a in answer.items()}
        if answering.output == NUMBER:
            # tf2onnx makes products of `tf.where`, in which any NaN would win. This is
            # 1, or the root of -1.
            unit = tf.sqrt(2.0 * tf.cast(valid, tf.float32) - 1.0)
            masked[NUMBER] = answer[NUMBER] * unit
        answer = masked | answering.ends(masked[answering.output])
        return answer | ({_VALID: tf.cast(valid, tf.float32)} if parts else {})

    return forward


def _parts(features: tf.Tensor, *logits: tf.Tensor) -> Outputs:
    return dict(zip((_FEATURES, _LOGITS), (features, *logits)))


def _strange(score: Novelty) -> Callable[..., Outputs]:
    """Return what answers features and logits, which a score of features alone does
    not take: novelty, and whether that is known.

    Of what is not valid, where that is a part, both are 0.
    """

    def forward(
        features: tf.Tensor,
        logits: tf.Tensor | None,
        valid: tf.Tensor | None = None,
    ) -> Outputs:
        answer = {NOVELTY: score(features, logits)[:, None]}
        if score.threshold is not None:
            knows = answer[NOVELTY] <= tf.constant(score.threshold, tf.float32)
            answer[KNOWN] = tf.cast(knows, tf.float32)
        if valid is None:
            return answer
        return {name: value * valid for name, value in answer.items()}

    def of_features(features: tf.Tensor, valid: tf.Tensor | None = None) -> Outputs:
        return forward(features, None, valid)

    return forward if score.uses_logits else of_features


def outputs(score: Novelty | None, *first: str) -> list[str]:
    """Return what a converted file answers, in its order."""
    if score is None:
        return [*first]
    return [*first, NOVELTY] + ([] if score.threshold is None else [KNOWN])


def _litert(
    model: keras.Model,
    answering: Answering,
    images: np.ndarray,
    kind: str,
    score: Novelty | None = None,
) -> bytes:
    # What 8 bits cannot hold is clipped before anything could look at it.
    is_int8 = kind == "int8"
    answer = _pixels(model, answering, score, not is_int8, parts=True)
    network = _Traced(answer, {INPUT: (1, *model.input_shape[1:])}, model.weights)
    batches = [{INPUT: image[None]} for image in images]
    content = _convert(network, kind, batches)
    if score is not None:
        # A difference of sums of squares, which is lost in 8 bits, and in half
        # precision too where features hardly vary in some direction.
        widths = {_FEATURES: len(score.mean)}
        if score.uses_logits:
            widths |= {_LOGITS: model.output_shape[-1]}
        if not is_int8:
            widths |= {_VALID: 1}
        shapes = {name: (1, width) for name, width in widths.items()}
        tail = _convert(_Traced(_strange(score), shapes), "float32")
        content = litert_graphs.join(content, tail)
    return litert_graphs.select(
        content, outputs(score, answering.output, *answering.further)
    )


def _convert(
    traced: _Traced, kind: str, batches: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """Return a `.tflite` of a kind of numbers; batches set the ranges of `int8`."""
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(
            traced, folder, signatures={"serving_default": traced.forward}
        )
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        elif kind == "int8":
            converter.representative_dataset = lambda: iter(batches)
        with warnings.catch_warnings():
            # It looks at the images by an interpreter that will move to a package.
            warnings.simplefilter("ignore", UserWarning)
            return bytes(converter.convert())


def _onnx(
    model: keras.Model,
    answering: Answering,
    images: np.ndarray,
    kind: str,
    score: Novelty | None = None,
) -> bytes:
    import onnx
    import tf2onnx
    from tensorflow.python.framework import convert_to_constants

    answer = _pixels(model, answering, score, checked=True)
    shapes = {INPUT: (None, *model.input_shape[1:])}
    # Keras compiles grouped convolutions by XLA, in calls that ONNX has no word for.
    with onnx_graphs.inlined():
        served = _Traced(answer, shapes, model.weights)
        traced = served.forward.get_concrete_function()
    # Plain tensors, as Keras' Normalization has them, would be further inputs.
    frozen = convert_to_constants.convert_variables_to_constants_v2(traced)
    (image,) = frozen.inputs
    # TensorFlow orders what is in a dictionary by its names.
    order = outputs(score, answering.output, *answering.further)
    names = dict(zip(sorted(order), (each.name for each in frozen.outputs)))
    convert = functools.partial(
        tf2onnx.convert.from_graph_def,
        frozen.graph.as_graph_def(),
        input_names=[image.name],
        output_names=[names[name] for name in order],
        opset=17,
        tensors_to_rename={image.name: INPUT, **{t: n for n, t in names.items()}},
        custom_op_handlers={"Erfc": (onnx_graphs.erfc, [])},
    )
    proto, _ = onnx_graphs.in_place(convert)
    # What cannot be converted is written as it is, and called a success.
    used = {node.op_type for node in proto.graph.node}
    if unknown_to_onnx := sorted(kind for kind in used if not onnx.defs.has(kind)):
        raise ValueError(f"ONNX has no such operation: {', '.join(unknown_to_onnx)}")
    return bytes(proto.SerializeToString())


@dataclass(frozen=True)
class Target:
    """A runtime that a classifier is converted to.

    By the classifier, how it answers, images that set the ranges of `int8`, the kind of
    numbers, and the score of novelty, which may be missing; it may need packages of
    the extra with its name.
    """

    file: str
    convert: Callable[..., bytes]
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
                    f"--also {name}: it needs a package that is not installed "
                    f"({package}): "
                    f"run pip install '.[{name}]' in the folder of "
                    "tfpipeline's source."
                )


def run(file: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of a `.tflite` or `.onnx`, asked in this process, by name."""
    batches = [{INPUT: image[None]} for image in images]
    if file.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(file), providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        answers = [dict(zip(names, session.run(names, batch))) for batch in batches]
    else:
        ask = tf.lite.Interpreter(model_path=str(file)).get_signature_runner()
        answers = [ask(**batch) for batch in batches]
    return {n: np.concatenate([answer[n] for answer in answers]) for n in answers[0]}
