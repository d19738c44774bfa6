"""From numbers to the image that excites most: traced steps on every replica."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.core import progress
from tfpipeline.synthesize.climb import Climb, Part
from tfpipeline.synthesize.objectives import LOGITS, Objective, Seen
from tfpipeline.synthesize.parameterizations import Numbers, Parameterization
from tfpipeline.synthesize.transforms import Transform, apply_all

# From images in [0, 1] to logits, or to named outputs with the logits among them.
Network = Callable[[tf.Tensor], Any]

# For how many steps the dead ReLUs of an image without a gradient are redirected.
WAKING_STEPS = 16


@dataclass(frozen=True)
class Ascended:
    """What an ascent came to; the first axis of each array is the image.

    Args:
        numbers: Of the parameterization.
        images: What they make, in [0, 1] where the parameterization is bounded; shape
            (images, height, width, 3), float32.
        start_scores: Of the images that it started from, untransformed.
        end_scores: Of `images`, untransformed.
        curve: Scores of the transformed images at each step, shape (images, steps).
        alive: Whether an image had a gradient at the last step, as the network that was
            climbed passes it back.
        cured: Whether it had none at the first one, and its start was moved for that.
        snapshots: Steps done, and the images then.
    """

    numbers: Numbers
    images: np.ndarray
    start_scores: np.ndarray
    end_scores: np.ndarray
    curve: np.ndarray
    alive: np.ndarray
    cured: np.ndarray
    snapshots: list[tuple[int, np.ndarray]] = field(default_factory=list)


def outputs_of(network: Network, image: tf.Tensor) -> Mapping[str, tf.Tensor]:
    """Return what a network answers, by name.

    Args:
        network: From images to logits, or to a mapping with them.
        image: In [0, 1], shape (batch, height, width, 3).
    """
    found = network(image)
    return found if isinstance(found, Mapping) else {LOGITS: found}


class Ascent:
    """Images that climb together, none of them knowing of the others.

    Losses are summed over images, every random draw is a function of the seed and the
    step, and optimizers keep their state by number: what an image becomes does not
    depend on its batch mates or on the number of replicas, but for the rounding errors
    of a network that adds up in another order for another batch size.

    Args:
        network: From images in [0, 1] to logits, or to named outputs. Where it has a
            method `waking`, that returns a network whose dead ReLUs have a gradient.
        objective: What they climb.
        parameterization: What is changed.
        transforms: Of each step, in order.
        climb: How it goes.
        strategy: Where the steps run; its replicas share the images.
    """

    def __init__(
        self,
        network: Network,
        objective: Objective,
        parameterization: Parameterization,
        transforms: Sequence[Transform],
        climb: Climb,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self.network = network
        self.objective = objective
        self.parameterization = parameterization
        self.transforms = tuple(transforms)
        self.climb = climb
        self.strategy = strategy

    def run(
        self,
        numbers: Numbers,
        name: str | None = None,
        place: Sequence[int] | None = None,
    ) -> Ascended:
        """Climb from given numbers.

        Args:
            numbers: Of the images.
            name: Of the progress bar; None shows none.
            place: Which of the objective's targets each image has; None is in order.
        """
        count = int(numbers[0].shape[0])
        rows = np.arange(count) if place is None else np.asarray(place)
        every, steps = self.climb.every, self.climb.steps
        spread = Spread(self, numbers, rows)
        start, images = spread.score()
        snapshots = [(0, images)] if every else []
        cured, alive = np.zeros(count, bool), np.ones(count, bool)
        curve: list[Any] = []
        with progress.bar(steps, name, "step") as bar:
            for number in range(steps):
                if every and number and number % every == 0:
                    snapshots.append((number, spread.score()[1]))
                score, living = spread.step(number)
                if number == 0 and hasattr(self.network, "waking"):
                    cured = spread.joined(living) == 0
                    if cured.any():
                        woken = self._woken(numbers, rows, cured)
                        spread = Spread(self, woken, rows)
                        score, living = spread.step(number)
                curve.append(score)
                bar.update()
            if steps:
                alive = spread.joined(living) > 0
        end, images = spread.score()
        scores = [spread.joined(score) for score in curve]
        return Ascended(
            spread.numbers(),
            images,
            start,
            end,
            np.stack(scores, 1) if scores else np.zeros((count, 0), np.float32),
            alive,
            cured & alive,
            snapshots,
        )

    def _woken(self, numbers: Numbers, rows: np.ndarray, dead: np.ndarray) -> Numbers:
        """Return numbers of which the dead have climbed with redirected ReLUs."""
        (which,) = np.nonzero(dead)
        redirected = getattr(self.network, "waking")()
        waking = Ascent(
            # Without its methods: what cannot be woken is not tried again.
            lambda image: redirected(image),
            self.objective,
            self.parameterization,
            self.transforms,
            dataclasses.replace(self.climb, steps=WAKING_STEPS, every=0),
            self.strategy,
        )
        some = tuple(tf.gather(part, which) for part in numbers)
        woken = waking.run(some, None, list(rows[which])).numbers
        return tuple(
            tf.tensor_scatter_nd_update(part, which[:, None], new)
            for part, new in zip(numbers, woken)
        )

    def viewed(
        self, image: tf.Tensor, place: tf.Tensor, number: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the mean score over a step's views of images, and the views.

        Args:
            image: In [0, 1], shape (batch, height, width, 3), of any size.
            place: int32, shape (batch,): which of the targets each image has.
            number: Of the step.

        Returns:
            float32, shape (batch,), and what the network saw, of its own size.
        """
        count, scores, views = self.climb.views, [], []
        for view in range(count):
            seed = tf.stack([self.climb.seed, (number * count + view) * 100])
            seen = apply_all(self.transforms, tf.identity(image), seed)
            if tuple(seen.shape[1:3]) != tuple(self.parameterization.size):
                seen = tf.image.resize(seen, self.parameterization.size)
            outputs = outputs_of(self.network, seen)
            scores.append(self.objective(Seen(image, outputs, place)))
            views.append(seen)
        return tf.add_n(scores) / count, views


