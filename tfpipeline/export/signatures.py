"""What a served classifier answers to: encoded images, pixels, or `tf.Example`s."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfpipeline.core import image_formats
from tfpipeline.core import target as targets
from tfpipeline.export import signature_inputs
from tfpipeline.export.protocol import SIGNATURE, Answer
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.novelty import Novelty
from tfpipeline.models.constant_weights import Frozen

BYTES, PIXELS, FEATURES, CLASSIFY = SIGNATURE, "pixels", "features", "classify"
# The probabilities of all classes; versions of before have none.
ALL = "probabilities"
_NAMES = (BYTES, PIXELS, FEATURES, CLASSIFY, ALL)

CLASSIFY_METHOD = "tensorflow/serving/classify"

# What is sent together; memory for more is not asked for.
MAX_IMAGES = 256

# Outputs of which a model has one: by a threshold that keeps a target, or why there is
# none. Versions of before may have neither.
ACCEPTED, REASON = "accepted", "accepted_reason"

# Of several labels: whether the probability of each reaches its own threshold. Of a
# number: itself, instead of probabilities, and the ends of its interval, if it has one.
SAID, VALUE, LOW, HIGH = "said", "value", "low", "high"

# How unlike an image is those of the run, where it keeps what tells that; and either
# whether it is known, or why that is not known.
NOVELTY, KNOWN, KNOWN_REASON = "novelty", "known", "known_reason"

# The keys of an Example in which an encoded image may stand, the first of them first.
EXAMPLE_KEYS = ("image/encoded", "image_bytes")

Outputs = dict[str, tf.Tensor]
# Images or their features, whether each is one, bool (n,), and why not, string (n,).
Checked = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class Answers:
    """How logits become answers.

    They are accepted from the probability `accepts_from` on; where there is none, the
    reason is answered instead. So it is with what is known, by its `novelty`.
    """

    labels: Sequence[str]
    temperature: float = 1.0
    top_k: int = 5
    accepts_from: float | None = None
    reason: str = ""
    novelty: Novelty | None = None
    decision: Decision = Decision()

    @property
    def is_number(self) -> bool:
        """Whether the outputs are a number, and no logits."""
        return self.decision.target == targets.NUMBER

    def __call__(self, logits: tf.Tensor) -> Outputs:
        """Return outputs (n, k), the best class first; of ties the first.

        `labels` and `probabilities`; of several labels all of them, and which are
        `said`; of a number its name, its `value` and the ends of its interval, if there
        is one, (n, 1).
        """
        names = tf.constant(list(self.labels))
        if self.is_number:
            value, half = self.chance(logits), self.decision.half_width
            answer = {"labels": tf.fill(tf.shape(value), names[0]), VALUE: value}
            ends = {} if half is None else {LOW: value - half, HIGH: value + half}
            return answer | ends
        several = self.decision.target == targets.MULTI
        count = len(self.labels) if several else min(self.top_k, len(self.labels))
        chance, best = tf.math.top_k(self.chance(logits), count)
        outputs = {"labels": tf.gather(names, best), "probabilities": chance}
        if several:
            least = tf.constant(self.decision.thresholds, tf.float32)
            outputs[SAID] = chance >= tf.gather(least, best)
        return outputs

    def chance(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the probabilities of all classes, or the number, float32 (n, k)."""
        logits = tf.cast(logits, tf.float32)
        if self.is_number:
            return logits
        if self.decision.target == targets.MULTI:
            return tf.sigmoid(logits / self.decision.temperature)
        return tf.nn.softmax(logits / self.temperature)


