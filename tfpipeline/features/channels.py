"""Single channels: the image that each likes best, and the photographs it does."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import contact_sheets
from tfpipeline.features.layer_maps import Photograph, Wish
from tfpipeline.models import layer_outputs
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import objectives
from tfpipeline.synthesize.ascent import Ascended, Ascent
from tfpipeline.synthesize.presets import PRESETS

FELL = "DID NOT RISE"

# Layer, and number in it.
Channel = tuple[str, int]

# Channels of a layer whose ideal images climb in one batch.
TOGETHER = 16

# Photographs beside the ideal image of a channel.
MOST_EXCITING = 8


def ideal_images(
    network: Network,
    wish: Wish,
    settings: FeaturesSettings,
    strategy: tf.distribute.Strategy,
) -> dict[Channel, tuple[Ascended, int]]:
    """Return the ideal image of each channel that is asked for.

    Those of a layer climb together, by the network's own gradient.

    Args:
        network: The network.
        wish: What is asked for.
        settings: Of the command.
        strategy: Where the steps run.

    Returns:
        By layer and number: an ascent, and which of its images is the channel's.
    """
    best = dataclasses.replace(PRESETS["best"], steps=settings.steps)
    waves = best.parameterized(network.size)
    wanted: dict[str, list[int]] = {}
    for name, number in dict.fromkeys(wish.channels):
        wanted.setdefault(name, []).append(number)
    made = {}
    for name, numbers in wanted.items():
        for first in range(0, len(numbers), TOGETHER):
            some = numbers[first : first + TOGETHER]
            ascent = Ascent(
                layer_outputs.Inside(network.model, [name]),
                objectives.channel(name, some),
                waves,
                best.shown(network.size),
                best.climb(settings.seed),
                strategy,
            )
            title = f"{name}:{','.join(map(str, some))}"
            ascended = ascent.run(waves.start(settings.seed, some), title)
            made.update({(name, n): (ascended, i) for i, n in enumerate(some)})
    return made


def excitement(answers: Mapping[str, np.ndarray], channel: Channel) -> float:
    """Return the mean answer of a channel to a photograph.

    Args:
        answers: Of the layers to it, each of shape (height, width, channels).
        channel: Layer and number.
    """
    layer, number = channel
    return float(answers[layer][..., number].mean())


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
    return contact_sheets.contact_sheet(pictures, words, min(3, len(pictures))), order
