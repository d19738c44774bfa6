"""Learning rates over a training: each schedule a function, and a row."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfpipeline.config import TrainSettings

# Share of a one-cycle training in which the rate rises, and where it starts and ends.
_RISE, _FIRST, _LAST = 0.3, 1 / 25, 1e-5


def _one_cycle(epochs: float, share: float, decay: float) -> float:
    """Source: Smith & Topin, arXiv:1708.07120; the momentum stays as it is."""
    if share < _RISE:
        part, start, end = share / _RISE, _FIRST, 1.0
    else:
        part, start, end = (share - _RISE) / (1 - _RISE), 1.0, _LAST
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * part))


# From the epochs since the warm-up, with a fraction, the same as a share of what is
# planned, and `train.decay`, to what the learning rate is multiplied by.
SCHEDULES: dict[str, Callable[[float, float, float], float]] = {
    "constant": lambda epochs, share, decay: 1.0,
    "exponential": lambda epochs, share, decay: decay**epochs,
    # Source: Loshchilov & Hutter, arXiv:1608.03983, without restarts.
    "cosine": lambda epochs, share, decay: 0.5 * (1 + math.cos(math.pi * share)),
    "one_cycle": _one_cycle,
    # Constant until the validation loss rests: see `Plateau`.
    "plateau": lambda epochs, share, decay: 1.0,
}


def rates(
    settings: TrainSettings, first: int, count: int, steps_per_epoch: int
) -> np.ndarray:
    """Return the learning rates of steps in a row, but for `Plateau`; float32.

    In the warm-up the rate rises in equal parts from 0, the first step already above.
    `first` is counted from 0 over all epochs.
    """
    base = settings.learning_rate
    assert isinstance(base, float)
    schedule, decay = SCHEDULES[settings.schedule], settings.decay
    warm = settings.warmup_epochs * steps_per_epoch
    rest = max(1.0, settings.epochs * steps_per_epoch - warm)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1) * schedule(0, 0, decay)
        done = step - warm
        return schedule(done / steps_per_epoch, min(1.0, done / rest), decay)

    factors = map(factor, range(first, first + count))
    return np.asarray([base * value for value in factors], np.float32)


@dataclass
class Plateau:
    """Halves the rate where the validation loss has rested for `patience` epochs.

    All rates are multiplied by `scale`; `rested` counts epochs since the best loss.
    """

    patience: int
    best: float = math.inf
    rested: int = 0
    scale: float = 1.0

    def update(self, loss: float) -> None:
        """Take note of an epoch's validation loss."""
        if loss < self.best:
            self.best, self.rested = loss, 0
            return
        self.rested += 1
        if self.rested >= self.patience:
            self.scale, self.rested = self.scale / 2, 0
