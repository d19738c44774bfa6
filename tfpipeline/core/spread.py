"""Few of many, evenly spread."""

import numpy as np


def spread(count: int, most: int) -> np.ndarray:
    """Return indices that are evenly spread, so that all classes are among them.

    Args:
        count: Of what there is, at least 1.
        most: Of the indices.
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
