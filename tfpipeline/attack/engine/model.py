"""Who is attacked: any functions from images in [0, 1] to logits, asked in one way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine import losses, random
from tfpipeline.core.errors import UserError

# From images in [0, 1], shape (batch, height, width, 3), to logits, (batch, classes).
Model = Callable[[tf.Tensor], tf.Tensor]

# From images and a seed each, shape (batch, 2), to images of the same shape, with a
# gradient.
Change = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# From logits to one number an image.
Score = Callable[[tf.Tensor], tf.Tensor]

# Logits that lie so far apart have lost the digits that a softmax would need.
_SATURATED = 50.0


@dataclass(frozen=True)
class Response:
    """What a model answers about images."""

    # One of shape (batch,) a score; the gradients are empty if not asked for.
    scores: list[tf.Tensor]
    gradients: list[tf.Tensor]
    # Whether all networks are, in every sample; and the logits of the first.
    fooled: tf.Tensor
    logits: tf.Tensor


@dataclass(frozen=True)
class AttackedModel:
    """One network, or several that must all be fooled by the same image.

    Args:
        models: From images in [0, 1] to logits, all of the same classes.
        targeted: Whether an image must get its target, or only lose its label.
        changes: Random changes before the networks, which attacks expect over.
        samples: How often the networks are asked for each answer: more than once where
            they or `changes` are random. Only what fools every time is a success.
        seed: Of the changes, where nobody says which draws are to be made.
        confidence: By how much the wanted logit has to be above the others.

    Source: of expectation over transformation, Athalye et al., arXiv:1707.07397.
    """

    models: Sequence[Model]
    targeted: bool
    changes: Sequence[Change] = ()
    samples: int = 1
    seed: int = 0
    confidence: float = 0.0

    def ask(
        self,
        image: tf.Tensor,
        index: tf.Tensor,
        scores: Sequence[Score],
        *,
        gradients: bool = True,
        worst: bool = False,
        draw: tf.Tensor | None = None,
    ) -> Response:
        """Return scores of images, averaged over samples and networks.

        Args:
            image: In [0, 1], shape (batch, height, width, 3).
            index: The target or the label of each, int32, shape (batch,).
            scores: What to ask for.
            gradients: Whether to compute those of the scores.
            worst: Whether the lowest score of a network counts: all have to be fooled.
            draw: A seed of the changes for each image, shape (batch, 2).
        """
        several = len(scores) > 1
        with tf.GradientTape(several, watch_accessed_variables=False) as tape:
            if gradients:
                tape.watch(image)
            answers = self.answers(image, draw)
            values = [self._score(score, answers, worst) for score in scores]
        slopes = []
        if gradients:
            # Of each image its own: the sum over a batch tells them apart.
            zero = tf.UnconnectedGradients.ZERO
            slopes = [
                tape.gradient(value, image, unconnected_gradients=zero)
                for value in values
            ]
        fooled = [
            losses.fooled(logits, index, self.targeted, self.confidence)
            for logits in answers
        ]
        first = tf.add_n(answers[:: len(self.models)]) / self.samples
        return Response(values, slopes, tf.reduce_all(tf.stack(fooled), 0), first)

    def _score(
        self, score: Score, answers: Sequence[tf.Tensor], worst: bool
    ) -> tf.Tensor:
        count = len(self.models)
        each = [tf.add_n(list(map(score, answers[k::count]))) for k in range(count)]
        whole = tf.reduce_min(tf.stack(each), 0) if worst else tf.add_n(each) / count
        return whole / self.samples

    def answers(
        self, image: tf.Tensor, draw: tf.Tensor | None = None
    ) -> list[tf.Tensor]:
        """Return the logits of every network, of one sample after the other."""
        if draw is None:
            draw = tf.fill([tf.shape(image)[0], 2], self.seed)
        logits = []
        for sample in range(self.samples):
            seen = image
            for number, change in enumerate(self.changes):
                seen = change(seen, random.another(draw, 100 * sample + number))
            logits += [tf.cast(model(seen), tf.float32) for model in self.models]
        return logits


@dataclass(frozen=True)
class Inspection:
    """What is true of a network before it is attacked."""

    # Whether it answers twice the same.
    deterministic: bool
    # Shares of the images: without a gradient of the cross-entropy, and with logits too
    # far apart for a softmax. And the median difference of the best two logits.
    zero_gradients: float
    saturated: float
    spread: float
    # Share of the answers that are right; None where only targets are known.
    right: float | None = None


def inspect(model: AttackedModel, images: Any, index: Any) -> Inspection:
    """Look at a model, as an attack would, on a few images and their classes.

    Raises:
        UserError: The images are not in [0, 1], or the answers are no logits.
    """
    check_images(np.asarray(images))
    pictures = tf.constant(images, tf.float32)
    classes = tf.constant(index, tf.int32)
    first, again = (list(map(np.asarray, model.answers(pictures))) for _ in range(2))
    for logits in first:
        _check_logits(logits)

    @tf.function(autograph=False)
    def slopes() -> tf.Tensor:
        def loss(logits: tf.Tensor) -> tf.Tensor:
            return losses.cross_entropy(logits, classes, model.targeted)

        (gradient,) = model.ask(pictures, classes, [loss]).gradients
        return tf.reduce_max(tf.abs(gradient), list(range(1, len(gradient.shape))))

    every = np.stack(first)
    best = np.sort(every, axis=-1)
    spread = best[..., -1] - best[..., -2]
    right = float(np.mean(every.argmax(-1) == np.asarray(index)))
    return Inspection(
        all(map(np.array_equal, first, again)),
        float(np.mean(np.asarray(slopes()) == 0)),
        float(np.mean(spread > _SATURATED)),
        float(np.median(spread)),
        None if model.targeted else right,
    )


def check_images(images: np.ndarray) -> None:
    """Refuse what is no batch of images in [0, 1], or of uint8."""
    if images.ndim != 4 or images.dtype.kind not in "biuf":
        raise UserError(
            "Images to attack: expected numbers in [0, 1] of shape (n, height, width, "
            f"3), or uint8. Received: {images.dtype} of shape {images.shape}."
        )
    if images.dtype == np.uint8:
        return
    if not np.isfinite(images).all():
        count = int((~np.isfinite(images)).sum())
        raise UserError(
            f"Images to attack: expected numbers in [0, 1]. Received: {count} values "
            "that are NaN or infinite. Check how they were read."
        )
    least, most = float(images.min(initial=0)), float(images.max(initial=0))
    if least < 0 or most > 1:
        raise UserError(
            f"Images to attack: expected values in [0, 1], where epsilon is measured. "
            f"Received: {least:g} to {most:g}. Put the preprocessing into the network."
        )


def _check_logits(logits: np.ndarray) -> None:
    if not np.isfinite(logits).all():
        raise UserError(
            "The network to attack: expected numbers as logits, found NaN or infinity. "
            "Its weights are damaged, or its input is in another range."
        )
    shares = (logits >= 0).all() and (logits <= 1).all()
    if shares and np.allclose(logits.sum(-1), 1, atol=1e-3):
        raise UserError(
            "The network to attack: expected logits, found probabilities (they are in "
            "[0, 1] and add up to 1). Their gradient is zero where the network is "
            "sure, which looks like robustness. Leave out the last softmax."
        )
