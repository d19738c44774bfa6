"""An attack without gradients: what it finds, no masked gradient can hide."""

from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.attack.engine import losses, random
from tfpipeline.attack.engine.base import State, Task, begun, chosen, ended, kept
from tfpipeline.attack.engine.norms import broad


@dataclass(frozen=True)
class Square:
    """Random squares at the edge of the ball, kept where the margin rises.

    In `linf` it is as published. In `l2` and `l1` a square is added to the perturbation
    of before and the sum is moved back into the ball, which is simpler.

    Args:
        steps: Questions to the network, at most.
        share: Of the picture that the first squares cover.

    Source: Andriushchenko et al., arXiv:1912.00049.
    """

    steps: int = 1000
    share: float = 0.3
    minimal: bool = False

    def start(self, task: Task, state: State) -> State:
        """Begin with stripes."""
        clean = state["clean"]
        of = task.seeds(state, 2)
        width, channels = int(clean.shape[2]), int(clean.shape[3])
        stripes = tf.sign(random.uniform(of, 1, width, channels) - 0.5)
        image = self._moved(
            task, state, clean, tf.broadcast_to(stripes, tf.shape(clean))
        )
        lowest = tf.zeros_like(state["epsilon"]) + tf.float32.min
        return begun(state, image, best=image, best_loss=lowest)

    def step(self, task: Task, state: State) -> State:
        """Look at the last square, and draw the next one."""
        seen = task.seen(state["image"], state, state["epsilon"])
        asked = task.query(
            seen,
            state,
            [
                lambda logits: losses.margin(
                    logits, state["index"], task.victim.targeted
                )
            ],
            gradients=False,
            worst=True,
        )
        (above,) = asked.scores
        better = above > state["best_loss"]
        best = chosen(better, state["image"], state["best"])
        return state | {
            "best": best,
            "best_loss": tf.where(better, above, state["best_loss"]),
            "image": self._next(task, state, best),
            "found": kept(asked.fooled, seen, state["found"]),
            "success": asked.fooled,
            "done": asked.fooled,
        }

    def finish(self, task: Task, state: State) -> State:
        """Look at the last square."""
        return ended(task, state)

    def _next(self, task: Task, state: State, best: tf.Tensor) -> tf.Tensor:
        height, width, channels = (int(side) for side in best.shape[1:])
        of = task.seeds(state, 3)
        drawn = random.uniform(of, 2 + channels)
        share = tf.gather(tf.constant(self._shares(), tf.float32), state["number"])
        side = tf.sqrt(share * height * width)
        side = tf.clip_by_value(tf.round(side), 1, min(height, width) - 1)[:, None]
        top = tf.floor(drawn[:, :1] * (height - side + 1))
        left = tf.floor(drawn[:, 1:2] * (width - side + 1))
        rows, columns = tf.range(height, dtype=tf.float32), tf.range(
            width, dtype=tf.float32
        )
        down = (rows >= top) & (rows < top + side)
        across = (columns >= left) & (columns < left + side)
        inside = (down[:, :, None] & across[:, None, :])[..., None]
        signs = tf.sign(drawn[:, 2:] - 0.5)[:, None, None, :]
        if task.norm.name == "linf":
            # Inside, the whole perturbation is drawn anew.
            base = tf.where(inside, state["clean"], best)
            return self._moved(task, state, base, tf.where(inside, signs, 0.0))
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
        found, share = [], self.share
        # As published for 10,000 questions, and scaled to the number there are.
        halvings = [10, 50, 200, 1000, 2000, 4000, 6000, 8000]
        for step in range(self.steps):
            passed = sum(step >= at * self.steps / 10_000 for at in halvings)
            found.append(share / 2**passed)
        return found
