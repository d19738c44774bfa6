"""From numbers to the image that excites most: traced steps on every replica."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.core import progress
from tfpipeline.models.engines import bfloat16
from tfpipeline.models.layer_outputs import LOGITS
from tfpipeline.synthesize.objectives import Objective, Seen
from tfpipeline.synthesize.parameterizations import Numbers, Parameterization
from tfpipeline.synthesize.transforms import Transform, apply_all

# From images in [0, 1] to logits, or to named outputs with the logits among them.
Network = Callable[[tf.Tensor], Any]

# Those of Keras' optimizers whose `update_step` is all there is to a step.
OPTIMIZERS: dict[str, Callable[..., keras.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "lion": keras.optimizers.Lion,
}

# For how many steps the dead ReLUs of an image without a gradient are redirected.
WAKING_STEPS = 16


@dataclass(frozen=True)
class Climb:
    """How an ascent goes.

    Args:
        steps: How many.
        learning_rate: A number, or a schedule of Keras.
        optimizer: One of `OPTIMIZERS`.
        views: How many differently transformed copies of each image make one step.
        seed: Of the transforms.
        fading: How much of its contrast an image loses in a step of learning rate 1:
            decoupled weight decay. Of waves, it is the prior that photographs have.
            Source: Loshchilov & Hutter, arXiv:1711.05101.
        every: Steps between two snapshots; 0 takes none.
    """

    steps: int
    learning_rate: Any = 0.05
    optimizer: str = "adam"
    views: int = 1
    seed: int = 0
    fading: float = 0.0
    every: int = 0


@dataclass(frozen=True)
class Ascended:
    """The result of an ascent; the first axis of each array is the image.

    Args:
        numbers: Of the parameterization.
        images: In [0, 1] where the parameterization is bounded; float32, shape (images,
            height, width, 3).
        start_scores: Of the images that it started from, untransformed.
        end_scores: Of `images`, untransformed.
        curve: Scores of the transformed images at each step, shape (images, steps).
        alive: Whether an image had a gradient at the last step.
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


