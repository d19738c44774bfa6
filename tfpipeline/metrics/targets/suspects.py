"""Which labels and numbers look wrong, by networks that did not learn them."""

import numpy as np

from tfpipeline.metrics import per_example

# Robust standard deviations from which on an error is an outlier.
LIMIT = 3.5

# From the median and from the mean of absolute deviations to a standard deviation, of
# numbers with a normal distribution.
_OF_MEDIAN, _OF_MEAN = 1.4826, 1.2533


def of_labels(chance: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how much speaks against what is said of each image and class.

    Each class by itself is a question of two answers, to which confident learning is
    applied: an image without the class is suspected where its probability is as high as
    that of images with it on average, and above one half; and one with the class where
    it is as low as that of images without it, and below one half.

    Args:
        chance: That an image has a class, shape (n, classes).
        values: 1 where it is said to have it, else 0, shape (n, classes).

    Returns:
        By how much the other answer is the more probable one, in [0, 1]; 0 where
        nothing is suspected; shape (n, classes).

    Source: Northcutt et al., arXiv:1911.00068; one class against the rest: Thyagarajan
        et al., Identifying Incorrect Annotations in Multi-Label Classification Data,
        arXiv:2211.13895.
    """
    found = np.zeros(np.shape(chance))
    for k, (p, y) in enumerate(zip(np.asarray(chance, np.float64).T, values.T)):
        label = (y > 0.5).astype(np.int64)
        found[:, k] = per_example.suspect(np.stack([1 - p, p], axis=1), label)[1]
    return found


def robust_z(error: np.ndarray) -> np.ndarray:
    """Return by how many standard deviations errors are off their median, (n,).

    The standard deviation is 1.4826 times the median of the absolute differences from
    the median, which outliers do not move; where more than half of the errors are
    equal, 1.2533 times the mean of them; and where all are, every one is off by 0.
    Errors that are not finite are infinitely far off, and count for none of these.

    Source: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993, who call an
        error above 3.5 an outlier.
    """
    error = np.asarray(error, np.float64)
    finite = np.isfinite(error)
    z = np.where(finite, 0.0, np.inf)
    if finite.any():
        off = np.abs(error[finite] - np.median(error[finite]))
        scale = _OF_MEDIAN * float(np.median(off)) or _OF_MEAN * float(off.mean())
        z[finite] = off / scale if scale else 0.0
    return z


def of_numbers(error: np.ndarray) -> np.ndarray:
    """Return the `robust_z` of errors that are outliers, else 0, shape (n,)."""
    z = robust_z(error)
    return np.where(z > LIMIT, z, 0.0)
