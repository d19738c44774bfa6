"""An attack without gradients: what it finds, no masked gradient can hide."""

from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.attack.engine import random
from tfpipeline.attack.engine.base import State, Task, begun, ended, kept, select
from tfpipeline.attack.engine.norms import broad


@dataclass(frozen=True)
class Square:
    """Random squares at the edge of the ball, kept where the margin rises.

    In `linf` it is as published. In `l2` and `l1` a square is added to the perturbation
    of before and the sum is moved back into the ball, which is simpler.

    Source: Andriushchenko et al., arXiv:1912.00049.
    """

    steps: int = 1000
    # Of the picture that the first squares cover.
    share: float = 0.3
    minimal: bool = False

    def start(self, task: Task, state: State) -> State:
        clean = state["clean"]
        width, channels = int(clean.shape[2]), int(clean.shape[3])
        drawn = random.uniform(task.seeds(state, 2), 1, width, channels)
        stripes = tf.broadcast_to(tf.sign(drawn - 0.5), tf.shape(clean))
        image = self._moved(task, state, clean, stripes)
        lowest = tf.zeros_like(state["epsilon"]) + tf.float32.min
        return begun(state, image, best=image, best_loss=lowest)

    def step(self, task: Task, state: State) -> State:
        seen = task.seen(state["image"], state, state["epsilon"])
        response = task.ask_margin(seen, state, gradients=False)
        (above,), fooled = response.scores, response.fooled
        better = above > state["best_loss"]
        best = select(better, state["image"], state["best"])
        return state | {
            "best": best,
            "best_loss": tf.where(better, above, state["best_loss"]),
            "image": self._next(task, state, best),
            "adversarial": kept(fooled, seen, state["adversarial"]),
            "success": fooled,
            "done": fooled,
        }

    def finish(self, task: Task, state: State) -> State:
        return ended(task, state)

    def _next(self, task: Task, state: State, best: tf.Tensor) -> tf.Tensor:
        height, width, channels = (int(side) for side in best.shape[1:])
        drawn = random.uniform(task.seeds(state, 3), 2 + channels)
        share = tf.gather(tf.constant(self._shares(), tf.float32), state["number"])
        side = tf.sqrt(share * height * width)
        side = tf.clip_by_value(tf.round(side), 1, min(height, width) - 1)[:, None]
        top = tf.floor(drawn[:, :1] * (height - side + 1))
        left = tf.floor(drawn[:, 1:2] * (width - side + 1))
        rows = tf.range(height, dtype=tf.float32)
        columns = tf.range(width, dtype=tf.float32)
        down = (rows >= top) & (rows < top + side)
        across = (columns >= left) & (columns < left + side)
        inside = (down[:, :, None] & across[:, None, :])[..., None]
        signs = tf.sign(drawn[:, 2:] - 0.5)[:, None, None, :]
        if task.norm.name == "linf":
            # Inside, the whole perturbation is drawn anew.
            best = tf.where(inside, state["clean"], best)
        return self._moved(task, state, best, tf.where(inside, signs, 0.0))

    def _moved(
        self, task: Task, state: State, base: tf.Tensor, signs: tf.Tensor
    ) -> tf.Tensor:
        """Return images changed by a pattern of the norm epsilon, in the ball."""
        size = tf.maximum(task.norm.size(signs), 1e-12)
        step = signs * broad(state["epsilon"] / size, signs)
        return task.inside(base + step, state)

    def _shares(self) -> list[float]:
        """Return for each step which share of the picture its square covers."""
        # As published for 10,000 questions, and scaled to the number there are.
        halvings = [10, 50, 200, 1000, 2000, 4000, 6000, 8000]
        times = [at * self.steps / 10_000 for at in halvings]
        return [
            self.share / 2 ** sum(step >= time for time in times)
            for step in range(self.steps)
        ]
