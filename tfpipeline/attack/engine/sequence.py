"""Several attacks in a row, each on the images that have withstood those before."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine import random
from tfpipeline.attack.engine.base import Attack, Task
from tfpipeline.attack.engine.loop import Found, Loop, Wanted
from tfpipeline.attack.engine.losses import LOSSES
from tfpipeline.attack.engine.model import Victim
from tfpipeline.attack.engine.norms import GREY_LEVEL, Norm, inside
from tfpipeline.attack.engine.registry import Part
from tfpipeline.attack.engine.square import Square


@dataclass
class Campaign:
    """All that stays the same while one image after the other is attacked.

    Its loops, once traced, serve every radius and every set of images.

    Args:
        victim: To be fooled.
        norm: In which perturbations are measured.
        parts: Attacks, one after the other.
        strategy: Where the steps run.
        grid: Whether the images are to be 8-bit ones.
        seed: Of all draws.
        batch_size: Images at a time.
        loops: Traced already, of the same victim, norm, grid and seed.
    """

    victim: Victim
    norm: Norm
    parts: Sequence[Part]
    strategy: tf.distribute.Strategy
    grid: bool = True
    seed: int = 0
    batch_size: int = 20
    loops: dict[tuple[Attack, str], Loop] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._judge: Any = None
        self._classes: int | None = None

    @property
    def minimal(self) -> bool:
        """Whether it looks for the smallest perturbations by itself."""
        return all(part.attack.minimal for part in self.parts)

    def but(self, parts: Sequence[Part]) -> "Campaign":
        """Return one with other attacks against the same victim.

        Args:
            parts: The attacks.
        """
        return dataclasses.replace(self, parts=parts)

    def run(self, wanted: Wanted, title: str | None = None) -> Found:
        """Attack images; of each, the first success counts, or the smallest one.

        Args:
            wanted: The images. Each has a radius of its own; one that is wrong as it
                is needs none.
            title: Of the progress bar.
        """
        found = Found.nothing(wanted)
        least = np.full(len(wanted), np.inf)
        for number, part in enumerate(self.parts):
            guided = any(has_gradients(before) for before in self.parts[:number])
            for restart in range(self._restarts(part, wanted)):
                # A smaller perturbation may be found where there is one already.
                left = np.flatnonzero(~found.success | part.attack.minimal)
                if not len(left):
                    continue
                some = wanted.some(left)
                some = dataclasses.replace(some, turn=some.turn + restart)
                told = title and f"{title}: {_name(part)}"
                got = self._loop(part).run(some, told)
                size = self.sizes(got.image, some.clean)
                if part.attack.minimal:
                    got.success &= inside(size, some.epsilon)
                    better = got.success & (size < least[left])
                else:
                    better = got.success | ~found.success[left]
                rows = left[better]
                if guided and not has_gradients(part):
                    found.free[left] |= got.success
                found.image[rows] = got.image[better]
                found.success[rows] |= got.success[better]
                least[rows] = size[better]
                found.steps[left] += got.steps
                found.flat[left] += got.flat
        return found

    def fooled(self, image: np.ndarray, index: np.ndarray, turn: int = 0) -> np.ndarray:
        """Tell which images fool the victim, each on its own.

        Args:
            image: In [0, 1], shape (n, height, width, 3).
            index: The target or the label of each.
            turn: Of a victim with random changes, which draws it makes; an attack makes
                others.
        """
        if self._judge is None:
            self._judge = tf.function(
                lambda some, index, draw: self.victim.ask(
                    some, index, (), gradients=False, draw=draw
                ).fooled,
                autograph=False,
                reduce_retracing=True,
            )
        parts = range(0, len(image), self.batch_size)
        answers = [
            np.asarray(
                self._judge(
                    tf.constant(image[at : at + self.batch_size], tf.float32),
                    tf.constant(index[at : at + self.batch_size], tf.int32),
                    self._draw(np.arange(len(image))[at : at + self.batch_size], turn),
                )
            )
            for at in parts
        ]
        return np.concatenate([np.zeros(0, bool), *answers])

    def _draw(self, row: np.ndarray, turn: int) -> tf.Tensor:
        """Return a seed for each image, after all that an attack can have."""
        key = tf.constant(row, tf.int32)
        number = tf.fill(tf.shape(key), 2**24 + turn)
        return random.seeds(self.seed, (key, tf.zeros_like(key)), number, 4)

    def sizes(self, image: np.ndarray, clean: np.ndarray) -> np.ndarray:
        """Return how large perturbations are, in the norm, as float64.

        Args:
            image: Shape (n, height, width, 3).
            clean: Likewise.
        """
        delta = np.abs(np.float64(image) - clean).reshape(len(image), -1)
        return np.array([_NUMPY[self.norm.name](one) for one in delta])

    def _restarts(self, part: Part, wanted: Wanted) -> int:
        """Return how often a part begins: of rivals there may be fewer than asked."""
        if not getattr(part.attack, "rivals", False):
            return part.restarts
        if self._classes is None:
            answer = self.victim.models[0](tf.constant(wanted.clean[:1]))
            self._classes = int(answer.shape[1])
        return min(part.restarts, self._classes - 1)

    def _loop(self, part: Part) -> Loop:
        key = (part.attack, part.loss)
        if key not in self.loops:
            loss = LOSSES[part.loss]
            task = Task(self.victim, self.norm, loss, self.grid, self.seed)
            self.loops[key] = Loop(part.attack, task, self.strategy, self.batch_size)
        return self.loops[key]


_NUMPY = {
    "linf": lambda d: float(d.max(initial=0)),
    "l2": lambda d: float(np.sqrt((d**2).sum())),
    "l1": lambda d: float(d.sum()),
}


def has_gradients(part: Part) -> bool:
    """Tell whether an attack goes by gradients.

    Args:
        part: One attack of a series.
    """
    return not isinstance(part.attack, Square)


def _name(part: Part) -> str:
    return type(part.attack).__name__


def smallest(
    campaign: Campaign, wanted: Wanted, rounds: int = 8, title: str | None = None
) -> Found:
    """Return the smallest perturbations, found by bisection of the radius.

    Args:
        campaign: Of attacks with a radius. Those of the minimal norm are run as they
            are.
        wanted: The images; their `epsilon` is the largest radius that is tried.
        rounds: Halvings of what is not known; in steps of 8 bits fewer may be needed.
        title: Of the progress bars.
    """
    if campaign.minimal:
        return campaign.run(wanted, title)
    low, high = np.zeros(len(wanted)), wanted.epsilon.astype(np.float64)
    # What an image allows at all is seen at the largest radius.
    best = campaign.run(wanted, title and f"{title}, largest radius")
    high = np.where(best.success, _reached(campaign, best, wanted, high), high)
    least_gap = GREY_LEVEL if campaign.grid and campaign.norm.name == "linf" else 0.0
    for number in range(rounds):
        open_ = best.success & (high - low > least_gap * 1.01) & (high > 0)
        if not open_.any():
            break
        middle = (low + high) / 2
        if least_gap:
            middle = np.floor(middle / GREY_LEVEL + 1e-3) * GREY_LEVEL
        radius: np.ndarray = middle.astype(np.float32)
        some = dataclasses.replace(wanted, epsilon=radius).some(open_)
        got = campaign.run(some, title and f"{title}, round {number + 1}")
        rows = np.flatnonzero(open_)
        size = _reached(campaign, got, some, some.epsilon)
        best.steps[rows] += got.steps
        best.flat[rows] += got.flat
        won = rows[got.success]
        best.image[won] = got.image[got.success]
        high[won] = size[got.success]
        lost = rows[~got.success]
        low[lost] = middle[lost]
    return best


def _reached(
    campaign: Campaign, found: Found, wanted: Wanted, radius: np.ndarray
) -> np.ndarray:
    """Return how large the perturbations are: at most their radius."""
    return np.minimum(campaign.sizes(found.image, wanted.clean), radius)
