"""What a served classifier answers to: encoded images, pixels, or `tf.Example`s."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfpipeline.core import image_formats
from tfpipeline.export import signature_inputs as inputs_
from tfpipeline.export.protocol import Answer

BYTES, PIXELS, FEATURES, CLASSIFY = "serving_default", "pixels", "features", "classify"
# The probabilities of all classes; versions of before have none.
ALL = "probabilities"

# What is sent together; memory for more is not asked for.
MAX_IMAGES = 256

# Outputs of which a model has one: by a threshold that keeps a target, or why there is
# none. Versions of before may have neither.
ACCEPTED, REASON = "accepted", "accepted_reason"

# The keys of an Example in which an encoded image may stand, the first of them first.
EXAMPLE_KEYS = ("image/encoded", "image_bytes")

# From encoded images, string (n,), to uint8 images (n, height, width, 3), whether each
# is one, bool (n,), and why not, string (n,).
Read = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]

_CLASSIFY_METHOD = "tensorflow/serving/classify"


@dataclass(frozen=True)
class Answers:
    """How logits become answers.

    Args:
        labels: Class names, in the order of the logits.
        temperature: By which logits are divided, positive.
        top_k: Classes that are named for each image, at most.
        accepts_from: The probability from which on an answer is accepted; None accepts
            and refuses nothing.
        reason: Why there is no such probability, which is then answered instead.
    """

    labels: Sequence[str]
    temperature: float = 1.0
    top_k: int = 5
    accepts_from: float | None = None
    reason: str = ""

    def __call__(self, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the names of the best classes, and their probabilities.

        Args:
            logits: Shape (n, classes).

        Returns:
            string and float32 in [0, 1], both (n, k), best first; of equal ones the
            first.
        """
        count = min(self.top_k, len(self.labels))
        chance, best = tf.math.top_k(self.chance(logits), count)
        return tf.gather(tf.constant(list(self.labels)), best), chance

    def chance(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the probabilities of all classes, float32, shape (n, classes).

        Args:
            logits: Shape (n, classes).
        """
        return tf.nn.softmax(tf.cast(logits, tf.float32) / self.temperature)


@dataclass(frozen=True)
class Parts:
    """What a served classifier is made of.

    Args:
        extractor: From images in [0, 1] to features, shape (n, width).
        head: From features to logits, shape (n, classes).
        answers: How logits become answers.
        read: Decodes what is sent.
        max_images: That are sent together; each one behind them is refused.
        ask: Asks the extractor, perhaps with constant weights; None asks it as it is.
    """

    extractor: keras.Model
    head: keras.Model
    answers: Answers
    read: Read
    max_images: int = MAX_IMAGES
    ask: Callable[[tf.Tensor], tf.Tensor] | None = None


class Served(tf.Module):
    """A classifier with the signatures that are served.

    Args:
        parts: What it is made of.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts

        self.image_shape = tuple(parts.extractor.input_shape[1:])
        # What is sent may have any shape; it is looked at when it comes, since layers
        # that are given another rank end the whole process.
        many = tf.TensorSpec(None, tf.string, name="image_bytes")
        images = tf.TensorSpec(None, tf.float32, name="images")
        examples = tf.TensorSpec(None, tf.string, name="inputs")
        # Traced once for all signatures.
        some = tf.TensorSpec((None,), tf.string)
        self._read = tf.function(parts.read, input_signature=[some])
        self._vectors = tf.function(self._extract, input_signature=[images])
        self.serve = tf.function(self._serve, input_signature=[many])
        self.pixels = tf.function(self._pixels, input_signature=[images])
        self.features = tf.function(self._features, input_signature=[many])
        self.classify = tf.function(self._classify, input_signature=[examples])
        self.all = tf.function(self._all, input_signature=[many])
        # Weights alone, and only those that are no constants of the graph: neither
        # seeds nor layers nor anything else of a training. What TensorFlow does not
        # know as a container is not saved.
        self.weights = list(self.all.get_concrete_function().variables)

    def _serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(*self._sent(image_bytes))

    def _pixels(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        shown, valid, error = inputs_.pixels(images, "images", self.image_shape)
        return self._answer(self._vectors(shown), valid, error)

    def _answer(
        self, vectors: tf.Tensor, valid: tf.Tensor, error: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        labels, chance = self._parts.answers(self._logits(vectors))
        labels = _among(valid, labels)
        chance = _among(valid, chance)
        told = {"labels": labels, "probabilities": chance}
        told |= {"valid": valid, "error": error}
        return told | self._accepted(chance, valid)

    def _accepted(self, chance: tf.Tensor, valid: Any = True) -> dict[str, tf.Tensor]:
        """Return which answers are sure enough, or why that is not known."""
        least, reason = self._parts.answers.accepts_from, self._parts.answers.reason
        if least is None:
            return {REASON: tf.fill(tf.shape(chance)[:1], reason)} if reason else {}
        return {ACCEPTED: valid & (chance[:, 0] >= tf.constant(least, tf.float32))}

    def _features(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        vectors, valid, error = self._sent(image_bytes)
        vectors = _among(valid, tf.cast(vectors, tf.float32))
        return {"features": vectors, "valid": valid, "error": error}

    def _classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {key: tf.io.FixedLenFeature((), tf.string, "") for key in EXAMPLE_KEYS}
        found = tf.io.parse_example(inputs_.vector(inputs, "inputs"), spec)
        first, second = (found[key] for key in EXAMPLE_KEYS)
        answer = self.serve(tf.where(tf.strings.length(first) > 0, first, second))
        return {"classes": answer["labels"], "scores": answer["probabilities"]}

    def _all(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        vectors, valid, error = self._sent(image_bytes)
        chance = self._parts.answers.chance(self._logits(vectors))
        told = {"probabilities": _among(valid, chance)}
        return told | {"valid": valid, "error": error}

    def _sent(self, image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return features of as many images as are taken; of all, what is valid."""
        image_bytes = inputs_.vector(image_bytes, "image_bytes")
        most = self._parts.max_images
        images, valid, error = self._read(image_bytes[:most])
        rest = tf.maximum(0, tf.size(image_bytes) - most)
        too_many = f"more than {most:,} images{image_formats.TOGETHER}"
        valid = tf.concat([valid, tf.fill([rest], False)], 0)
        error = tf.concat([error, tf.fill([rest], too_many)], 0)
        pixels = tf.cast(images, tf.float32) / 255
        return self._vectors(pixels), valid, error

    def _extract(self, images: tf.Tensor) -> tf.Tensor:
        images = tf.ensure_shape(images, self._parts.extractor.input_shape)
        if self._parts.ask is not None:
            return self._parts.ask(images)
        return self._parts.extractor(images, training=False)

    def _logits(self, vectors: tf.Tensor) -> tf.Tensor:
        return self._parts.head(vectors, training=False)


def _among(valid: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Return a row for each image, nothing in those that are not valid."""
    nothing = tf.constant("") if rows.dtype == tf.string else tf.zeros((), rows.dtype)
    missing = tf.size(valid) - tf.shape(rows)[0]
    blank = tf.fill([missing, tf.shape(rows)[1]], nothing)
    return tf.where(valid[:, None], tf.concat([rows, blank], 0), nothing)


def save(folder: Path, served: Served) -> None:
    """Write a SavedModel.

    Args:
        folder: A new folder.
        served: The classifier.
    """
    signatures = {
        BYTES: served.serve,
        PIXELS: served.pixels,
        FEATURES: served.features,
        CLASSIFY: served.classify,
        ALL: served.all,
    }
    tf.saved_model.save(served, str(folder), signatures=signatures)
    size = served.image_shape
    _describe(folder / "saved_model.pb", size)


def _describe(file: Path, size: tuple[int, ...]) -> None:
    """Tell the method of `classify`, all are named for `Predict`, and what is sent.

    Args:
        file: The written graphs.
        size: Height, width and colours of an image.
    """
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        graph.signature_def[CLASSIFY].method_name = _CLASSIFY_METHOD
        for name in (BYTES, PIXELS, FEATURES, CLASSIFY, ALL):
            shape = (None, *size) if name == PIXELS else (None,)
            for told in graph.signature_def[name].inputs.values():
                told.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    file.write_bytes(saved.SerializeToString(deterministic=True))


def definitions(folder: Path) -> Mapping[str, Any]:
    """Return the `SignatureDef`s of a version, by their names.

    Args:
        folder: Of the version.
    """
    content = (folder / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    known = saved.meta_graphs[0].signature_def
    return {name: one for name, one in known.items() if not name.startswith("__")}


class Loaded:
    """A SavedModel that this package exported, in this process.

    Args:
        folder: A version of it.

    Raises:
        OSError: There is none.
        KeyError: It was made by something else.
    """

    def __init__(self, folder: Path) -> None:
        # Functions die with the object that was loaded.
        self._model = tf.saved_model.load(str(folder))
        self.folder = folder
        known = self._model.signatures
        self.signatures = {
            name: known[name]
            for name in (BYTES, PIXELS, FEATURES, CLASSIFY, ALL)
            if name != ALL or name in known
        }

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
        answer = self.signatures[signature](image_bytes=sent)
        return {name: np.asarray(value) for name, value in answer.items()}

    def answer(self, contents: Sequence[bytes]) -> list[Answer]:
        """Return what is said of encoded images, as a client is told it.

        Args:
            contents: One an image.
        """
        found = self(contents)
        return answers_of(found)


def answers_of(found: Mapping[str, np.ndarray]) -> list[Answer]:
    """Return the outputs of `serving_default` as a client is told them.

    Args:
        found: By their names.
    """
    count = len(found["valid"])
    accepted = found.get(ACCEPTED, np.full(count, None)).tolist()
    reasons = found.get(REASON, np.full(count, b"")).tolist()
    columns = (found[k] for k in ("labels", "probabilities", "valid", "error"))
    return [
        (
            Answer(
                [name.decode() for name in labels],
                chance.tolist(),
                "",
                sure,
                reason.decode(),
            )
            if valid
            else Answer((), (), error.decode())
        )
        for labels, chance, valid, error, sure, reason in zip(
            *columns, accepted, reasons
        )
    ]