class Served(tf.Module):
    """A classifier with the signatures that are served.

    Args:
        extractor: From images in [0, 1] to features, shape (n, width).
        head: From features to logits, shape (n, classes).
        answers: How logits become answers.
        read: Decodes strings, (n,), to uint8 images (n, height, width, 3).
        max_images: That are sent together; each one behind them is refused.
    """

    def __init__(
        self,
        extractor: Frozen,
        head: keras.Model,
        answers: Answers,
        read: Callable[[tf.Tensor], Checked],
        max_images: int = MAX_IMAGES,
    ) -> None:
        super().__init__()
        self.image_shape = tuple(extractor.model.input_shape[1:])
        # In a partial, TensorFlow sees no layers that it would save.
        self._ask, self._head = extractor, partial(head, training=False)
        self._answers, self._max_images = answers, max_images
        # What is sent may have any shape; it is looked at when it comes, since layers
        # that are given another rank end the whole process.
        many = [tf.TensorSpec(None, tf.string, name="image_bytes")]
        images = [tf.TensorSpec(None, tf.float32, name="images")]
        examples = [tf.TensorSpec(None, tf.string, name="inputs")]
        traced = partial(tf.function, autograph=False)
        # Once for all signatures.
        self._read = traced(read, [tf.TensorSpec((None,), tf.string)])
        self._vectors = traced(self._extract, images)
        if (score := answers.novelty) is not None:
            # So is this, which has as many numbers as a layer.
            widths = (len(score.mean), len(answers.labels))[: len(score.spreads)]
            rows = [tf.TensorSpec((None, width), tf.float32) for width in widths]
            self._novelty = traced(lambda *parts: score(*parts), rows)
        self.serve = traced(self._serve, many)
        self.pixels = traced(self._pixels, images)
        self.features = traced(self._features, many)
        self.classify = traced(self._classify, examples)
        self.all = traced(self._all, many)
        # Weights alone, and only those that are no constants of the graph: neither
        # seeds nor layers nor anything else of a training.
        self.weights = list(self.all.get_concrete_function().variables)

    def _serve(self, image_bytes: tf.Tensor) -> Outputs:
        return self._best(*self._decode(image_bytes))

    def _pixels(self, images: tf.Tensor) -> Outputs:
        shown, valid, error = signature_inputs.pixels(
            images, "images", self.image_shape
        )
        return self._best(self._vectors(shown), valid, error)

    def _features(self, image_bytes: tf.Tensor) -> Outputs:
        vectors, valid, error = self._decode(image_bytes)
        vectors = _among(valid, tf.cast(vectors, tf.float32))
        return {"features": vectors, "valid": valid, "error": error}

    def _classify(self, inputs: tf.Tensor) -> Outputs:
        spec = {key: tf.io.FixedLenFeature((), tf.string, "") for key in EXAMPLE_KEYS}
        values = tf.io.parse_example(signature_inputs.vector(inputs, "inputs"), spec)
        first, second = (values[key] for key in EXAMPLE_KEYS)
        answer = self.serve(tf.where(tf.strings.length(first) > 0, first, second))
        number = answer.get(VALUE)
        scores = answer["probabilities"] if number is None else number[:, None]
        return {"classes": answer["labels"], "scores": scores}

    def _all(self, image_bytes: tf.Tensor) -> Outputs:
        vectors, valid, error = self._decode(image_bytes)
        chance = _among(valid, self._answers.chance(self._head(vectors)))
        name = VALUE if self._answers.is_number else "probabilities"
        return {name: chance, "valid": valid, "error": error}

    def _best(self, vectors: tf.Tensor, valid: tf.Tensor, error: tf.Tensor) -> Outputs:
        logits = self._head(vectors)
        answer = self._answers(logits)
        outputs = {name: _among(valid, own) for name, own in answer.items()}
        outputs |= {"valid": valid, "error": error}
        if self._answers.is_number:
            flat = {n: outputs[n][:, 0] for n in (VALUE, LOW, HIGH) if n in outputs}
            return outputs | flat | self._strange(vectors, logits, valid)
        chance, least = outputs["probabilities"], self._answers.accepts_from
        if least is not None:
            sure = chance[:, 0] >= tf.constant(least, tf.float32)
            outputs[ACCEPTED] = valid & sure
        elif self._answers.reason:
            outputs[REASON] = tf.fill(tf.shape(chance)[:1], self._answers.reason)
        return outputs | self._strange(vectors, logits, valid)

    def _strange(
        self, vectors: tf.Tensor, logits: tf.Tensor, valid: tf.Tensor
    ) -> Outputs:
        """Return which images are known, 0 and not known where one is not valid."""
        score = self._answers.novelty
        if score is None:
            return {}
        parts = [vectors, logits] if score.uses_logits else [vectors]
        far = self._novelty(*[tf.cast(rows, tf.float32) for rows in parts])
        values = _among(valid, far[:, None])[:, 0]
        if score.threshold is None:
            reason = tf.fill(tf.shape(values)[:1], score.reason)
            return {NOVELTY: values, KNOWN_REASON: reason}
        knows = values <= tf.constant(score.threshold, tf.float32)
        return {NOVELTY: values, KNOWN: valid & knows}

    def _decode(self, image_bytes: tf.Tensor) -> Checked:
        """Return features of as many images as are taken; of all, what is valid."""
        image_bytes = signature_inputs.vector(image_bytes, "image_bytes")
        images, valid, error = self._read(image_bytes[: self._max_images])
        rest = tf.maximum(0, tf.size(image_bytes) - self._max_images)
        too_many = f"more than {self._max_images:,} images{image_formats.TOGETHER}"
        valid = tf.concat([valid, tf.fill([rest], False)], 0)
        error = tf.concat([error, tf.fill([rest], too_many)], 0)
        return self._vectors(tf.cast(images, tf.float32) / 255), valid, error

    def _extract(self, images: tf.Tensor) -> tf.Tensor:
        return self._ask(tf.ensure_shape(images, (None, *self.image_shape)))


