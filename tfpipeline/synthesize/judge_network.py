"""What networks that took no part say of ideal images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.metrics import classification
from tfpipeline.models import class_names
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize.generate import Ideal


def judged(
    ideals: Sequence[Ideal], pictures: np.ndarray, judge: Network, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what a network that took no part says of images.

    Args:
        ideals: The images.
        pictures: Their files, read again: uint8, shape (n, height, width, 3).
        judge: The network.
        labels: Of the network that they were made of.

    Returns:
        For each image the rank of its class (1 is first), its probability, and what the
        judge would call it; rank and probability are None where it does not know the
        class.
    """
    shares = classification.probabilities(judge.logits(pictures))
    names = [class_names.plain(name) for name in judge.labels]
    # A name that two classes have tells neither.
    known = {name: i for i, name in enumerate(names) if names.count(name) == 1}
    same = tuple(labels) == tuple(judge.labels)
    found = []
    for one, ideal in zip(shares, ideals):
        own = ideal.index if same else known.get(class_names.plain(ideal.label))
        # Of equal ones the last: a judge that cannot tell does not recognise.
        rank = None if own is None else int((one >= one[own]).sum())
        found.append(
            {
                "rank": rank,
                "probability": None if own is None else float(one[own]),
                "top": judge.labels[int(one.argmax())],
            }
        )
    return found
