"""Several attacks in a row, each on the images that have withstood those before."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine import random
from tfpipeline.attack.engine.base import Attack, Task
from tfpipeline.attack.engine.epsilon import GREY_LEVEL, whole_steps, within
from tfpipeline.attack.engine.loop import Goals, Loop, Outcome
from tfpipeline.attack.engine.losses import LOSSES
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.norms import NORMS, Norm
from tfpipeline.attack.engine.registry import Part, choose
from tfpipeline.attack.engine.square import Square
from tfpipeline.config.adversary import AdversarySettings

_ORDERS: dict[str, float] = {"linf": np.inf, "l2": 2, "l1": 1}


@dataclass
class Campaign:
    """All that stays the same while one image after the other is attacked.

    Its loops, once traced, serve every radius and every set of images.

    Args:
        model: To be fooled.
        norm: In which perturbations are measured.
        parts: Attacks, one after the other.
        strategy: Where the steps run.
        grid: Whether the images are to be 8-bit ones.
        batch_size: Images at a time.
    """

    model: AttackedModel
    norm: Norm
    parts: Sequence[Part]
    strategy: tf.distribute.Strategy
    grid: bool = True
    seed: int = 0
    batch_size: int = 20
    # Traced already, of the same model, norm, grid and seed.
    loops: dict[tuple[Attack, str], Loop] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._judge: Any = None
        self._classes: int | None = None

    @classmethod
    def of(
        cls,
        model: AttackedModel,
        adversary: AdversarySettings,
        norm: str,
        strategy: tf.distribute.Strategy,
    ) -> "Campaign":
        """Return what settings ask for, with the seed of the model."""
        parts = choose(adversary, norm, targeted=model.targeted)
        grid, size = adversary.eight_bit, adversary.batch_size
        return cls(model, NORMS[norm], parts, strategy, grid, model.seed, size)

    @property
    def minimal(self) -> bool:
        """Whether it looks for the smallest perturbations by itself."""
        return all(part.attack.minimal for part in self.parts)

    def but(self, parts: Sequence[Part]) -> "Campaign":
        """Return one with other attacks against the same model."""
        return dataclasses.replace(self, parts=parts)

    def unbounded(self, goals: Goals) -> Goals:
        """Return images with a radius that every change of them lies in."""
        most = self.norm.unbounded(int(np.prod(goals.clean.shape[1:])))
        radius = np.full(len(goals), most, np.float32)
        return dataclasses.replace(goals, epsilon=radius)

    def run(self, goals: Goals, title: str | None = None) -> Outcome:
        """Attack images; of each, the first success counts, or the smallest one.

        With a title there is a progress bar.
        """
        result = Outcome.nothing(goals)
        least = np.full(len(goals), np.inf)
        for number, part in enumerate(self.parts):
            guided = any(map(has_gradients, self.parts[:number]))
            for restart in range(self._restarts(part, goals)):
                # A smaller perturbation may be found where there is one already.
                left = np.flatnonzero(~result.success | part.attack.minimal)
                if not len(left):
                    continue
                batch = goals.take(left)
                batch = dataclasses.replace(batch, turn=batch.turn + restart)
                words = title and f"{title}: {type(part.attack).__name__}"
                outcome = self._loop(part).run(batch, words)
                size = self.sizes(outcome.image, batch.clean)
                if part.attack.minimal:
                    outcome.success &= within(size, batch.epsilon)
                    better = outcome.success & (size < least[left])
                else:
                    better = outcome.success | ~result.success[left]
                rows = left[better]
                if guided and not has_gradients(part):
                    result.free[left] |= outcome.success
                result.image[rows] = outcome.image[better]
                result.success[rows] |= outcome.success[better]
                least[rows] = size[better]
                result.steps[left] += outcome.steps
                result.flat[left] += outcome.flat
        return result

    def fooled(self, image: np.ndarray, index: np.ndarray, turn: int = 0) -> np.ndarray:
        """Tell which images in [0, 1] fool the model, each on its own.

        Of a model with random changes, `turn` is which draws it makes; an attack makes
        others.
        """
        if self._judge is None:
            self._judge = tf.function(
                lambda image, index, draw: self.model.ask(
                    image, index, (), gradients=False, draw=draw
                ).fooled,
                autograph=False,
                reduce_retracing=True,
            )
        answers = [np.zeros(0, bool)]
        for at in range(0, len(image), self.batch_size):
            rows = slice(at, at + self.batch_size)
            pixels = tf.constant(image[rows], tf.float32)
            classes = tf.constant(index[rows], tf.int32)
            key = tf.constant(np.arange(len(image))[rows], tf.int32)
            # After all draws that an attack can have.
            number = tf.fill(tf.shape(key), 2**24 + turn)
            draw = random.seeds(self.seed, (key, tf.zeros_like(key)), number, 4)
            answers.append(np.asarray(self._judge(pixels, classes, draw)))
        return np.concatenate(answers)

    def sizes(self, image: np.ndarray, clean: np.ndarray) -> np.ndarray:
        """Return how large perturbations are, in the norm, as float64."""
        delta = (np.float64(image) - clean).reshape(len(image), -1)
        return np.asarray(np.linalg.norm(delta, _ORDERS[self.norm.name], axis=1))

    def _restarts(self, part: Part, goals: Goals) -> int:
        """Return how often a part begins: of rivals there may be fewer than asked."""
        if not getattr(part.attack, "rivals", False):
            return part.restarts
        if self._classes is None:
            answer = self.model.models[0](tf.constant(goals.clean[:1]))
            self._classes = int(answer.shape[1])
        return min(part.restarts, self._classes - 1)

    def _loop(self, part: Part) -> Loop:
        key = (part.attack, part.loss)
        if key not in self.loops:
            loss = LOSSES[part.loss]
            task = Task(self.model, self.norm, loss, self.grid, self.seed)
            self.loops[key] = Loop(part.attack, task, self.strategy, self.batch_size)
        return self.loops[key]


def has_gradients(part: Part) -> bool:
    """Tell whether an attack goes by gradients."""
    return not isinstance(part.attack, Square)


def smallest(
    campaign: Campaign, goals: Goals, rounds: int = 8, title: str | None = None
) -> Outcome:
    """Return the smallest perturbations, found by bisection of the radius.

    Attacks of the minimal norm are run as they are. The radii of the images are the
    largest that are tried; in steps of 8 bits, fewer rounds may be needed.
    """
    if campaign.minimal:
        return campaign.run(goals, title)
    low, high = np.zeros(len(goals)), goals.epsilon.astype(np.float64)
    # What an image allows at all is seen at the largest radius.
    best = campaign.run(goals, title and f"{title}, largest radius")
    high[best.success] = _reached(campaign, best, goals)[best.success]
    stepped = campaign.grid and campaign.norm.name == "linf"
    for number in range(rounds):
        # On the grid there is nothing between two steps.
        apart = ~within(high - low, GREY_LEVEL) if stepped else high > low
        rows = np.flatnonzero(best.success & apart)
        if not len(rows):
            break
        middle = (low + high) / 2
        middle = whole_steps(middle) if stepped else middle
        radius: np.ndarray = middle.astype(np.float32)
        batch = dataclasses.replace(goals, epsilon=radius).take(rows)
        outcome = campaign.run(batch, title and f"{title}, round {number + 1}")
        best.steps[rows] += outcome.steps
        best.flat[rows] += outcome.flat
        won, lost = rows[outcome.success], rows[~outcome.success]
        best.image[won] = outcome.image[outcome.success]
        high[won] = _reached(campaign, outcome, batch)[outcome.success]
        low[lost] = middle[lost]
    return best


def _reached(campaign: Campaign, outcome: Outcome, goals: Goals) -> np.ndarray:
    """Return how large the perturbations are: at most their radius."""
    return np.minimum(campaign.sizes(outcome.image, goals.clean), goals.epsilon)
