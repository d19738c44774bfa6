"""Images that are read once, though some of them are for a trial of engines first."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

# From positions to the batches of the images there; see `Predictor.over`.
Feed = Callable[[np.ndarray], Iterable[tuple[Any, Any, Any]]]


class Pictures:
    """A feed whose first images may be looked at before any are computed.

    What was read by then, and is read ahead while engines are tried, is handed on to
    whoever asks for the images in the same order. All others are fed as without this.

    Args:
        feed: From positions to images.
        order: Returns the positions in the order in which they will be asked for, each
            once; some may be left out then. Called when the first are looked at.
    """

    def __init__(self, feed: Feed, order: Callable[[], np.ndarray]) -> None:
        self._feed, self._order = feed, order
        # Positions that were not handed on yet, and images that were read of them.
        self._left = np.empty(0, np.int64)
        self._held: deque[tuple[np.ndarray, Any]] = deque()
        self._more: Iterator[tuple[np.ndarray, Any]] = iter(())

    def first(self, count: int) -> np.ndarray:
        """Return the first images, `count` of them at most.

        Returns:
            float32, shape (n, height, width, 3).
        """
        if not len(self._left):
            self._left = np.asarray(self._order())
            self._held.clear()
            self._more = self._read(self._left)
        while sum(len(places) for places, _ in self._held) < count:
            if (batch := next(self._more, None)) is None:
                break
            self._held.append(batch)
        return np.concatenate([np.asarray(images) for _, images in self._held])[:count]

    def __call__(self, order: np.ndarray) -> Iterable[tuple[Any, Any, Any]]:
        """Return batches `(images, None, weights)` of the images at `order`, so too."""
        wanted = np.isin(self._left, order)
        if not len(order) or not np.array_equal(self._left[wanted], order):
            return self._feed(order)
        # Whoever stops in between has the rest read anew.
        left, self._left = self._left, self._left[:0]
        return self._handed_on(left, wanted)

    def _handed_on(
        self, left: np.ndarray, wanted: np.ndarray
    ) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the images that are wanted, of those that are left."""
        passed, count = [], int(wanted.sum())
        while count:
            places, images = self._held.popleft() if self._held else next(self._more)
            own = np.isin(places, left[wanted])
            if not own.all():
                images = np.asarray(images)
                passed.append((places[~own], images[~own]))
                images = images[own]
            if len(images):
                count -= len(images)
                yield images, None, np.ones(len(images), np.float32)
        self._held.extendleft(reversed(passed))
        self._left = left[~wanted]

    def _read(self, order: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield the positions and the images of each batch, without what pads it."""
        start = 0
        for images, _, weights in self._feed(order):
            real = np.asarray(weights) > 0
            end = start + int(real.sum())
            yield order[start:end], images if real.all() else np.asarray(images)[real]
            start = end
