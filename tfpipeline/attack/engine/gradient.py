"""Attacks that step up the gradient, in a ball of a given radius."""

from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.attack.engine import losses, random
from tfpipeline.attack.engine.base import (
    State,
    Task,
    begun,
    count_flat,
    ended,
    kept,
    select,
)
from tfpipeline.attack.engine.norms import broad

# An ascent may pass a ball of radius 1 two and a half times.
_REACH = 2.5


@dataclass(frozen=True)
class Iterative:
    """FGSM and all that repeats it, at the image or anywhere in its ball.

    Source: FGSM, Goodfellow et al., arXiv:1412.6572; iterated, Kurakin et al.,
    arXiv:1607.02533; PGD, Madry et al., arXiv:1706.06083; momentum, Dong et al.,
    arXiv:1710.06081; diversity, Xie et al., arXiv:1803.06978.
    """

    steps: int = 40
    # As a share of epsilon; None is 2.5 divided by the steps.
    step_size: float | None = None
    random_start: bool = False
    # How much of the earlier gradients is kept.
    momentum: float = 0.0
    # Share of the steps in which the network is asked about a smaller picture somewhere
    # on grey: what fools it then also fools others more often.
    diversity: float = 0.0
    minimal: bool = False

    def start(self, task: Task, state: State) -> State:
        image = task.anywhere(state) if self.random_start else state["clean"]
        more = {"velocity": tf.zeros_like(image)} if self.momentum else {}
        return begun(state, image, **more)

    def step(self, task: Task, state: State) -> State:
        seen = task.seen(state["image"], state, state["epsilon"])
        if self.diversity:
            response = task.ask(self._varied(task, seen, state), state)
            fooled = task.judge(seen, state)
        else:
            response = task.ask(seen, state)
            fooled = response.fooled
        (gradient,), more = response.gradients, {}
        more["flat"] = count_flat(state, gradient)
        if self.momentum:
            mean = tf.reduce_mean(tf.abs(gradient), [1, 2, 3], keepdims=True)
            velocity = self.momentum * state["velocity"] + gradient / (mean + 1e-30)
            more["velocity"] = gradient = velocity
        share = _REACH / self.steps if self.step_size is None else self.step_size
        size = share * state["epsilon"]
        return state | {
            **more,
            "image": task.moved(state["image"], state, gradient, size),
            "adversarial": kept(fooled, seen, state["adversarial"]),
            "success": fooled,
            "done": fooled,
        }

    def finish(self, task: Task, state: State) -> State:
        return ended(task, state)

    def _varied(self, task: Task, image: tf.Tensor, state: State) -> tf.Tensor:
        drawn = random.uniform(task.seeds(state, 1), 4)
        size = tf.where(drawn[:, 3] < self.diversity, 1 + drawn[:, 0] / 6, 1.0)
        return random.shown_smaller(image, size, drawn[:, 1:3], 0.5)


@dataclass(frozen=True)
class Apgd:
    """PGD that halves its steps where they lead nowhere, and goes back to the best.

    Source: Croce & Hein, arXiv:2003.01690.
    """

    steps: int = 100
    # To climb to one wrong class, the best one at first, the next one at each restart;
    # and not the task's loss.
    rivals: bool = False
    minimal: bool = False

    def start(self, task: Task, state: State) -> State:
        image, zero = task.anywhere(state), tf.zeros_like(state["epsilon"])
        more = {}
        if self.rivals:
            logits = task.query(state["clean"], state, (), gradients=False).logits
            more["rival"] = losses.rivals(logits, state["index"], state["turn"])
        lowest = zero + tf.float32.min
        return begun(
            state,
            image,
            previous=image,
            best=image,
            best_slope=tf.zeros_like(image),
            best_loss=lowest,
            checked_loss=lowest,
            last_loss=lowest,
            size=2 * state["epsilon"],
            rises=zero,
            halved=state["index"] < 0,
            **more,
        )

    def step(self, task: Task, state: State) -> State:
        image, number = state["image"], state["number"]
        seen = task.seen(image, state, state["epsilon"])
        response = task.query(
            seen, state, [lambda logits: self._loss(task, state, logits)]
        )
        (loss,), (slope,) = response.scores, response.gradients
        better = loss > state["best_loss"]
        best_loss = tf.where(better, loss, state["best_loss"])
        best = select(better, image, state["best"])
        best_slope = select(better, slope, state["best_slope"])
        rises = state["rises"] + tf.cast(loss > state["last_loss"], tf.float32)
        interval = tf.gather(tf.constant(self._intervals(), tf.float32), number)
        checked = interval > 0
        # 0.75 of the steps have to lead up; and the best must have become better.
        lost = (rises < 0.75 * interval) | (
            ~state["halved"] & (best_loss <= state["checked_loss"])
        )
        again = checked & lost
        size = tf.where(again, state["size"] / 2, state["size"])
        from_here, slope = select(again, best, image), select(again, best_slope, slope)
        ahead = task.moved(from_here, state, slope, size)
        # After the first step there is a direction to keep.
        share = broad(tf.where(number == 0, 1.0, 0.75), image)
        ahead = from_here + share * (ahead - from_here)
        ahead += (1 - share) * (from_here - state["previous"])
        return state | {
            "image": task.inside(ahead, state),
            "previous": from_here,
            "best": best,
            "best_slope": best_slope,
            "best_loss": best_loss,
            "last_loss": loss,
            "size": size,
            "rises": tf.where(checked, 0.0, rises),
            "halved": tf.where(checked, again, state["halved"]),
            "checked_loss": tf.where(checked, best_loss, state["checked_loss"]),
            "flat": count_flat(state, response.gradients[0]),
            "adversarial": kept(response.fooled, seen, state["adversarial"]),
            "success": response.fooled,
            "done": response.fooled,
        }

    def finish(self, task: Task, state: State) -> State:
        return ended(task, state)

    def _loss(self, task: Task, state: State, logits: tf.Tensor) -> tf.Tensor:
        if not self.rivals:
            return task.score(state, logits)
        return losses.towards(logits, state["index"], state["rival"])

    def _intervals(self) -> list[int]:
        """Return for each step how many steps it looks back on, 0 where it does not."""
        intervals = [0] * self.steps
        before, share, last = 0, 0.22, 0.22
        at = round(share * self.steps)
        while 0 < at < self.steps:
            intervals[at] = at - before
            last = max(last - 0.03, 0.06)
            share, before = share + last, at
            at = max(round(share * self.steps), at + 1)
        return intervals
