"""What an image is to excite: terms of one number an image, which add and scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tfpipeline.models.layer_outputs import LOGITS


@dataclass(frozen=True)
class Seen:
    """Images, and what a network made of them.

    Args:
        image: In [0, 1], shape (batch, height, width, 3); untransformed.
        outputs: Of the network, by name: `logits`, and the layers that terms need.
        place: int32, shape (batch,): where each image stands in the whole job, so that
            a term can have another target for each.
        natural: What it made of the photograph that the images start from, by name,
            shape (1, ...), seen as the images are; empty without one.
    """

    image: tf.Tensor
    outputs: Mapping[str, tf.Tensor]
    place: tf.Tensor
    natural: Mapping[str, tf.Tensor] = field(default_factory=dict)

    @property
    def logits(self) -> tf.Tensor:
        """float32, shape (batch, classes)."""
        return tf.cast(self.outputs[LOGITS], tf.float32)

    def maps(self, layer: str) -> tf.Tensor:
        """Return the output of a layer, float32, shape (batch, ..., channels)."""
        return tf.cast(self.outputs[layer], tf.float32)

    def own(self, values: Any) -> tf.Tensor:
        """Return each image's own value, of one for all or one for each in the job."""
        tensor = tf.convert_to_tensor(values)
        if tensor.shape.rank == 0:
            return tf.fill(tf.shape(self.place), tensor)
        return tf.gather(tensor, self.place)

    def pick(self, rows: tf.Tensor, indices: Any) -> tf.Tensor:
        """Return of each image's row the number at its own index, shape (batch,)."""
        return tf.gather(rows, self.own(indices), batch_dims=1)


@dataclass(frozen=True)
class Objective:
    """A weighted sum of terms; `2 * a + 3 * b` weighs `a` by 2 and `b` by 3.

    Args:
        terms: Weights, and functions from what was seen to one number an image.
        needs: Names of the outputs that the terms read, beside the logits.
        pixels: Whether a term looks at the image itself.
        compares: Whether a term compares with the photograph that it starts from.
    """

    terms: tuple[tuple[float, Callable[[Seen], tf.Tensor]], ...]
    needs: frozenset[str] = frozenset()
    pixels: bool = False
    compares: bool = False

    def __call__(self, seen: Seen) -> tf.Tensor:
        """Return the score of each image, float32, shape (batch,)."""
        total = tf.zeros(tf.shape(seen.place))
        for weight, term in self.terms:
            total += weight * tf.cast(term(seen), tf.float32)
        return total

    def __add__(self, other: Objective) -> Objective:
        return Objective(
            self.terms + other.terms,
            self.needs | other.needs,
            self.pixels or other.pixels,
            self.compares or other.compares,
        )

    def __mul__(self, factor: float) -> Objective:
        terms = tuple((factor * weight, term) for weight, term in self.terms)
        return dataclasses.replace(self, terms=terms)

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return -1.0 * self

    def __sub__(self, other: Objective) -> Objective:
        return self + -other


def _of(
    term: Callable[[Seen], tf.Tensor], *needs: str, pixels: bool = False
) -> Objective:
    return Objective(((1.0, term),), frozenset(needs), pixels)


# Below, an index or a channel is one for all images, or one for each image.


def class_logit(indices: int | Sequence[int]) -> Objective:
    """Return the logit of a class.

    Source: Simonyan et al., arXiv:1312.6034.
    """
    return _of(lambda seen: seen.pick(seen.logits, indices))


def log_odds(indices: int | Sequence[int]) -> Objective:
    """Return the logit of a class minus the log-sum-exp of all others.

    Unlike the log-probability, its gradient does not vanish where the class has won.
    """

    def term(seen: Seen) -> tf.Tensor:
        logits, own = seen.logits, seen.own(indices)
        mask = tf.one_hot(own, logits.shape[-1], True, False, dtype=tf.bool)
        others = tf.where(mask, -1e9, logits)
        return seen.pick(logits, indices) - tf.reduce_logsumexp(others, axis=-1)

    return _of(term)


def cross_entropy(
    indices: int | Sequence[int], *, of_probabilities: bool = False
) -> Objective:
    """Return the cross-entropy of a class, to be *subtracted*: zero is certainty.

    Of probabilities it is computed as Keras does from a softmax output, which has no
    gradient below a probability of 1e-7.
    """

    def term(seen: Seen) -> tf.Tensor:
        if not of_probabilities:
            log = tf.reduce_logsumexp(seen.logits, axis=-1)
            return log - seen.pick(seen.logits, indices)
        shares = seen.pick(tf.nn.softmax(seen.logits), indices)
        return -tf.math.log(tf.clip_by_value(shares, 1e-7, 1 - 1e-7))

    return _of(term)


def _flat(values: tf.Tensor) -> tf.Tensor:
    """Return all values of each image in a row, shape (batch, any)."""
    return tf.reshape(values, [tf.shape(values)[0], -1])


def layer(name: str) -> Objective:
    """Return the mean square of a layer's output: a deep dream.

    Source: Mordvintsev et al., "Inceptionism", 2015.
    """
    return _of(lambda seen: tf.reduce_mean(tf.square(_flat(seen.maps(name))), 1), name)


def channel(name: str, numbers: int | Sequence[int]) -> Objective:
    """Return the mean output of a layer's channel over all positions.

    Source: Olah et al., "Feature Visualization", distill.pub, 2017.
    """

    def term(seen: Seen) -> tf.Tensor:
        maps = seen.maps(name)
        means = tf.reduce_mean(maps, tf.range(1, tf.rank(maps) - 1))
        return seen.pick(means, numbers)

    return _of(term, name)


