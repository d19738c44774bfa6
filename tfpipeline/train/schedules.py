"""Learning rates over a training: each schedule a function, and a row."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfpipeline.config import TrainSettings
from tfpipeline.core.errors import UserError, unknown

# Share of a one-cycle training in which the rate rises, and where it starts and ends.
_RISE, _FIRST, _LAST = 0.3, 1 / 25, 1e-5


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    epochs: float
    share: float
    decay: float


def _constant(now: Progress) -> float:
    return 1.0


def _exponential(now: Progress) -> float:
    return now.decay**now.epochs


def _cosine(now: Progress) -> float:
    """Source: Loshchilov & Hutter, arXiv:1608.03983, without restarts."""
    return 0.5 * (1 + math.cos(math.pi * now.share))


def _one_cycle(now: Progress) -> float:
    """Source: Smith & Topin, arXiv:1708.07120; the momentum stays as it is."""
    if now.share < _RISE:
        way, start, end = now.share / _RISE, _FIRST, 1.0
    else:
        way, start, end = (now.share - _RISE) / (1 - _RISE), 1.0, _LAST
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * way))


SCHEDULES: dict[str, Callable[[Progress], float]] = {
    "constant": _constant,
    "exponential": _exponential,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    # Constant until the validation loss rests: see `Plateau`.
    "plateau": _constant,
}


def check(settings: TrainSettings, prefix: str = "train") -> None:
    """Refuse settings of a schedule that cannot be."""
    if settings.schedule not in SCHEDULES:
        raise unknown(f"--{prefix}.schedule", settings.schedule, SCHEDULES)
    if not 0 <= settings.warmup_epochs < settings.epochs:
        raise UserError(
            f"--{prefix}.warmup_epochs: expected 0 or more, and fewer than the "
            f"{settings.epochs} epochs. Received: {settings.warmup_epochs}."
        )


def rates(
    settings: TrainSettings, first: int, count: int, steps_per_epoch: int
) -> np.ndarray:
    """Return the learning rates of some steps in a row, but for `Plateau`.

    In the warm-up the rate rises in equal parts from 0, the first step already above.
    """
    assert isinstance(settings.learning_rate, float)
    schedule = SCHEDULES[settings.schedule]
    warm = settings.warmup_epochs * steps_per_epoch
    rest = max(1.0, settings.epochs * steps_per_epoch - warm)
    found = []
    for step in range(first, first + count):
        if step < warm:
            factor = (step + 1) / (warm + 1) * schedule(Progress(0, 0, 1.0))
        else:
            done = step - warm
            share = min(1.0, done / rest)
            now = Progress(done / steps_per_epoch, share, settings.decay)
            factor = schedule(now)
        found.append(settings.learning_rate * factor)
    return np.asarray(found, np.float32)


@dataclass
class Plateau:
    """Lowers the rate where the validation loss has rested for some epochs."""

    factor: float
    patience: int
    best: float = math.inf
    rested: int = 0
    scale: float = 1.0

    def tell(self, loss: float) -> None:
        """Take note of an epoch's validation loss."""
        if loss < self.best:
            self.best, self.rested = loss, 0
            return
        self.rested += 1
        if self.rested >= self.patience:
            self.scale, self.rested = self.scale * self.factor, 0
