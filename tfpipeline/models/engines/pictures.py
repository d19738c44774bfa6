"""Images that are read once, though some of them are for a trial of engines first."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import numpy as np

# From positions to the batches of the images there; see `Predictor.over`.
Feed = Callable[[np.ndarray], Iterable[tuple[Any, Any, Any]]]


class Pictures:
    """A feed whose first images may be looked at before any are computed.

    What was read by then, and is read ahead while engines are tried, is handed on to
    whoever asks for the images in the same order, without gaps but for those that were
    looked at. All else is fed as without this, and what was read is let go.

    Args:
        feed: From positions to images.
        order: Returns positions, each once, in the order in which they are likely to be
            asked for. Called when the first are looked at.
    """

    def __init__(self, feed: Feed, order: Callable[[], np.ndarray]) -> None:
        self._feed, self._order = feed, order
        # Whether anybody has looked at the first images.
        self.is_begun = False
        self._drop()

    def _drop(self) -> None:
        """Begin anew, and let go of what was read."""
        # Positions to hand on, images that were read from their beginning, and others.
        self._left = np.empty(0, np.int64)
        self._held: deque[Any] = deque()
        self._more: Generator[Any, None, None] | None = None
        self._looked_at = 0

    def first(self, count: int) -> np.ndarray:
        """Return the first images, `count` of them at most.

        Returns:
            float32, shape (n, height, width, 3).
        """
        self.is_begun = True
        if self._more is None:
            self._left = np.asarray(self._order())
            self._more = self._read(self._left)
        while sum(map(len, self._held)) < count:
            if (images := next(self._more, None)) is None:
                break
            self._held.append(images)
        self._looked_at = max(count, self._looked_at)
        return np.concatenate([np.asarray(images) for images in self._held])[:count]

    def __call__(self, order: np.ndarray) -> Iterable[tuple[Any, Any, Any]]:
        """Return batches `(images, any, weights)` of the images at `order`, so too."""
        if self._more is None or not len(order):
            return self._feed(order)
        wanted = np.isin(self._left, order)
        end = int(np.flatnonzero(wanted)[-1]) + 1 if wanted.any() else 0
        is_next = np.array_equal(self._left[:end][wanted[:end]], order)
        if not is_next or not wanted[self._looked_at : end].all():
            self._drop()
            return self._feed(order)
        return self._handed_on(wanted[:end])

    def _handed_on(self, wanted: np.ndarray) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the images that are wanted of the next ones; the others are let go."""
        start, end = 0, len(wanted)
        more, held, left = self._more, self._held, self._left[end:]
        # Whoever stops in between has the rest read anew.
        self._drop()
        while start < end:
            assert more is not None
            if (images := held.popleft() if held else next(more, None)) is None:
                return
            if (size := len(images)) > end - start:
                held.appendleft(images[end - start :])
            own = wanted[start : start + size]
            images = images[: len(own)]
            if not own.all():
                images = np.asarray(images)[own]
            if len(images):
                yield images, None, np.ones(len(images), np.float32)
            start += size
        if len(left):
            self._left, self._held, self._more = left, held, more

    def _read(self, order: np.ndarray) -> Generator[Any, None, None]:
        """Yield the images of each batch, without what pads it."""
        for images, _, weights in self._feed(order):
            real = np.asarray(weights) > 0
            yield images if real.all() else np.asarray(images)[real]
