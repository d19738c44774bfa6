"""Pictures that have arrived, by the network of a run, beside its held-out ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics import nearest
from tfpipeline.models.reference import Reference
from tfpipeline.monitor import predictions
from tfpipeline.monitor.drift import Seen
from tfpipeline.monitor.results import draw
from tfpipeline.similar import embedding, search
from tfpipeline.similar.embedding import Network

# The distance from the training pictures is the mean of that from so many nearest ones,
# which are searched among so many at most.
_NEAREST, _SEARCHED = 5, 20_000


class Compared(NamedTuple):
    """Pictures that have arrived, and held-out ones, by one network.

    Args:
        held_out: What is known of those.
        split: That they are of.
        arrived: What is known of the others.
        paths: Files of these.
        bad: Those that could not be read: `image` and `error`.
        kept: The run's own features.
        network: That was asked.
    """

    held_out: Seen
    split: str
    arrived: Seen
    paths: Sequence[str]
    bad: list[dict[str, str]]
    kept: Reference
    network: Network


def compared(
    run: RunFolder, paths: Sequence[Path], most: int, seed: int, max_pixels: int
) -> Compared:
    """Return what a run's network makes of files, and of its own held-out pictures."""
    kept = embedding.reference_of(run)
    split = next((s for s in predictions.HELD_OUT if len(kept.rows(s))), None)
    if split is None or not len(kept.rows("train")):
        raise predictions.no_held_out(run)
    network = embedding.Network(run)
    given = network.embed(paths, max_pixels)
    rng = np.random.default_rng([seed, 1])
    # Which part is drawn depends on no picture.
    trained = draw(kept.rows("train"), _SEARCHED, rng)
    own = kept.features[draw(kept.rows(split), most, rng)]
    return Compared(
        _seen(network, own, kept.features[trained]),
        split,
        _seen(network, given.features, kept.features[trained]),
        [str(file.path) for file in given.files],
        [{"image": str(path), "error": reason} for path, reason in given.bad],
        kept,
        network,
    )


def _seen(network: Network, features: np.ndarray, trained: np.ndarray) -> Seen:
    _, distance = nearest.nearest(features, trained, _NEAREST)
    return Seen(*network.judge(features), features, distance.mean(1))


def changed(
    given: Compared, change: np.ndarray, names: Mapping[str, str], most: int
) -> list[dict[str, Any]]:
    """Return the pictures that have changed most, each with its nearest training one.

    Args:
        given: The pictures.
        change: How much each has, shape (n,).
        names: What files are called, where not by their paths.
        most: Rows, at most.
    """
    order = np.argsort(-change, kind="stable")[:most]
    features, distance = given.arrived.features, given.arrived.distance
    assert features is not None and distance is not None
    near = search.neighbours(given.kept, features[order], 1)
    return [
        {
            "image": names.get(given.paths[i], given.paths[i]),
            "path": given.paths[i],
            "class": given.network.labels[given.arrived.label[i]],
            "probability": float(given.arrived.probability[i]),
            "change": float(change[i]),
            "distance": float(distance[i]),
            "neighbours": own,
        }
        for i, own in zip(order.tolist(), near)
    ]
