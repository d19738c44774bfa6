"""What every attack is given, and what each of them has to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from tfpipeline.attack.engine import random
from tfpipeline.attack.engine.losses import Loss
from tfpipeline.attack.engine.model import Asked, Score, Victim
from tfpipeline.attack.engine.norms import Norm, bounds, broad, on_levels, whole

# Of each image that is attacked; the first axis is the batch. The loop puts in
# `clean, index, epsilon, key, turn, number`; an attack `image`, `found` and `success`
# (which the loop takes out again), `done` (it may leave), `flat` (steps without a
# gradient), and what it needs itself. In linf, `low` and `high` bound its values.
State = dict[str, tf.Tensor]

# What no step changes.
FIXED = ("clean", "index", "epsilon", "key", "turn", "low", "high")


@dataclass(frozen=True)
class Task:
    """What is asked of an attack.

    Args:
        victim: To be fooled.
        norm: In which the perturbation is small.
        loss: What is climbed, unless the attack has one of its own.
        grid: Whether the images are to be 8-bit ones. They are then asked about, and
            judged, as they will be on disk.
        seed: Of all that is drawn.
    """

    victim: Victim
    norm: Norm
    loss: Loss
    grid: bool = False
    seed: int = 0

    def score(self, state: State, logits: tf.Tensor) -> tf.Tensor:
        """Return the loss of each image.

        Args:
            state: Of the images.
            logits: Of the images, as they are now.
        """
        return self.loss(logits, state["index"], self.victim.targeted)

    def seen(self, image: tf.Tensor, state: State, radius: tf.Tensor) -> tf.Tensor:
        """Return images as a network gets them: on 8-bit steps, if that is asked for.

        Args:
            image: In the ball.
            state: Of the images.
            radius: Of the ball, shape (batch,).
        """
        if not self.grid:
            return image
        if self.norm.name == "linf" and radius is state["epsilon"]:
            # Between bounds on the grid, rounding stays in the ball.
            return on_levels(image)
        # Values of the grid have no gradient; the one beside them is taken.
        return self.norm.on_grid(image, state["clean"], radius)

    def query(
        self,
        image: tf.Tensor,
        state: State,
        scores: Sequence[Score],
        *,
        gradients: bool = True,
        worst: bool = False,
    ) -> Asked:
        """Ask the victim, whose random changes are drawn anew for each image and step.

        Args:
            image: In [0, 1].
            state: Of the images.
            scores: What to ask for.
            gradients: Whether to compute gradients.
            worst: Whether the lowest score of a network counts and not the average.
        """
        return self.victim.ask(
            image,
            state["index"],
            scores,
            gradients=gradients,
            worst=worst,
            draw=self.seeds(state, 4),
        )

    def ask(self, image: tf.Tensor, state: State) -> Asked:
        """Ask the victim for the loss and its gradient.

        Args:
            image: In [0, 1].
            state: Of the images.
        """
        return self.query(image, state, [lambda logits: self.score(state, logits)])

    def judge(self, image: tf.Tensor, state: State) -> tf.Tensor:
        """Tell which images fool the victim.

        Args:
            image: In [0, 1].
            state: Of the images.
        """
        return self.query(image, state, (), gradients=False).fooled

    def moved(
        self, image: tf.Tensor, state: State, gradient: tf.Tensor, size: tf.Tensor
    ) -> tf.Tensor:
        """Return images one step further up a gradient, in the ball and in [0, 1].

        Args:
            image: In the ball.
            state: Of the images.
            gradient: Of the loss.
            size: Of the step, in the norm, shape (batch,).
        """
        step = broad(size, image) * self.norm.steepest(gradient)
        return self.inside(image + step, state)

    def inside(self, image: tf.Tensor, state: State) -> tf.Tensor:
        """Return images moved into their balls and into [0, 1].

        Args:
            image: Any numbers.
            state: Of the images.
        """
        if self.norm.name == "linf":
            return tf.minimum(tf.maximum(image, state["low"]), state["high"])
        return self.norm.within(image, state["clean"], state["epsilon"])

    def bounded(self, state: State) -> State:
        """Return the state of images that enter, with the bounds of their values.

        Args:
            state: What the loop has put in.
        """
        if self.norm.name != "linf":
            return state
        radius = state["epsilon"]
        low, high = bounds(state["clean"], whole(radius) if self.grid else radius)
        return state | {"low": low, "high": high}

    def seeds(self, state: State, kind: int) -> tf.Tensor:
        """Return a seed for each image, for one kind of draws of its step.

        Args:
            state: Of the images.
            kind: Below 16.
        """
        return random.seeds(
            self.seed, (state["key"], state["turn"]), state["number"], kind
        )

    def anywhere(self, state: State) -> tf.Tensor:
        """Return a random image in the ball for each.

        Args:
            state: Of the images.
        """
        clean, epsilon = state["clean"], state["epsilon"]
        shape = tuple(int(side) for side in clean.shape[1:])
        of = self.seeds(state, 0)
        one = tf.ones([])
        noise = random.each(lambda seed: self.norm.start(shape, seed, one), of, shape)
        return self.inside(clean + broad(epsilon, clean) * noise, state)


class Attack(Protocol):
    """What each row of `ATTACKS` makes."""

    @property
    def steps(self) -> int:
        """After how many steps an image leaves, whatever was achieved."""

    @property
    def minimal(self) -> bool:
        """Whether it looks for the smallest perturbation, and heeds no epsilon."""

    def start(self, task: Task, state: State) -> State:
        """Return the state of images that enter, with all that the attack needs."""

    def step(self, task: Task, state: State) -> State:
        """Return the state one step later; `number` has not been counted up yet."""

    def finish(self, task: Task, state: State) -> State:
        """Return the state of images that leave, with `found` and `success` true."""


def begun(state: State, image: tf.Tensor, **more: tf.Tensor) -> State:
    """Return the state of images that enter.

    Args:
        state: What the loop has put in.
        image: What is asked about first.
        more: What the attack needs itself.
    """
    no = tf.zeros_like(state["index"], tf.bool)
    return state | {
        "image": image,
        "found": state["clean"],
        "success": no,
        "done": no,
        "flat": tf.zeros_like(state["index"]),
        **more,
    }


def flatter(state: State, gradient: tf.Tensor) -> tf.Tensor:
    """Return the count of steps without a gradient, after one more.

    Args:
        state: Of the images.
        gradient: Of this step.
    """
    axes = list(range(1, len(gradient.shape)))
    # Twice over the gradient costs less than its absolute values once.
    highest, lowest = tf.reduce_max(gradient, axes), tf.reduce_min(gradient, axes)
    none = (highest == 0) & (lowest == 0)
    return state["flat"] + tf.cast(none, tf.int32)


def chosen(which: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """Return new values of some images, and the old ones of the others.

    Args:
        which: bool, shape (batch,).
        new: Shape (batch, ...).
        old: Of the same shape.
    """
    return tf.where(broad(which, new), new, old)


def kept(which: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """Return the same as `chosen`, at no cost where none is chosen, as in most steps.

    Args:
        which: bool, shape (batch,).
        new: Shape (batch, ...).
        old: Of the same shape.
    """
    return tf.cond(tf.reduce_any(which), lambda: chosen(which, new, old), lambda: old)


def ended(task: Task, state: State) -> State:
    """Return the state of images whose last step has not been looked at yet.

    Args:
        task: What was asked for.
        state: Of images that are in the ball.
    """
    last = task.seen(state["image"], state, state["epsilon"])
    success = state["success"] | task.judge(last, state)
    return state | {
        "found": chosen(state["success"], state["found"], last),
        "success": success,
    }


def smaller(task: Task, state: State, image: tf.Tensor, fooled: tf.Tensor) -> State:
    """Return what is the smallest perturbation that has succeeded, and its size.

    Args:
        task: What is asked for.
        state: With the `found` and `least` of before.
        image: What the victim was asked about.
        fooled: Whether it was fooled.
    """
    size = task.norm.size(image - state["clean"])
    better = fooled & (size < state["least"])
    return {
        "found": chosen(better, image, state["found"]),
        "least": tf.where(better, size, state["least"]),
        "success": state["success"] | better,
    }
