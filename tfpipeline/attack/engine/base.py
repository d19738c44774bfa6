"""What every attack is given, and what each of them has to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from tfpipeline.attack.engine import losses, random
from tfpipeline.attack.engine.epsilon import whole_steps
from tfpipeline.attack.engine.losses import Loss
from tfpipeline.attack.engine.model import AttackedModel, Response, Score
from tfpipeline.attack.engine.norms import Norm, bounds, broad, on_levels

# Of each image that is attacked; the first axis is the batch. The loop puts in
# `clean, index, epsilon, key, turn, number`; an attack `image`, `adversarial` and
# `success` (which the loop takes out again), `done` (it may leave), `flat` (steps
# without a gradient), and what it needs itself. In linf, `low` and `high` bound its
# values.
State = dict[str, tf.Tensor]

# What no step changes.
FIXED = ("clean", "index", "epsilon", "key", "turn", "low", "high")


@dataclass(frozen=True)
class Task:
    """What is asked of an attack."""

    model: AttackedModel
    norm: Norm
    # What is climbed, unless the attack has one of its own.
    loss: Loss
    # Whether the images are to be 8-bit ones. They are then asked about, and judged, as
    # they will be on disk.
    grid: bool = False
    seed: int = 0

    def score(self, state: State, logits: tf.Tensor) -> tf.Tensor:
        """Return the loss of each image, from the logits as they are now."""
        return self.loss(logits, state["index"], self.model.targeted)

    def seen(self, image: tf.Tensor, state: State, radius: tf.Tensor) -> tf.Tensor:
        """Return images of balls as a network gets them: of 8 bits, if asked for."""
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
    ) -> Response:
        """Ask the model, whose random changes are drawn anew for each image and step.

        With `worst` the lowest score of a network counts and not the average.
        """
        return self.model.ask(
            image,
            state["index"],
            scores,
            gradients=gradients,
            worst=worst,
            draw=self.seeds(state, 4),
        )

    def ask(self, image: tf.Tensor, state: State) -> Response:
        """Ask the model for the loss and its gradient."""
        return self.query(image, state, [lambda logits: self.score(state, logits)])

    def ask_margin(
        self, image: tf.Tensor, state: State, *, gradients: bool = True
    ) -> Response:
        """Ask for the margin of the network that is hardest to fool."""
        index, targeted = state["index"], self.model.targeted
        scores = [lambda logits: losses.margin(logits, index, targeted)]
        return self.query(image, state, scores, gradients=gradients, worst=True)

    def judge(self, image: tf.Tensor, state: State) -> tf.Tensor:
        """Tell which images fool the model."""
        return self.query(image, state, (), gradients=False).fooled

    def moved(
        self, image: tf.Tensor, state: State, gradient: tf.Tensor, size: tf.Tensor
    ) -> tf.Tensor:
        """Return images one step of a size further up, in the ball and in [0, 1]."""
        step = broad(size, image) * self.norm.steepest(gradient)
        return self.inside(image + step, state)

    def inside(self, image: tf.Tensor, state: State) -> tf.Tensor:
        """Return images moved into their balls and into [0, 1]."""
        if self.norm.name == "linf":
            return tf.minimum(tf.maximum(image, state["low"]), state["high"])
        return self.norm.within(image, state["clean"], state["epsilon"])

    def bounded(self, state: State) -> State:
        """Return the state of images that enter, with the bounds of their values."""
        if self.norm.name != "linf":
            return state
        radius = state["epsilon"]
        radius = whole_steps(radius) if self.grid else radius
        low, high = bounds(state["clean"], radius)
        return state | {"low": low, "high": high}

    def seeds(self, state: State, kind: int) -> tf.Tensor:
        """Return a seed for each image, for one kind (below 16) of its draws."""
        return random.seeds(
            self.seed, (state["key"], state["turn"]), state["number"], kind
        )

    def anywhere(self, state: State) -> tf.Tensor:
        """Return a random image in each ball."""
        clean, epsilon = state["clean"], state["epsilon"]
        shape = tuple(int(side) for side in clean.shape[1:])
        unit, of = tf.ones([]), self.seeds(state, 0)
        noise = random.each(lambda seed: self.norm.start(shape, seed, unit), of, shape)
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
        """Return the state of images that leave, `adversarial` and `success` set."""


def begun(state: State, image: tf.Tensor, **more: tf.Tensor) -> State:
    """Return the state of images that enter, with what the attack needs itself."""
    no = tf.zeros_like(state["index"], tf.bool)
    start = {"image": image, "adversarial": state["clean"], "success": no, "done": no}
    return state | start | {"flat": tf.zeros_like(state["index"]), **more}


def count_flat(state: State, gradient: tf.Tensor) -> tf.Tensor:
    """Return the number of steps without a gradient, after one more."""
    axes = list(range(1, len(gradient.shape)))
    # Twice over the gradient costs less than its absolute values once.
    highest, lowest = tf.reduce_max(gradient, axes), tf.reduce_min(gradient, axes)
    none = (highest == 0) & (lowest == 0)
    return state["flat"] + tf.cast(none, tf.int32)


def select(which: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """Return new values of the images that a mask names, old ones of the others."""
    return tf.where(broad(which, new), new, old)


def kept(which: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """Do what `select` does, at no cost where no image is named, as in most steps."""
    return tf.cond(tf.reduce_any(which), lambda: select(which, new, old), lambda: old)


def ended(task: Task, state: State) -> State:
    """Return the state of images whose last step has not been looked at yet."""
    last = task.seen(state["image"], state, state["epsilon"])
    success = state["success"] | task.judge(last, state)
    return state | {
        "adversarial": select(state["success"], state["adversarial"], last),
        "success": success,
    }


def keep_smallest(
    task: Task, state: State, image: tf.Tensor, fooled: tf.Tensor
) -> State:
    """Return the smallest perturbation that has fooled, and its size."""
    size = task.norm.size(image - state["clean"])
    better = fooled & (size < state["least"])
    return {
        "adversarial": select(better, image, state["adversarial"]),
        "least": tf.where(better, size, state["least"]),
        "success": state["success"] | better,
    }
