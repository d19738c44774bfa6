"""Figures of a run."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline import images


def batch(pictures: Any, targets: Any, labels: Sequence[str]) -> np.ndarray:
    """Return a batch as the network sees it, each picture above its class.

    Args:
        pictures: float in [0, 1], shape (batch, height, width, 3).
        targets: Class indices, shape (batch,), or shares, shape (batch, classes).
        labels: Class names.

    Returns:
        uint8 RGB, a sheet of at most 32 pictures, each at most 128 pixels high.
    """
    shown = np.asarray(pictures)[:32]
    step = max(1, shown.shape[1] // 128)
    small = [picture[::step, ::step] for picture in shown]
    captions = [_caption(target, labels) for target in np.asarray(targets)[:32]]
    return images.contact_sheet(small, captions, columns=8)


def _caption(target: Any, labels: Sequence[str]) -> str:
    if np.ndim(target) == 0:
        return labels[int(target)]
    first, second = np.argsort(-target, kind="stable")[:2]
    share = round(100 * float(target[first]))
    if share == 100:
        return labels[first]
    return f"{labels[first]} {share} %, {labels[second]}"
