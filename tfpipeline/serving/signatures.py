"""What a served classifier answers to: encoded images, pixels, or `tf.Example`s."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfpipeline.serving.client import Answer

BYTES, PIXELS, FEATURES, CLASSIFY = "serving_default", "pixels", "features", "classify"

# An output that only a model with a stored threshold has.
ACCEPTED = "accepted"

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
    """

    labels: Sequence[str]
    temperature: float = 1.0
    top_k: int = 5
    accepts_from: float | None = None

    def __call__(self, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the names of the best classes, and their probabilities.

        Args:
            logits: Shape (n, classes).

        Returns:
            string and float32 in [0, 1], both (n, k), best first; of equal ones the
            first.
        """
        logits = tf.cast(logits, tf.float32) / self.temperature
        count = min(self.top_k, len(self.labels))
        chance, best = tf.math.top_k(tf.nn.softmax(logits), count)
        return tf.gather(tf.constant(list(self.labels)), best), chance


@dataclass(frozen=True)
class Parts:
    """What a served classifier is made of.

    Args:
        extractor: From images in [0, 1] to features, shape (n, width).
        head: From features to logits, shape (n, classes).
        answers: How logits become answers.
        read: Decodes what is sent.
    """

    extractor: keras.Model
    head: keras.Model
    answers: Answers
    read: Read


class Served(tf.Module):
    """A classifier with the four signatures that are served.

    Args:
        parts: What it is made of.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        # Weights alone: neither seeds nor layers nor anything else of a training. What
        # TensorFlow does not know as a container is not saved.
        weights = [*parts.extractor.weights, *parts.head.weights]
        self.weights = [weight.value for weight in weights]
        self._parts = parts

        size = tuple(parts.extractor.input_shape[1:])
        many = tf.TensorSpec((None,), tf.string, name="image_bytes")
        images = tf.TensorSpec((None, *size), tf.float32, name="images")
        examples = tf.TensorSpec((None,), tf.string, name="inputs")
        self.serve = tf.function(self._serve, input_signature=[many])
        self.pixels = tf.function(self._pixels, input_signature=[images])
        self.features = tf.function(self._features, input_signature=[many])
        self.classify = tf.function(self._classify, input_signature=[examples])

    def _serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        images, valid, error = self._parts.read(image_bytes)
        labels, chance = self._answer(tf.cast(images, tf.float32) / 255)
        there = valid[:, None]
        chance = tf.where(there, chance, 0.0)
        return {
            "labels": tf.where(there, labels, ""),
            "probabilities": chance,
            "valid": valid,
            "error": error,
            **self._accepted(chance, valid),
        }

    def _pixels(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        labels, chance = self._answer(images)
        return {"labels": labels, "probabilities": chance, **self._accepted(chance)}

    def _accepted(self, chance: tf.Tensor, valid: Any = True) -> dict[str, tf.Tensor]:
        """Return which answers are sure enough, where that is known."""
        least = self._parts.answers.accepts_from
        if least is None:
            return {}
        return {ACCEPTED: valid & (chance[:, 0] >= tf.constant(least, tf.float32))}

    def _features(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        images, valid, error = self._parts.read(image_bytes)
        pixels = tf.cast(images, tf.float32) / 255
        vectors = tf.cast(self._parts.extractor(pixels, training=False), tf.float32)
        vectors = tf.where(valid[:, None], vectors, 0.0)
        return {"features": vectors, "valid": valid, "error": error}

    def _classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {key: tf.io.FixedLenFeature((), tf.string, "") for key in EXAMPLE_KEYS}
        found = tf.io.parse_example(inputs, spec)
        first, second = (found[key] for key in EXAMPLE_KEYS)
        answer = self._serve(tf.where(tf.strings.length(first) > 0, first, second))
        return {"classes": answer["labels"], "scores": answer["probabilities"]}

    def _answer(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parts = self._parts
        features = parts.extractor(pixels, training=False)
        return parts.answers(parts.head(features, training=False))


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
    }
    tf.saved_model.save(served, str(folder), signatures=signatures)
    _name_method(folder / "saved_model.pb")


def _name_method(file: Path) -> None:
    """Let the server's `Classify` find its signature: all are named for `Predict`."""
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        graph.signature_def[CLASSIFY].method_name = _CLASSIFY_METHOD
    file.write_bytes(saved.SerializeToString(deterministic=True))


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
        self.signatures = {
            name: self._model.signatures[name]
            for name in (BYTES, PIXELS, FEATURES, CLASSIFY)
        }

    def __call__(self, contents: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Return what `serving_default` answers to encoded images.

        Args:
            contents: One an image.

        Returns:
            `labels` (bytes) and `probabilities`, shape (n, k); `valid` and `error`
            (bytes), shape (n,).
        """
        sent = tf.constant(list(contents), tf.string, (len(contents),))
        answer = self.signatures[BYTES](image_bytes=sent)
        return {name: np.asarray(value) for name, value in answer.items()}

    def answer(self, contents: Sequence[bytes]) -> list[Answer]:
        """Return what is said of encoded images, as a client is told it.

        Args:
            contents: One an image.
        """
        found = self(contents)
        return answers_of(found)


def plain(value: Any) -> Any:
    """Return an output as JSON has it: lists, numbers, and text instead of bytes.

    Args:
        value: What `tolist` made of an array.
    """
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.decode() if isinstance(value, bytes) else value


def answers_of(found: Mapping[str, np.ndarray]) -> list[Answer]:
    """Return the outputs of `serving_default` as a client is told them.

    Args:
        found: By their names.
    """
    accepted = found.get(ACCEPTED, np.full(len(found["valid"]), None)).tolist()
    columns = (found[k] for k in ("labels", "probabilities", "valid", "error"))
    return [
        (
            Answer([name.decode() for name in labels], chance.tolist(), "", sure)
            if valid
            else Answer((), (), error.decode())
        )
        for labels, chance, valid, error, sure in zip(*columns, accepted)
    ]
