"""Single channels: the image that each likes best, and the photographs it does."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfpipeline import progress, sheets
from tfpipeline.config_synthesis import FeaturesSettings
from tfpipeline.models import layers
from tfpipeline.synthesis import objectives
from tfpipeline.synthesis.ascent import Ascended, Ascent
from tfpipeline.synthesis.presets import PRESETS
from tfpipeline.workflow.looking import Looker, Photograph, Wish
from tfpipeline.workflow.networks import Network

FELL = "DID NOT RISE"

# Photographs beside the ideal image of a channel.
MOST_EXCITING = 8


def ideal_images(
    network: Network,
    wish: Wish,
    settings: FeaturesSettings,
    strategy: tf.distribute.Strategy,
) -> list[Ascended]:
    """Return the ideal image of each channel that is asked for.

    Args:
        network: The network.
        wish: What is asked for.
        settings: Of the command.
        strategy: Where the steps run.
    """
    best = dataclasses.replace(PRESETS["best"], steps=settings.steps)
    waves = best.parameterized(network.size)
    made = []
    for name, number in wish.channels:
        ascent = Ascent(
            layers.Inside(network.model, [name]),
            objectives.channel(name, number),
            waves,
            best.shown(network.size),
            best.climb(settings.seed),
            strategy,
        )
        made.append(
            ascent.run(waves.start(settings.seed, [number]), f"{name}:{number}")
        )
    return made


def excitement(
    looker: Looker, found: Sequence[Photograph], name: str = "photographs"
) -> dict[tuple[str, int], list[float]]:
    """Return the mean answer of each channel to each photograph.

    Args:
        looker: The network and the channels.
        found: The photographs.
        name: Of the progress bar.
    """
    scores: dict[tuple[str, int], list[float]] = {c: [] for c in looker.wish.channels}
    if scores:
        for photograph in progress.over(found, name, "image"):
            answers = looker.look(photograph)
            for layer, number in scores:
                scores[layer, number].append(float(answers[layer][..., number].mean()))
    return scores


def sheet(
    ideal: np.ndarray,
    found: Sequence[Photograph],
    scores: Sequence[float],
    *,
    rose: bool,
) -> tuple[np.ndarray, list[int]]:
    """Return a channel's ideal image beside the photographs that excite it most.

    Args:
        ideal: uint8.
        found: The photographs.
        scores: Of each.
        rose: Whether the score of the ideal image is higher than that of its start.

    Returns:
        The sheet, and the positions of the photographs on it.
    """
    order = [int(i) for i in np.argsort(-np.asarray(scores), kind="stable")]
    order = order[:MOST_EXCITING]
    pictures = [ideal, *(found[i].picture for i in order)]
    words = [
        "ideal image" if rose else FELL,
        *(f"{scores[i]:.3g} {found[i].path.name}" for i in order),
    ]
    return sheets.contact_sheet(pictures, words, min(3, len(pictures))), order
