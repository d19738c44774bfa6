"""A learning rate, found by raising it until the loss rises as well."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tfpipeline.core.errors import UserError
from tfpipeline.train.train_step import Steps, Sums, Trainer, When
from tfpipeline.train.weight_averaging import arrays_of, assign

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100

# The loss is averaged over about ten steps, and where it is so much above its least
# value, all is seen.
_MOMENTUM, _ENOUGH = 0.9, 4.0

# How far below the rate of the least loss the training is safe from diverging.
_BELOW = 10.0


@dataclass(frozen=True)
class Search:
    """What a search for a learning rate saw."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    rate: float


def search(
    trainer: Trainer,
    weights: Sequence[keras.Variable],
    epoch_steps: Callable[[int], Iterable[Steps]],
    seed: int,
) -> Search:
    """Train for some steps at rising rates; put the weights back.

    Source: Smith, arXiv:1506.01186; the two rules are those of fastai's finder.
    """
    before = arrays_of(weights)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS).astype(np.float32)
    seen: list[float] = []
    average = 0.0
    for step, one in enumerate(_single_steps(epoch_steps)):
        when = When(seed, step, rates[step : step + 1])
        found = Sums.read(trainer.run(one, when))
        if found.bad_step >= 0:
            break
        average = _MOMENTUM * average + (1 - _MOMENTUM) * found.loss / found.weight
        seen.append(average / (1 - _MOMENTUM ** (step + 1)))
        if seen[-1] > _ENOUGH * min(seen) or len(seen) == STEPS:
            break
    assign(weights, before)
    if not seen:
        raise UserError(
            "--train.learning_rate auto: the loss is no number at any rate. Set "
            "--train.precision float32, and look at the images."
        )
    return Search(tuple(map(float, rates[: len(seen)])), tuple(seen), choose(seen))


def choose(losses: Sequence[float]) -> float:
    """Return the learning rate that a search speaks for."""
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    least = int(np.argmin(losses))
    falling = np.asarray(losses[: least + 1])
    steepest = int(np.argmin(np.gradient(falling))) if len(falling) > 1 else 0
    found = min(rates[steepest], rates[least] / _BELOW)
    return float(f"{max(found, LOWEST):.2g}")


def _single_steps(epoch_steps: Callable[[int], Iterable[Steps]]) -> Iterable[Steps]:
    for epoch in range(STEPS):
        for steps in epoch_steps(epoch):
            for k in range(len(steps.labels)):
                part = slice(k, k + 1)
                yield Steps(steps.inputs[part], steps.labels[part], steps.weights[part])
