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
SATURATED = 50.0


@dataclass(frozen=True)
class Asked:
    """What a victim answers about some images.

    Args:
        scores: One array a score, each of shape (batch,).
        gradients: Of the scores, each of the shape of the images; empty if not asked.
        fooled: Whether all networks are, in every sample; shape (batch,).
        logits: Of the first network, shape (batch, classes).
    """

    scores: list[tf.Tensor]
    gradients: list[tf.Tensor]
    fooled: tf.Tensor
    logits: tf.Tensor


@dataclass(frozen=True)
class Victim:
    """One network, or several that must all be fooled by the same image.

    Args:
        models: From images in [0, 1] to logits, all of the same classes.
        targeted: Whether an image must get its target, or only lose its label.
        changes: Random changes before the networks, through which gradients pass: an
            attack then expects over them.
        samples: How often the networks are asked for each answer: more than once where
            `changes` or the networks themselves are random. Only what fools in every
            one of them is a success.
        seed: Of the changes, where nobody says which draws are to be made.
        confidence: By how much the wanted logit has to be above the others, before an
            attack has succeeded.

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
    ) -> Asked:
        """Return scores of images, and their gradients.

        Args:
            image: In [0, 1], shape (batch, height, width, 3).
            index: The target or the label of each, int32, shape (batch,).
            scores: What to ask for; averaged over samples and networks.
            gradients: Whether to compute gradients.
            worst: Whether the lowest score of a network counts and not the average:
                all have to be fooled.
            draw: A seed of the changes for each image, shape (batch, 2).
        """
        several = len(scores) > 1
        with tf.GradientTape(several, watch_accessed_variables=False) as tape:
            if gradients:
                tape.watch(image)
            answers = self.answers(image, draw)
            found = [self._score(score, answers, worst) for score in scores]
        slopes = []
        if gradients:
            zero = tf.UnconnectedGradients.ZERO
            # Of each image its own: the sum over a batch tells them apart.
            slopes = [
                tape.gradient(one, image, unconnected_gradients=zero) for one in found
            ]
        means = [
            tf.add_n(answers[k :: len(self.models)]) / self.samples
            for k in range(len(self.models))
        ]
        each = [
            losses.fooled(one, index, self.targeted, self.confidence) for one in answers
        ]
        return Asked(found, slopes, tf.reduce_all(tf.stack(each), 0), means[0])

    def _score(
        self, score: Score, answers: Sequence[tf.Tensor], worst: bool
    ) -> tf.Tensor:
        count = len(self.models)
        each = [
            tf.add_n([score(one) for one in answers[k::count]]) for k in range(count)
        ]
        whole = tf.reduce_min(tf.stack(each), 0) if worst else tf.add_n(each) / count
        return whole / self.samples

    def answers(
        self, image: tf.Tensor, draw: tf.Tensor | None = None
    ) -> list[tf.Tensor]:
        """Return the logits of every network, of one sample after the other.

        Args:
            image: In [0, 1], shape (batch, height, width, 3).
            draw: A seed of the changes for each image, shape (batch, 2).
        """
        if draw is None:
            draw = tf.fill([tf.shape(image)[0], 2], self.seed)
        found = []
        for sample in range(self.samples):
            seen = image
            for number, change in enumerate(self.changes):
                seen = change(seen, random.another(draw, 100 * sample + number))
            found += [tf.cast(model(seen), tf.float32) for model in self.models]
        return found


@dataclass(frozen=True)
class Inspection:
    """What is true of a network before it is attacked.

    Args:
        deterministic: Whether it answers twice the same.
        zero_gradients: Share of the images without any gradient of the cross-entropy.
        saturated: Share of the images whose logits lie too far apart for a softmax.
        spread: Median difference of the best two logits.
        right: Share of the answers that are right before an attack; None where only
            targets are known.
    """

    deterministic: bool
    zero_gradients: float
    saturated: float
    spread: float
    right: float | None = None


def inspect(victim: Victim, images: Any, index: Any) -> Inspection:
    """Look at a victim, as an attack would, on a few images.

    Args:
        victim: With one network or several.
        images: In [0, 1], shape (n, height, width, 3).
        index: The target or the label of each.

    Raises:
        UserError: The images are not in [0, 1], or the answers are no logits.
    """
    check_images(np.asarray(images))
    pictures = tf.constant(images, tf.float32)
    classes = tf.constant(index, tf.int32)
    first = [np.asarray(one) for one in victim.answers(pictures)]
    again = [np.asarray(one) for one in victim.answers(pictures)]
    for logits in first:
        _check_logits(logits)

    @tf.function(autograph=False)
    def slopes() -> tf.Tensor:
        def loss(logits: tf.Tensor) -> tf.Tensor:
            return losses.cross_entropy(logits, classes, victim.targeted)

        (gradient,) = victim.ask(pictures, classes, [loss]).gradients
        return tf.reduce_max(tf.abs(gradient), list(range(1, len(gradient.shape))))

    every = np.stack(first)
    best = np.sort(every, axis=-1)
    right = float(np.mean(every.argmax(-1) == np.asarray(index)))
    return Inspection(
        all(np.array_equal(one, other) for one, other in zip(first, again)),
        float(np.mean(np.asarray(slopes()) == 0)),
        float(np.mean(best[..., -1] - best[..., -2] > SATURATED)),
        float(np.median(best[..., -1] - best[..., -2])),
        None if victim.targeted else right,
    )


def check_images(images: np.ndarray) -> None:
    """Refuse images that are none.

    Args:
        images: Of any shape and type.

    Raises:
        UserError: It is no batch of images, or a value is no number, or not in [0, 1];
            uint8 is divided by 255.
    """
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
            "that are none (NaN or without an end). Look at how they were read."
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
            "The network to attack: expected numbers as logits, found what is none. "
            "Its weights are damaged, or its input is in another range."
        )
    if (
        (logits >= 0).all()
        and (logits <= 1).all()
        and np.allclose(logits.sum(-1), 1, atol=1e-3)
    ):
        raise UserError(
            "The network to attack: expected logits, found probabilities (they are in "
            "[0, 1] and add up to 1). Their gradient is nought where the network is "
            "sure, which looks like robustness. Leave out the last softmax."
        )
