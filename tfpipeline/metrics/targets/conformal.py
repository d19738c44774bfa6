"""How far a predicted number may be off: an interval with a promise (split conformal).

Of images that the network did not learn, the absolute errors are sorted. The number of
a new image lies within the k-th of them from its prediction, k the whole number at or
above (n + 1) times the coverage: the error of the new image is as likely to have any
place among theirs.

Source: Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, Distribution-Free Predictive
    Inference for Regression, arXiv:1604.04173; Vovk, Gammerman and Shafer, Algorithmic
    Learning in a Random World, 2005.
"""

import math

import numpy as np

from tfpipeline.core.errors import UserError

FLAG = "--calibration.coverage"


def check(coverage: float) -> None:
    """Refuse what no share of new images can be."""
    if not 0 < coverage < 1:
        raise UserError(
            f"{FLAG}: expected a share between 0 and 1. Received: {coverage:g}. Say "
            "0.9 to have the numbers of 90 of 100 new images within their intervals."
        )


def least(coverage: float) -> int:
    """Return how many images are needed at least for a coverage."""
    n = max(1, math.floor(coverage / (1 - coverage)) - 1)
    while _place(n, coverage) > n:
        n += 1
    return n


def _place(n: int, coverage: float) -> int:
    # 10 times 0.9 is a little above 9 in binary: no further image is asked for.
    return math.ceil((n + 1) * coverage - 1e-9)


def half_width(error: np.ndarray, coverage: float) -> float | None:
    """Return how far a number may lie from what is predicted, in its unit.

    Of new images like these, exchangeable with them, at least the share `coverage` is
    within that, on average over draws of these images, and at most 1 / (n + 1) more if
    no two errors are equal.

    Args:
        error: Predicted minus true, of images that the network did not learn, (n,).
        coverage: Share of new images, in (0, 1).

    Returns:
        A finite number; None where n is too small for the coverage: see `least`.
    """
    size = np.sort(np.abs(np.asarray(error, np.float64)))
    place = _place(len(size), coverage)
    if place > len(size) or not np.isfinite(size[place - 1]):
        return None
    return float(size[place - 1])


def reason(n: int, coverage: float, images: str) -> str:
    """Return why there is no interval."""
    if n < least(coverage):
        return (
            f"a coverage of {coverage:g} needs {least(coverage)} {images} images at "
            f"least, and there are {n}"
        )
    return f"predictions of {images} images are not finite"


def covered(half: float, error: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the share of images within the interval, weighted where they have weights.

    Args:
        half: Half the width of the interval.
        error: Predicted minus true, shape (n,), n at least 1.
        weight: What each image counts, shape (n,); all the same where None.
    """
    return float(np.average(np.abs(error) <= half, weights=weight))
