"""Attacks that look for the smallest perturbation, whatever its size."""

import math
from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.attack.engine import losses
from tfpipeline.attack.engine.base import (
    State,
    Task,
    begun,
    count_flat,
    keep_smallest,
    select,
)
from tfpipeline.attack.engine.epsilon import GREY_LEVEL, whole_steps
from tfpipeline.attack.engine.model import Score
from tfpipeline.attack.engine.norms import broad, on_levels

_TINY = 1e-30

# By what the weight of Carlini-Wagner is first multiplied or divided, and how far its
# first one is above that of a linear network: boundaries bend away.
_FACTOR, _MORE = 4.0, 2.0


def _cosine(first: float, last: float, number: tf.Tensor, steps: int) -> tf.Tensor:
    """Return a number that falls along a cosine from the first step to the last."""
    share = tf.cast(number, tf.float32) / max(1, steps - 1)
    return last + (first - last) * (1 + tf.cos(math.pi * share)) / 2


def _largest(state: State) -> tf.Tensor:
    return tf.zeros_like(state["epsilon"]) + tf.float32.max


@dataclass(frozen=True)
class FastMinimumNorm:
    """FMN: steps up the margin in a ball that follows the boundary.

    The ball shrinks where the image fools the network, and grows where it does not.
    All steps are made.

    Source: Pintor et al., arXiv:2102.12827.
    """

    steps: int = 100
    # Of the first step, in l2; and by what share the ball changes at first.
    step_size: float = 1.0
    shrinking: float = 0.05
    minimal: bool = True

    def start(self, task: Task, state: State) -> State:
        most = _largest(state)
        return begun(state, state["clean"], radius=most, least=most)

    def step(self, task: Task, state: State) -> State:
        clean, radius = state["clean"], state["radius"]
        seen = task.seen(state["image"], state, radius)
        response = task.ask_margin(seen, state)
        (above,), (gradient,) = response.scores, response.gradients
        smallest = keep_smallest(task, state, seen, response.fooled)
        share = _cosine(self.shrinking, 1e-4, state["number"], self.steps)
        size = task.norm.size(seen - clean)
        # A little further than the boundary would be if the network were linear.
        slope = tf.maximum(task.norm.dual(gradient), _TINY)
        guess = 1.01 * (size + tf.abs(above) / slope)
        if task.grid and task.norm.name == "linf":
            # A whole step further at least: less than one is none on the grid.
            further = (tf.round(size / GREY_LEVEL) + 1) * GREY_LEVEL
            guess = tf.maximum(-whole_steps(-guess), further)
        outside = tf.minimum(radius, smallest["least"]) * (1 - share)
        inside = tf.where(smallest["success"], radius * (1 + share), guess)
        radius = tf.where(response.fooled, outside, inside)
        # More than the whole picture is never needed.
        values = math.prod(int(side) for side in clean.shape[1:])
        radius = tf.minimum(radius, task.norm.unbounded(values))
        first, last = self.step_size, 1e-2 * self.step_size
        far = _cosine(first, last, state["number"], self.steps)
        axes = list(range(1, len(gradient.shape)))
        top = tf.reduce_max(tf.abs(gradient), axes, keepdims=True) + _TINY
        scaled = gradient / top
        length = tf.sqrt(tf.reduce_sum(scaled**2, axes, keepdims=True)) + _TINY
        moved = state["image"] + broad(far, clean) * scaled / length
        return state | {
            **smallest,
            "radius": radius,
            "image": task.norm.within(moved, clean, radius),
            "flat": count_flat(state, gradient),
            # An image that is wrong as it is needs nothing.
            "done": smallest["least"] == 0,
        }

    def finish(self, task: Task, state: State) -> State:
        last = task.seen(state["image"], state, state["radius"])
        return state | keep_smallest(task, state, last, task.judge(last, state))


@dataclass(frozen=True)
class DeepFool:
    """To the nearest boundary, as if the network were linear; again until it is true.

    Source: Moosavi-Dezfooli et al., arXiv:1511.04599.
    """

    steps: int = 50
    # How many wrong classes are looked at, the best ones; a target is one. And by what
    # share each step goes beyond the boundary.
    classes: int = 10
    overshoot: float = 0.02
    minimal: bool = True

    def start(self, task: Task, state: State) -> State:
        return begun(state, state["clean"], least=_largest(state))

    def step(self, task: Task, state: State) -> State:
        image, index = state["image"], state["index"]
        seen = on_levels(image) if task.grid else image
        targeted, norm = task.model.targeted, task.norm
        answer = tf.stop_gradient(task.model.models[0](seen[:1]))
        count = 1 if targeted else min(self.classes, int(answer.shape[1]) - 1)

        def above(which: int) -> Score:
            def score(logits: tf.Tensor) -> tf.Tensor:
                if targeted:
                    return losses.margin(logits, index, True)
                rival = losses.rivals(logits, index, tf.fill(tf.shape(index), which))
                own = tf.gather(logits, index, batch_dims=1)
                return tf.gather(logits, rival, batch_dims=1) - own

            return score

        each = [above(k) for k in range(count)]
        response = task.query(seen, state, each, worst=True)
        slopes = [tf.maximum(norm.dual(g), _TINY) for g in response.gradients]
        ways = tf.stack([tf.abs(s) / d for s, d in zip(response.scores, slopes)], 1)
        nearest = tf.argmin(ways, axis=1, output_type=tf.int32)
        gradient = response.gradients[0]
        for number, other in enumerate(response.gradients):
            gradient = select(nearest == number, other, gradient)
        way = tf.gather(ways, nearest, batch_dims=1)
        # At a boundary of no width a step has to be made all the same.
        size = broad((1 + self.overshoot) * way + 1e-6, image)
        moved = tf.clip_by_value(image + size * norm.steepest(gradient), 0.0, 1.0)
        return state | {
            **keep_smallest(task, state, seen, response.fooled),
            "image": moved,
            "flat": count_flat(state, gradient),
            "done": response.fooled,
        }

    def finish(self, task: Task, state: State) -> State:
        last = on_levels(state["image"]) if task.grid else state["image"]
        return state | keep_smallest(task, state, last, task.judge(last, state))


