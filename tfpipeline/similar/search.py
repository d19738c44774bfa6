"""The training pictures that are nearest to others, with their classes."""

from collections import Counter
from typing import Any

import numpy as np

from tfpipeline.metrics import nearest
from tfpipeline.models.reference import Reference
from tfpipeline.similar.embedding import Embedded, Network


def neighbours(
    kept: Reference, features: np.ndarray, count: int, metric: str = "cosine"
) -> list[list[dict[str, Any]]]:
    """Return the training pictures nearest to each row of features.

    Where there are none, as in an exported version, any other that was kept.

    Returns:
        `id`, `path`, `label` and `distance` of each, nearest first.
    """
    trained = kept.rows("train")
    if not len(trained):
        trained = np.arange(len(kept.features))
    index, distance = nearest.nearest(features, kept.features[trained], count, metric)
    return [
        [
            {
                "id": kept.id[i],
                "path": kept.path[i],
                "label": kept.label[i],
                "distance": far,
            }
            for i, far in zip(own.tolist(), apart.tolist())
        ]
        for own, apart in zip(trained[index], distance)
    ]


def images(
    kept: Reference, network: Network, given: Embedded, count: int, metric: str
) -> list[dict[str, Any]]:
    """Return a row a picture, as `similar.json` has it."""
    judged = network.judge(given.features)
    near = neighbours(kept, given.features, count, metric)
    return [
        {
            "image": str(file.path),
            "class": said,
            "probability": chance,
            "nearest_class": _most_frequent(own),
            "neighbours": own,
        }
        for file, said, chance, own in zip(
            given.files, judged.said, judged.probability.tolist(), near
        )
    ]


def _most_frequent(near: list[dict[str, Any]]) -> str:
    """Return the most frequent class; of equally frequent ones that of the nearest."""
    return str(Counter(one["label"] for one in near).most_common(1)[0][0])