class Spread:
    """The images of an ascent, shared by its replicas.

    Args:
        ascent: Whose.
        numbers: Of the images.
        rows: Which of the objective's targets each image has.
    """

    def __init__(self, ascent: Ascent, numbers: Numbers, rows: np.ndarray) -> None:
        self.ascent, self.strategy = ascent, ascent.strategy
        self.count = len(rows)
        padded = distribute.replica_multiple(self.count, self.strategy)
        chosen = np.minimum(np.arange(padded), self.count - 1)
        chosen = distribute.own_part(self.strategy, chosen)
        first, *rest = (tf.gather(part, chosen) for part in numbers)
        changed, self.place, *self.held = distribute.split(
            self.strategy, (first, tf.constant(rows[chosen], tf.int32), *rest)
        )
        local = self.strategy.experimental_local_results(changed)
        self.parts = [Part(value, ascent.climb) for value in local]
        traced = functools.partial(tf.function, autograph=False)
        run = self.strategy.run
        self._step = traced(lambda n: run(self._move, (n, self.place, *self.held)))
        self._score = traced(lambda: run(self._measure, (self.place, *self.held)))

    def step(self, number: int) -> tuple[Any, Any]:
        """Take a step; return the scores before it and, at either end, the slopes."""
        return self._step(tf.constant(number))

    def score(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of the untransformed images, and the images."""
        scores, image = self._score()
        return self.joined(scores), self.joined(image)

    def numbers(self) -> Numbers:
        """Return the numbers as they are now."""
        now = tf.function(
            lambda: self.strategy.run(
                lambda *held: self._own(*held)[1], (self.place, *self.held)
            ),
            autograph=False,
        )()
        return tuple(tf.constant(self.joined(part)) for part in now)

    def joined(self, value: Any) -> np.ndarray:
        """Return what the replicas have, in the order of the images."""
        return distribute.gather_all(self.strategy, value)[: self.count]

    def _own(self, place: tf.Tensor, *held: tf.Tensor) -> tuple[Part, Numbers]:
        """Return this replica's part and its numbers."""
        context = tf.distribute.get_replica_context()
        whose = int(tf.get_static_value(context.replica_id_in_sync_group))
        part = self.parts[whose % len(self.parts)]
        return part, (tf.convert_to_tensor(part.changed.value), *held)

    def _move(
        self, number: tf.Tensor, place: tf.Tensor, *held: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        part, numbers = self._own(place, *held)
        parameterization = self.ascent.parameterization
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(numbers[0])
            # Terms of pixels are sums over all of them: they need the whole image.
            whole = self.ascent.objective.pixels
            draw = parameterization.image if whole else parameterization.sketch
            score, views = self.ascent.viewed(draw(numbers), place, number)
            loss = -tf.reduce_sum(score)
        zero = tf.UnconnectedGradients.ZERO
        gradient, slopes = tape.gradient(loss, (numbers[0], views), None, zero)
        part.move(gradient, parameterization, self.ascent.climb.fading)

        def steepest() -> tf.Tensor:
            # Of the network alone: terms of pixels have a slope even where it is dead.
            each = [tf.reduce_max(tf.abs(slope), (1, 2, 3)) for slope in slopes]
            return tf.reduce_max(tf.stack(each), 0)

        # Asked for at the first and the last step: it is a look at every pixel.
        asked = (number == 0) | (number == self.ascent.climb.steps - 1)
        return score, tf.cond(asked, steepest, lambda: tf.ones_like(score))

    def _measure(
        self, place: tf.Tensor, *held: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image = self.ascent.parameterization.image(self._own(place, *held)[1])
        outputs = outputs_of(self.ascent.network, image)
        return self.ascent.objective(Seen(image, outputs, place)), image
