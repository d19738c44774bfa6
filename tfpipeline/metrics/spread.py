"""Few of many, evenly spread."""

import numpy as np


def spread(count: int, most: int) -> np.ndarray:
    """Return at most `most` indices below `count` (from 1), evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
