"""A learning rate, found by raising it until the loss rises as well."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tfpipeline.core.errors import UserError
from tfpipeline.train.train_step import Steps, Sums, Trainer
from tfpipeline.train.weight_averaging import arrays_of, assign

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100

# The loss is averaged over about ten steps, and where it is so much above its least
# value, all is seen.
_MOMENTUM, _ENOUGH = 0.9, 4.0

# How far below the rate of the least loss the training is safe from diverging.
_BELOW = 10.0


@dataclass(frozen=True)
class Search:
    """The rising rates of a search, the smoothed losses there, and the rate chosen."""

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

    The trainer's optimizer is used up. `epoch_steps` returns the batches of an epoch.

    Source: Smith, arXiv:1506.01186; the two rules are those of fastai's finder.
    """
    before = arrays_of(weights)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS).astype(np.float32)
    losses: list[float] = []
    average = 0.0
    for step, batch in enumerate(_single_steps(epoch_steps)):
        sums = Sums.read(trainer.run(batch, seed, step, rates[step : step + 1]))
        if sums.bad_step >= 0:
            break
        average = _MOMENTUM * average + (1 - _MOMENTUM) * sums.loss / sums.weight
        losses.append(average / (1 - _MOMENTUM ** (step + 1)))
        if losses[-1] > _ENOUGH * min(losses) or len(losses) == STEPS:
            break
    assign(weights, before)
    if not losses:
        raise UserError(
            "--train.learning_rate auto: the loss is NaN or infinite at any rate. Set "
            "--train.precision float32, and look at the images."
        )
    used = tuple(map(float, rates[: len(losses)]))
    return Search(used, tuple(losses), choose(losses))


def choose(losses: Sequence[float]) -> float:
    """Return the rate of the steepest fall, at most a tenth of the least loss's."""
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    least = int(np.argmin(losses))
    falling = np.asarray(losses[: least + 1])
    steepest = int(np.argmin(np.gradient(falling))) if len(falling) > 1 else 0
    rate = min(rates[steepest], rates[least] / _BELOW)
    return float(f"{max(rate, LOWEST):.2g}")


def _single_steps(epoch_steps: Callable[[int], Iterable[Steps]]) -> Iterable[Steps]:
    for epoch in range(STEPS):
        for steps in epoch_steps(epoch):
            for k in range(len(steps.labels)):
                part = slice(k, k + 1)
                yield Steps(steps.inputs[part], steps.labels[part], steps.weights[part])