def _among(valid: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Return a row for each image, nothing in those that are not valid."""
    zero = False if rows.dtype == tf.bool else 0
    nothing = tf.constant("" if rows.dtype == tf.string else zero, rows.dtype)
    missing = tf.size(valid) - tf.shape(rows)[0]
    blank = tf.fill([missing, tf.shape(rows)[1]], nothing)
    return tf.where(valid[:, None], tf.concat([rows, blank], 0), nothing)


def save(folder: Path, served: Served) -> None:
    """Write a SavedModel into a new folder."""
    signatures = {
        BYTES: served.serve,
        PIXELS: served.pixels,
        FEATURES: served.features,
        CLASSIFY: served.classify,
        ALL: served.all,
    }
    tf.saved_model.save(served, str(folder), signatures=signatures)
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        # TensorFlow names all methods for `Predict`, and knows no expected shapes.
        graph.signature_def[CLASSIFY].method_name = CLASSIFY_METHOD
        for name in signatures:
            shape = (None, *served.image_shape) if name == PIXELS else (None,)
            for sent in graph.signature_def[name].inputs.values():
                sent.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    file.write_bytes(saved.SerializeToString(deterministic=True))


def definitions(folder: Path) -> Mapping[str, Any]:
    """Return the `SignatureDef`s of a version, by their names."""
    content = (folder / "saved_model.pb").read_bytes()
    known = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].signature_def
    return {name: known[name] for name in known if not name.startswith("__")}


class Loaded:
    """A version in this process; OSError where none is, KeyError of a foreign one."""

    def __init__(self, folder: Path) -> None:
        # Functions die with the object that was loaded.
        self._model = tf.saved_model.load(str(folder))
        self.folder = folder
        known = self._model.signatures
        names = [name for name in _NAMES if name != ALL or name in known]
        self.signatures = {name: known[name] for name in names}

    def __call__(
        self, contents: Sequence[bytes], signature: str = BYTES
    ) -> dict[str, np.ndarray]:
        """Return what a signature answers to encoded images.

        Args:
            contents: One an image.
            signature: `serving_default`, `features` or `probabilities`.

        Returns:
            Its outputs by name, of `serving_default` `labels` (bytes) and
            `probabilities`, shape (n, k); `valid` and `error` (bytes), shape (n,).
        """
        sent = tf.constant(list(contents), tf.string, (len(contents),))
        outputs = self.signatures[signature](image_bytes=sent)
        return {name: np.asarray(value) for name, value in outputs.items()}

    def answer(self, contents: Sequence[bytes]) -> list[Answer]:
        """Return what is said of encoded images, as clients get it."""
        return answers_of(self(contents))


# Outputs that a version may not have, and what stands for them then.
_OPTIONAL = (
    *((ACCEPTED, None), (REASON, b"")),
    *((NOVELTY, None), (KNOWN, None), (KNOWN_REASON, b"")),
    *((SAID, None), (VALUE, None), (LOW, None), (HIGH, None)),
)


def answers_of(outputs: Mapping[str, np.ndarray]) -> list[Answer]:
    """Return the outputs of `serving_default`, by their names, as clients get them."""
    count = len(outputs["valid"])
    # A number has no probabilities.
    chances = outputs.get("probabilities", np.zeros((count, 0)))
    if "probabilities" not in outputs and VALUE not in outputs:
        raise KeyError("probabilities")
    columns = [outputs["labels"].tolist(), chances.tolist()]
    columns += [outputs[key].tolist() for key in ("valid", "error")]
    for key, missing in _OPTIONAL:
        column = outputs.get(key, np.full(len(outputs["valid"]), missing))
        columns.append(column.tolist())
    answers = []
    for labels, chance, valid, error, sure, reason, *strange in zip(*columns):
        names = [label.decode() for label in labels]
        far, knows, why, said, *number = strange
        called = None if said is None else [n for n, yes in zip(names, said) if yes]
        own = sure, reason.decode(), far, knows, why.decode(), called, *number
        answer = Answer(names, chance, "", *own)
        answers.append(answer if valid else Answer((), (), error.decode()))
    return answers
