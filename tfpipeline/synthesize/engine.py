"""Whether the steps of ideal images are computed in bfloat16: where a trial says so."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core import startup
from tfpipeline.models.engines import gradients
from tfpipeline.models.layer_outputs import LOGITS, Backward, Inside
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize.presets import Preset


def is_bfloat16(
    preset: Preset,
    settings: SynthesisSettings,
    network: Network,
    strategy: tf.distribute.Strategy,
    classes: int,
) -> bool:
    """Tell whether the steps of so many classes compute so.

    Their gradients are tried, as a step has them, on noise, from which images start.
    The lesson's method and scores are always in float32.
    """
    title = "ideal images"
    if preset.raw:
        return False
    own = gradients.settled(settings.engine, title, network.model, strategy)
    if own is not None:
        return own
    backward = Backward(preset.branch_gradient, preset.relu_gradient)
    climbed = Inside(network.model, backward=backward)
    images = classes * settings.copies
    shape = (min(images, settings.batch_size), *network.size, 3)
    return gradients.in_bfloat16(
        network.model,
        (title, f"climbs by {backward}"),
        gradients.gradient(lambda image: climbed(image)[LOGITS]),
        lambda: np.random.default_rng(0).uniform(size=shape).astype(np.float32),
        preset.steps * preset.views * images,
        startup.cache_folder(None) / "engines",
    )
