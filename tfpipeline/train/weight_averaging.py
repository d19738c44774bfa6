"""Averages of the weights along the way, which often do better than the last ones."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfpipeline.config import TrainSettings


class Averages:
    """Puts averaged weights in the place of the trained ones, and those back again.

    `trained` are the variables of the optimizer, which keeps the moving average of
    `ema`; `weights` are all that the training changes: with batch norm that is more.

    Source: SWA, Izmailov et al., arXiv:1803.05407.
    """

    def __init__(
        self,
        settings: TrainSettings,
        optimizer: keras.optimizers.Optimizer,
        trained: Sequence[keras.Variable],
        weights: Sequence[keras.Variable],
    ) -> None:
        self.kind = settings.averaging
        self.optimizer = optimizer
        self.trained = list(trained)
        self.weights = list(weights)
        self.first_epoch = int(settings.swa_from * settings.epochs)
        self.count = 0
        self.mean: list[np.ndarray] = []
        self._raw: list[np.ndarray] | None = None

    def end_epoch(self, epoch: int) -> None:
        """Let the weights of an epoch's end count in the mean, for `swa`."""
        if self.kind != "swa" or epoch < self.first_epoch:
            return
        weights = arrays_of(self.weights)
        self.mean = self.mean or [np.zeros_like(weight) for weight in weights]
        self.count += 1
        for mean, weight in zip(self.mean, weights):
            mean += (weight - mean) / np.float32(self.count)

    def is_pending(self, epochs: int) -> bool:
        """Tell whether the mean of `swa` has yet to begin, after so many epochs."""
        return self.kind == "swa" and epochs <= self.first_epoch

    def swap_in(self) -> None:
        """Put the averaged weights, where there are any, in place of the trained."""
        # Before the first step the optimizer's averages are those of nothing.
        steps = int(np.asarray(self.optimizer.iterations))
        if self.kind == "ema" and steps > 0:
            self._raw = arrays_of(self.trained)
            self.optimizer.finalize_variable_values(self.trained)
        elif self.count:
            self._raw = arrays_of(self.weights)
            assign(self.weights, self.mean)

    def swap_out(self) -> None:
        """Put the trained weights back."""
        if self._raw is not None:
            assign(self.trained if self.kind == "ema" else self.weights, self._raw)
            self._raw = None


def assign(weights: Sequence[keras.Variable], arrays: Sequence[Any]) -> None:
    """Give variables their values."""
    for weight, array in zip(weights, arrays, strict=True):
        weight.assign(array)


def arrays_of(variables: Sequence[Any]) -> list[np.ndarray]:
    """Return copies of what variables or arrays hold."""
    return [np.array(variable) for variable in variables]


def all_finite(weights: Sequence[Any]) -> bool:
    """Tell whether no element is NaN or infinite."""
    return all(np.isfinite(np.asarray(weight)).all() for weight in weights)
