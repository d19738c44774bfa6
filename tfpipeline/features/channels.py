"""Single channels of layers: the image that excites each most."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import objectives
from tfpipeline.synthesize.ascent import Ascended
from tfpipeline.synthesize.presets import PRESETS

# Layer, and number in it.
Channel = tuple[str, int]

# Channels of a layer whose ideal images climb in one batch.
TOGETHER = 16


def ideal_images(
    network: Network,
    channels: Sequence[Channel],
    settings: FeaturesSettings,
    strategy: tf.distribute.Strategy,
) -> dict[Channel, tuple[Ascended, int]]:
    """Return the ideal image of each channel: an ascent, and which of its images it is.

    Those of a layer climb together, by the network's own gradient.
    """
    preset = dataclasses.replace(
        PRESETS["best"], steps=settings.steps, branch_gradient=1.0, relu_gradient=0.0
    )
    layers: dict[str, list[int]] = {}
    for layer, number in dict.fromkeys(channels):
        layers.setdefault(layer, []).append(number)
    ideals = {}
    for layer, numbers in layers.items():
        for first in range(0, len(numbers), TOGETHER):
            batch = numbers[first : first + TOGETHER]
            objective = objectives.channel(layer, batch)
            ascent = preset.ascent(network, objective, strategy, settings.seed)
            start = ascent.parameterization.start(settings.seed, batch)
            ascended = ascent.run(start, f"{layer}:{','.join(map(str, batch))}")
            ideals.update({(layer, n): (ascended, i) for i, n in enumerate(batch)})
    return ideals
