"""What the loop is fed with: cached features, or images through the whole network."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tfpipeline.models.feature_cache import FeatureCache
from tfpipeline.models.views import Views
from tfpipeline.train.dropout import Noise
from tfpipeline.train.train_step import Steps

# Batches of features that one call trains on: few calls, and little memory.
STEPS_PER_CALL = 64

# `(images, labels, weights)`, the weight 0 where a batch is padded.
Batch = tuple[Any, Any, Any]


class Inputs(Protocol):
    """Both kinds of inputs give batches to train on and batches to evaluate on."""

    def steps(self, order: np.ndarray, epoch: int, first: int) -> Iterator[Steps]:
        """Yield the training batches of one epoch from a step on, in their order."""

    def batches(self, order: np.ndarray) -> Iterable[Batch]:
        """Return unchanged batches in the order of the indices."""


@dataclass(frozen=True)
class Task:
    """What is fed, and what is called on it in training and in inference."""

    inputs: Inputs
    training: Callable[[Any, Noise], Any]
    inference: Callable[[Any], Any]
    fingerprint: str | None = None


class CachedFeatures:
    """Features from disk, for a frozen backbone without augmentation."""

    def __init__(
        self,
        cache: FeatureCache,
        keys: list[str],
        label: np.ndarray,
        arrange: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        per_call: int = STEPS_PER_CALL,
        views: Views | None = None,
    ) -> None:
        self.views = views
        self.per_call = per_call
        self.cache = cache
        self.keys = keys
        self.label = label
        self.arrange = arrange

    def steps(self, order: np.ndarray, epoch: int, first: int) -> Iterator[Steps]:
        """Yield many batches at a time: the head is so small that calls would cost."""
        indices, weights = (part[first:] for part in self.arrange(order))
        cache, keys = self.cache, self.keys
        if self.views is not None:
            cache, keys = self.views.cache, self.views.keys(self.keys, epoch)
        for rows, part in cache.batches(keys, indices, self.per_call):
            yield Steps(rows, self.label[indices[part]], weights[part])

    def batches(self, order: np.ndarray) -> Iterator[Batch]:
        """Yield single batches in the order of the indices."""
        indices, weights = self.arrange(order)
        for rows, part in self.cache.batches(self.keys, indices, 1):
            yield rows[0], self.label[indices[part]][0], weights[part][0]


class Images:
    """Images, for augmentation: every step goes through the whole network."""

    def __init__(
        self,
        augmented: Callable[[np.ndarray, int, int], Iterable[Batch]],
        plain: Callable[[np.ndarray], Iterable[Batch]],
    ) -> None:
        self.augmented = augmented
        self.batches = plain

    def steps(self, order: np.ndarray, epoch: int, first: int) -> Iterator[Steps]:
        """Yield one batch at a time."""
        for batch in self.augmented(order, epoch, first):
            yield Steps(*(part[None] for part in batch))
