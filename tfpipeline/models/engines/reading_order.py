"""In which order images are read: those that a trial of engines looks at come first."""

from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline.metrics.spread import spread
from tfpipeline.models.engines import bfloat16, trial
from tfpipeline.models.engines.pictures import Feed

# Multiples of it, without their whole parts, fill any gap between the earlier ones.
_GOLDEN = (5**0.5 - 1) / 2


def sample(keys: Sequence[str], feed: Feed) -> Callable[[], np.ndarray]:
    """Return what reads some of the images, for a trial."""
    few = scattered(len(keys))
    return lambda: trial.gather(feed(few))


def part(keys: Sequence[str], feed: Feed, at: np.ndarray) -> tuple[list[str], Feed]:
    """Return the keys and the feed of the images at some positions, in their order."""
    return [keys[i] for i in at], lambda order: feed(at[order])


def tried_first(count: int) -> np.ndarray:
    """Return all positions below `count`, those for a trial before the others."""
    few = scattered(count)
    return np.concatenate([few, np.setdiff1d(np.arange(count), few)])


def scattered(count: int) -> np.ndarray:
    """Return evenly spaced positions below `count`, as many as a trial needs at most.

    They are in such an order that the first ones are evenly spaced too, however many
    are taken: positions are often sorted by class.
    """
    few = spread(count, bfloat16.LEAST_NEIGHBOURS)
    return few[np.argsort(np.arange(len(few)) * _GOLDEN % 1, kind="stable")]
