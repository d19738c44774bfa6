"""What a mean over a few seeds is worth."""

import math
from collections.abc import Sequence

import numpy as np

# Quantiles of Student's t at 97.5 %, by degrees of freedom; beyond, the next lower one.
_STUDENT = {
    **{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365},
    **{8: 2.306, 9: 2.262, 10: 2.228, 15: 2.131, 20: 2.086, 30: 2.042, 60: 2.0},
    **{120: 1.98},
}


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half the width of its 95 % interval (Student's t).

    NaN is the mean of no values, and the interval of fewer than two.
    """
    count = len(values)
    if not count:
        return math.nan, math.nan
    mean = float(np.mean(values))
    if count < 2:
        return mean, math.nan
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    return mean, student(count - 1) * error


def student(freedom: int) -> float:
    """Return the quantile of Student's t at 97.5 %, by degrees of freedom."""
    return _STUDENT[max(known for known in _STUDENT if known <= freedom)]