@dataclass(frozen=True)
class CarliniWagner:
    """Adam on the sum of the squared l2 norm and a weighted margin.

    The weight is searched for: more where the image does not fool the network, less
    where it does. Values stay in [0, 1] by a tanh. The steps become shorter within each
    search, so that it ends at the boundary and does not swing around it. The first
    weight and the length of the steps are those that a linear network would need:
    fixed ones, as published, suit only some sizes of images and scales of logits.

    Source: Carlini & Wagner, arXiv:1608.04644.
    """

    # How often the weight is changed, and steps between two changes.
    searches: int = 6
    inner: int = 50
    # How far the steps of a search lead, of the largest change of a value that a linear
    # network would need.
    reach: float = 4.0
    minimal: bool = True

    @property
    def steps(self) -> int:
        return self.searches * self.inner

    def start(self, task: Task, state: State) -> State:
        nothing, zero = tf.zeros_like(state["epsilon"]), tf.zeros_like(state["clean"])
        return begun(
            state,
            state["clean"],
            least=_largest(state),
            place=self._place(state),
            first=zero,
            second=zero,
            weight=nothing,
            rate=nothing,
            low=nothing,
            high=_largest(state),
            reached=state["index"] < 0,
            beyond=nothing,
        )

    def _place(self, state: State) -> tf.Tensor:
        return tf.atanh(0.999999 * (2 * state["clean"] - 1))

    def step(self, task: Task, state: State) -> State:
        clean = state["clean"]
        image = (tf.tanh(state["place"]) + 1) / 2
        seen = on_levels(image) if task.grid else image
        response = task.ask_margin(seen, state)
        (above,), (gradient,) = response.scores, response.gradients
        # A little beyond the boundary: on it, nobody is fooled.
        first_one = state["number"] == 0
        beyond = tf.where(first_one, 0.005 * tf.abs(above), state["beyond"])
        needed, rate = self._linear(above, gradient)
        weight = tf.where(first_one, needed, state["weight"])
        rate = tf.where(first_one, rate, state["rate"])
        pull = broad(tf.where(above < beyond, weight, 0.0), image)
        slope = 2 * (image - clean) - pull * gradient
        # Through the tanh.
        slope *= 2 * image * (1 - image)
        inner = state["number"] % self.inner
        time = broad(tf.cast(inner + 1, tf.float32), image)
        first = 0.9 * state["first"] + 0.1 * slope
        second = 0.999 * state["second"] + 0.001 * slope**2
        step = (first / (1 - 0.9**time)) / (tf.sqrt(second / (1 - 0.999**time)) + 1e-8)
        left = 1 - tf.cast(inner, tf.float32) / self.inner
        place = state["place"] - broad(left * rate, image) * step
        reached = state["reached"] | response.fooled
        over = inner == self.inner - 1
        high = tf.where(reached, tf.minimum(state["high"], weight), state["high"])
        low = tf.where(reached, state["low"], tf.maximum(state["low"], weight))
        between = tf.sqrt(low) * tf.sqrt(high)
        lower = tf.where(low > 0, between, high / _FACTOR)
        next_weight = tf.where(high < tf.float32.max, lower, low * _FACTOR)
        return state | {
            **keep_smallest(task, state, seen, response.fooled),
            "image": seen,
            "place": select(over, self._place(state), place),
            "first": select(over, tf.zeros_like(first), first),
            "second": select(over, tf.zeros_like(second), second),
            "weight": tf.where(over, next_weight, weight),
            "rate": rate,
            "low": tf.where(over, low, state["low"]),
            "high": tf.where(over, high, state["high"]),
            "reached": tf.where(over, False, reached),
            "beyond": beyond,
            "flat": count_flat(state, gradient),
            "done": response.fooled & (state["number"] == 0),
        }

    def _linear(
        self, above: tf.Tensor, gradient: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the weight and the first step that a linear network would need."""
        axes = list(range(1, len(gradient.shape)))
        top = tf.maximum(tf.reduce_max(tf.abs(gradient), axes), _TINY)
        scaled = tf.reduce_sum((gradient / broad(top, gradient)) ** 2, axes)
        scaled = tf.maximum(scaled, _TINY)
        # At the boundary the change is above / |gradient|^2 times the gradient, and
        # twice the change is the weight times the gradient.
        largest = tf.abs(above) / (top * scaled)
        weight = tf.clip_by_value(2 * _MORE * largest / top, 1e-9, 1e9)
        # The steps fall to zero, which halves their sum; the tanh halves it again.
        rate = tf.clip_by_value(4 * self.reach * largest / self.inner, 1e-4, 0.1)
        return weight, rate

    def finish(self, task: Task, state: State) -> State:
        # Every step was looked at but the last, the smallest one.
        return state