@dataclass(frozen=True)
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
        photograph: That all images start from, in [0, 1], shape (1, height, width, 3);
            for an objective that compares with it.
        bfloat16: Whether the steps compute so; scores do not.
    """

    network: Network
    objective: Objective
    parameterization: Parameterization
    transforms: Sequence[Transform]
    climb: Climb
    strategy: tf.distribute.Strategy
    photograph: tf.Tensor | None = None
    bfloat16: bool = False

    def run(
        self,
        numbers: Numbers,
        name: str | None = None,
        place: Sequence[int] | None = None,
    ) -> Ascended:
        """Climb from numbers, each to its target of the objective; None is in order.

        The name is that of the progress bar; None shows none.
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
                score, slopes = spread.step(number)
                if number == 0 and hasattr(self.network, "waking"):
                    cured = spread.join(slopes) == 0
                    if cured.any():
                        spread = Spread(self, self._wake(numbers, rows, cured), rows)
                        score, slopes = spread.step(number)
                curve.append(score)
                bar.update()
            if steps:
                alive = spread.join(slopes) > 0
        end, images = spread.score()
        scores = [spread.join(score) for score in curve]
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

    def _wake(self, numbers: Numbers, rows: np.ndarray, dead: np.ndarray) -> Numbers:
        """Return numbers of which the dead have climbed with redirected ReLUs."""
        (which,) = np.nonzero(dead)
        redirected = getattr(self.network, "waking")()
        waking = dataclasses.replace(
            self,
            # Without its methods: what cannot be woken is not tried again.
            network=lambda image: redirected(image),
            climb=dataclasses.replace(self.climb, steps=WAKING_STEPS, every=0),
        )
        asleep = tuple(tf.gather(part, which) for part in numbers)
        awake = waking.run(asleep, None, list(rows[which])).numbers
        return tuple(
            tf.tensor_scatter_nd_update(part, which[:, None], new)
            for part, new in zip(numbers, awake)
        )

    def score(
        self,
        image: tf.Tensor,
        shown: tf.Tensor,
        place: tf.Tensor,
        photograph: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Return the scores of images, by what the network is shown of all."""
        natural = {} if photograph is None else self._outputs(photograph)
        return self.objective(Seen(image, self._outputs(shown), place, natural))

    def _outputs(self, shown: tf.Tensor) -> Mapping[str, tf.Tensor]:
        outputs = self.network(shown)
        return outputs if isinstance(outputs, Mapping) else {LOGITS: outputs}

    def compared(self) -> tf.Tensor | None:
        """Return the photograph where the objective compares with it."""
        if self.objective.compares and self.photograph is None:
            raise ValueError("Expected a photograph that the objective compares with.")
        return self.photograph if self.objective.compares else None

    def score_views(
        self, image: tf.Tensor, place: tf.Tensor, number: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the mean score over the views of images at a step, and the views."""
        count, scores, views = self.climb.views, [], []
        for view in range(count):
            seed = tf.stack([self.climb.seed, (number * count + view) * 100])
            shown = self._show(image, seed)
            photograph = self.compared()
            if photograph is not None:
                photograph = self._show(photograph, seed)
            scores.append(self.score(image, shown, place, photograph))
            views.append(shown)
        return tf.add_n(scores) / count, views

    def _show(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shown = apply_all(self.transforms, tf.identity(image), seed)
        if tuple(shown.shape[1:3]) != tuple(self.parameterization.size):
            shown = tf.image.resize(shown, self.parameterization.size)
        return shown


class _Part:
    """The images of one replica: what is changed, and its optimizer.

    Plain variables, on the replica's own device, made outside of the strategy: there is
    nothing to be reduced over replicas, and `apply` of an optimizer would do that.
    """

    def __init__(self, changed: tf.Tensor, climb: Climb) -> None:
        with tf.device(changed.device):
            self.changed = keras.Variable(changed)
            self.optimizer = OPTIMIZERS[climb.optimizer](climb.learning_rate)
            self.optimizer.build([self.changed])

    def move(
        self, gradient: tf.Tensor, parameterization: Parameterization, fading: float
    ) -> None:
        """Take one step down a gradient."""
        rate = tf.cast(self.optimizer.learning_rate, tf.float32)
        self.optimizer.update_step(gradient, self.changed, rate)
        self.optimizer.iterations.assign_add(1)
        moved = self.changed.value
        if fading:
            moved = parameterization.fade(moved, fading * rate)
        self.changed.assign(parameterization.project(moved))


class Spread:
    """The images of an ascent, and which target each has, shared by its replicas."""

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
        self.parts = [_Part(value, ascent.climb) for value in local]
        traced = functools.partial(tf.function, autograph=False)
        run, inputs = self.strategy.run, (self.place, *self.held)
        self._step = traced(lambda number: run(self._move, (number, *inputs)))
        self._score = traced(lambda: run(self._measure, inputs))
        self._numbers = traced(
            lambda: run(lambda _, *held: self._own(*held)[1], inputs)
        )

    def step(self, number: int) -> tuple[Any, Any]:
        """Take a step; return the scores before it and, at either end, the slopes."""
        steps_so = bfloat16.rewritten() if self.ascent.bfloat16 else nullcontext()
        with steps_so:
            return self._step(tf.constant(number))

    def score(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of the untransformed images, and these."""
        scores, image = self._score()
        return self.join(scores), self.join(image)

    def numbers(self) -> Numbers:
        """Return the numbers as they are now."""
        return tuple(tf.constant(self.join(part)) for part in self._numbers())

    def join(self, value: Any) -> np.ndarray:
        """Return what the replicas have, in the order of the images."""
        return distribute.gather_all(self.strategy, value)[: self.count]

    def _own(self, *held: tf.Tensor) -> tuple[_Part, Numbers]:
        """Return this replica's part and its numbers."""
        context = tf.distribute.get_replica_context()
        whose = int(tf.get_static_value(context.replica_id_in_sync_group))
        part = self.parts[whose % len(self.parts)]
        return part, (tf.convert_to_tensor(part.changed.value), *held)

    def _move(
        self, number: tf.Tensor, place: tf.Tensor, *held: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        ascent, (part, numbers) = self.ascent, self._own(*held)
        parameterization = ascent.parameterization
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(numbers[0])
            # Terms of pixels are sums over all of them: they need the whole image.
            whole = ascent.objective.pixels
            draw = parameterization.image if whole else parameterization.sketch
            score, views = ascent.score_views(draw(numbers), place, number)
            loss = -tf.reduce_sum(score)
        zero = tf.UnconnectedGradients.ZERO
        gradient, slopes = tape.gradient(loss, (numbers[0], views), None, zero)
        part.move(gradient, parameterization, ascent.climb.fading)

        def steepest() -> tf.Tensor:
            # Of the network alone: terms of pixels have a slope even where it is dead.
            each = [tf.reduce_max(tf.abs(slope), (1, 2, 3)) for slope in slopes]
            return tf.reduce_max(tf.stack(each), 0)

        # At the first and the last step only: it is a look at every pixel.
        at_end = (number == 0) | (number == ascent.climb.steps - 1)
        return score, tf.cond(at_end, steepest, lambda: tf.ones_like(score))

    def _measure(
        self, place: tf.Tensor, *held: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image = self.ascent.parameterization.image(self._own(*held)[1])
        photograph = self.ascent.compared()
        return self.ascent.score(image, image, place, photograph), image
