"""Samples with replacement of measured images: how far a figure varies by chance."""

from collections.abc import Callable, Iterator

import numpy as np


def counts(
    n: int, draws: int, seed: int, unit: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield how often each of n images is in each sample.

    Args:
        n: Images.
        draws: Samples.
        seed: Of them; a sample depends on it and on its own number.
        unit: What is drawn together, such as one patient's images: int, shape (n,).
            As many units are drawn as there are.

    Yields:
        float64, whole numbers, shape (n,).
    """
    code = None if unit is None else np.unique(unit, return_inverse=True)[1]
    size = n if code is None else int(code.max(initial=-1)) + 1
    for number in range(draws):
        rng = np.random.default_rng([seed, 7, number])
        drawn = np.bincount(rng.integers(0, size, size), minlength=size)
        yield (drawn if code is None else drawn[code]).astype(float)


def units(n: int, unit: np.ndarray | None) -> int:
    """Return how many units of n images are drawn; `unit` as `counts` takes it."""
    return n if unit is None else len(np.unique(unit))


def intervals(
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    seed: int = 0,
    unit: np.ndarray | None = None,
    draws: int = 1000,
) -> np.ndarray:
    """Return the 95 % intervals of some figures: quantiles over the samples.

    Args:
        statistic: From how often each image is there, shape (n,), to the figures;
            NaN where a sample has none.
        n: Images, at least 1.
        seed: Of the samples.
        unit: As `counts` takes it.
        draws: Samples; fewer, 200 at least, where there are many images.

    Returns:
        Lowest and highest of each figure, shape (2, figures), NaN where no sample has
        one.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    # A sample of a million images takes 20 ms and hardly differs from the next.
    draws = min(draws, max(200, 20_000_000 // n))
    rows = np.array([statistic(count) for count in counts(n, draws, seed, unit)])
    none = np.isnan(rows).all(axis=0)
    low, high = np.nanquantile(np.where(none, 0.0, rows), (0.025, 0.975), axis=0)
    return np.where(none, np.nan, np.stack([low, high]))