def neuron(
    name: str, numbers: int | Sequence[int], position: tuple[int, int] | None = None
) -> Objective:
    """Return the output of a channel at a row and column; None is the middle."""

    def term(seen: Seen) -> tf.Tensor:
        maps = seen.maps(name)
        row, column = position or (maps.shape[1] // 2, maps.shape[2] // 2)
        return seen.pick(maps[:, row, column], numbers)

    return _of(term, name)


def direction(name: str, vector: Any, cosine_power: float = 1) -> Objective:
    """Return the mean output of a layer along a direction of its channels.

    The vector is one for all images, shape (channels,), or one for each, shape (images,
    channels). A higher power of the cosine asks for the direction alone, 0 for the dot
    product.

    Source: Carter et al., "Activation Atlas", distill.pub, 2019.
    """

    def term(seen: Seen) -> tf.Tensor:
        maps = seen.maps(name)
        along = tf.convert_to_tensor(vector, tf.float32)
        if along.shape.rank == 2:
            between = [1] * (maps.shape.rank - 2)
            along = tf.gather(along, seen.place)
            along = tf.reshape(along, [-1, *between, along.shape[-1]])
        dot = tf.reduce_sum(maps * along, -1)
        lengths = tf.norm(maps, axis=-1) * tf.norm(along, axis=-1)
        cosine = tf.maximum(dot / tf.maximum(lengths, 1e-6), 0.1)
        return tf.reduce_mean(_flat(dot * cosine**cosine_power), 1)

    return _of(term, name)


def moments(maps: tf.Tensor) -> tf.Tensor:
    """Return means over positions of maps, then standard deviations, of each channel.

    Shape (batch, 2 * channels).
    """
    mean, variance = tf.nn.moments(maps, list(range(1, maps.shape.rank - 1)))
    # A root has no gradient at zero, and dead channels are there.
    return tf.concat([mean, tf.sqrt(variance + 1e-3)], -1)


def statistics(name: str, rows: Any) -> Objective:
    """Return how far means and deviations of channels are from some, to be subtracted.

    It is the square of the distance by that of the length, of the means and of the
    standard deviations over positions. Rows have both, of a layer's channels, shape (2
    * channels,) for all images, or one for each, shape (images, 2 * channels); a row of
    zeros has no distance.

    Source: DeepInversion, Yin et al., arXiv:1912.08795.
    """

    def term(seen: Seen) -> tf.Tensor:
        wanted = tf.convert_to_tensor(rows, tf.float32)
        if wanted.shape.rank == 2:
            wanted = tf.gather(wanted, seen.place)
        wanted = tf.reshape(wanted, [-1, 2, wanted.shape[-1] // 2])
        own = moments(seen.maps(name))
        own = tf.reshape(own, [-1, 2, wanted.shape[-1]])
        length = tf.reduce_sum(tf.square(wanted), -1)
        square = tf.reduce_sum(tf.square(own - wanted), -1)
        return tf.reduce_sum(tf.math.divide_no_nan(square, length), -1)

    return _of(term, name)


def total_variation() -> Objective:
    """Return the sum of absolute differences between neighbours, over all channels.

    Source: Rudin, Osher & Fatemi, Physica D 60 (1992); here without squares.
    """
    return _of(lambda seen: tf.image.total_variation(seen.image), pixels=True)


def l2(centre: float = 0.5) -> Objective:
    """Return the sum of squares of an image's distance from a grey in [0, 1]."""
    return _of(
        lambda seen: tf.reduce_sum(tf.square(_flat(seen.image - centre)), axis=1),
        pixels=True,
    )


def diversity(name: str, groups: Sequence[int]) -> Objective:
    """Return how little an image has in common with the others of its group.

    It is minus the mean cosine between the channel correlations (Gram matrices). It is
    the one term in which images see each other: those of a group (which `groups` has
    for each image of the whole job) must be in one batch.

    Source: Olah et al., "Feature Visualization", distill.pub, 2017.
    """

    def term(seen: Seen) -> tf.Tensor:
        maps = seen.maps(name)
        maps = tf.reshape(maps, [tf.shape(maps)[0], -1, maps.shape[-1]])
        grams = _flat(tf.matmul(maps, maps, transpose_a=True))
        grams = tf.math.l2_normalize(grams, axis=1)
        group = seen.own(groups)
        alike = tf.cast(group[:, None] == group[None], tf.float32)
        alike -= tf.eye(tf.shape(alike)[0])
        cosines = tf.matmul(grams, grams, transpose_b=True)
        count = tf.maximum(tf.reduce_sum(alike, 1), 1)
        return -tf.reduce_sum(alike * cosines, 1) / count

    return _of(term, name)


def feature_distance(name: str) -> Objective:
    """Return how far an image is from its photograph in a layer, to be *subtracted*.

    It is the distance of their outputs, both transformed alike, by the length of the
    photograph's: 0 is the photograph itself.

    Source: feature accentuation, Hamblin et al., arXiv:2402.10039.
    """

    def term(seen: Seen) -> tf.Tensor:
        own = _flat(seen.maps(name))
        natural = _flat(tf.cast(seen.natural[name], tf.float32))
        square = tf.reduce_sum(tf.square(own - natural), 1)
        # A root has no gradient at zero, and there every ascent begins.
        distance = tf.sqrt(square + 1e-12 * tf.reduce_sum(tf.square(natural), 1))
        return distance / tf.maximum(tf.norm(natural, axis=1), 1e-6)

    found = _of(term, name)
    return dataclasses.replace(found, compares=True)


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "class_logit": class_logit,
    "log_odds": log_odds,
    "cross_entropy": cross_entropy,
    "layer": layer,
    "channel": channel,
    "neuron": neuron,
    "direction": direction,
    "statistics": statistics,
    "total_variation": total_variation,
    "l2": l2,
    "diversity": diversity,
    "feature_distance": feature_distance,
}
