"""Pictures that have arrived, by the network of a run, beside its held-out ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tfpipeline.core.brightness import Ranges
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models.reference import Reference
from tfpipeline.monitor import predictions, whitening
from tfpipeline.monitor.drift import Seen
from tfpipeline.monitor.results import draw
from tfpipeline.similar import embedding, search
from tfpipeline.similar.embedding import Judged, Network


class Judge(Protocol):
    """What is shown of a network."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names."""

    @property
    def ranges(self) -> Ranges:
        """What is black and white in deep samples."""


class Compared(NamedTuple):
    """Pictures that have arrived, and held-out ones, by one network.

    Args:
        held_out: What is known of those.
        split: That they are of.
        arrived: What is known of the others.
        features: What the head is fed with, of these.
        unknown: The share of those that are unknown; None where the run does not tell.
        paths: Files of these.
        bad: Those that could not be read: `image` and `error`.
        kept: The run's own features; of an exported version those held out alone.
        network: That was asked.
    """

    held_out: Seen
    split: str
    arrived: Seen
    features: np.ndarray
    unknown: float | None
    paths: Sequence[str]
    bad: list[dict[str, str]]
    kept: Reference
    network: Judge


def compared(
    run: RunFolder, paths: Sequence[Path], most: int, seed: int, max_pixels: int
) -> Compared:
    """Return what a run's network makes of files, and of its own held-out pictures."""
    kept, network = embedding.reference_of(run), embedding.Network(run)
    own, split = _held_out(run, kept, network, most, seed)
    given = network.embed(paths, max_pixels)
    judged = network.judge(given.features)
    return Compared(
        own,
        split,
        _seen(network, given.features, judged),
        given.features,
        None if judged.known is None else float((~judged.known).mean()),
        [str(file.path) for file in given.files],
        [{"image": str(path), "error": reason} for path, reason in given.bad],
        kept,
        network,
    )


def held_out(run: RunFolder, most: int, seed: int) -> tuple[Seen, str]:
    """Return what is known of a run's held-out pictures, and of which split they are.

    Args:
        run: It has kept their features.
        most: Pictures, at most; of more a random part.
        seed: Of the draw.
    """
    kept = embedding.reference_of(run)
    return _held_out(run, kept, embedding.Network(run), most, seed)


def _held_out(
    run: RunFolder, kept: Reference, network: Network, most: int, seed: int
) -> tuple[Seen, str]:
    split = next((s for s in predictions.HELD_OUT if len(kept.rows(s))), None)
    if split is None or not len(kept.rows("train")):
        raise predictions.no_held_out(run)
    rng = np.random.default_rng([seed, 1])
    features = kept.features[draw(kept.rows(split), most, rng)]
    return _seen(network, features, network.judge(features)), split


def _seen(network: Network, features: np.ndarray, judged: Judged) -> Seen:
    points = whitening.whiten(features, network.novelty)
    if judged.values is None:
        return Seen(judged.label, judged.probability, points, judged.novelty)
    # A number has no probability.
    chance = None if judged.values.ndim == 1 else judged.probability
    return Seen(judged.values, chance, points, judged.novelty)


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
    novelty, chance = given.arrived.novelty, given.arrived.probability
    near = search.neighbours(given.kept, given.features[order], 1)
    return [
        {
            "image": names.get(given.paths[i], given.paths[i]),
            "path": given.paths[i],
            "class": given.arrived.said(i, given.network.labels),
            "probability": None if chance is None else float(chance[i]),
            "change": float(change[i]),
            "novelty": None if novelty is None else float(novelty[i]),
            "neighbours": own,
        }
        for i, own in zip(order.tolist(), near)
    ]
