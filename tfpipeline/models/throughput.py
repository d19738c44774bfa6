"""What holds the work back: waiting for images, or computing on them."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Batch = TypeVar("Batch")

# A larger share of the time spent waiting is called input-bound.
INPUT_BOUND_SHARE = 0.2


class Meter:
    """Sums the seconds that a loop waits for its input, over any number of passes.

    The first batch of a pass does not count: it waits for the pipeline to start and for
    the step to be traced, which says nothing of how the two keep pace.
    """

    def __init__(self) -> None:
        self.waited = self.total = 0.0
        self.images = self.seen = 0
        self._warm = False

    def watch(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches, and take the time that each is waited for."""
        iterator = iter(batches)
        self._warm = False
        while True:
            started = time.perf_counter()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            came = time.perf_counter()
            yield batch
            if self._warm:
                self.waited += came - started
                self.total += time.perf_counter() - started
            self._warm = True

    def count(self, images: int) -> None:
        """Add images that have been computed on, but for those of a first batch."""
        self.seen += images
        self.images += images if self._warm else 0

    def verdict(self) -> dict[str, float | str] | None:
        """Return the rates; None where there was but one batch a pass.

        Returns:
            `verdict` (`input-bound` or `compute-bound`), `images_per_second`,
            `waiting_share` in [0, 1], and `seconds` that were watched. Where no image
            was read at all, it was compute-bound at 0 images a second.
        """
        if not self.seen:
            nothing = {"images_per_second": 0.0, "waiting_share": 0.0, "seconds": 0.0}
            return {"verdict": "compute-bound", **nothing}
        if not self.total or not self.images:
            return None
        share = self.waited / self.total
        return {
            "verdict": "input-bound" if share > INPUT_BOUND_SHARE else "compute-bound",
            "images_per_second": round(self.images / self.total, 1),
            "waiting_share": round(share, 4),
            "seconds": round(self.total, 3),
        }
