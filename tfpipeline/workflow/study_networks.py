"""The frozen networks of a study: what a word means, and what a network costs."""

import dataclasses
import re
import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.demo import world
from tfpipeline.errors import UserError, unknown
from tfpipeline.models import backbones, classifier, table
from tfpipeline.models.frozen import Frozen
from tfpipeline.training.predictor import Predictor

BATCH = 32

_WORD = re.compile(r"([^:@]+)(?::(\d*\.?\d+))?(?::([^@:]+))?(?:@(\d+))?")


def read_word(word: str) -> ModelSettings:
    """Return the network that a word means.

    Args:
        word: `NAME[:ALPHA][:WEIGHTS][@SIZE]`, or `demo`.

    Raises:
        UserError: It means none.
    """
    found = _WORD.fullmatch(word)
    if found is None:
        raise UserError(
            f"--backbones {word}: expected NAME[:ALPHA][:WEIGHTS][@SIZE], e.g. "
            "MobileNetV2, MobileNet:0.25, MobileNetV2:0.35:none@96, or demo."
        )
    name, alpha, weights, size = found.groups()
    if name == "demo":
        settings = ModelSettings("MobileNetV2", weights or "demo", 0.35, 96)
    elif name not in table.BACKBONES:
        raise unknown("--backbones network", name, [*table.BACKBONES, "demo"])
    else:
        known = table.BACKBONES[name].imagenet_top_1 is not None
        weights = weights or ("imagenet" if known else "none")
        settings = ModelSettings(name, weights, float(alpha) if alpha else None)
    if size:
        settings = dataclasses.replace(settings, image_size=int(size))
    return backbones.resolve(settings, "folder")


@dataclass(frozen=True)
class StudyNetwork:
    """A frozen network from images to features.

    Args:
        word: What the user calls it.
        settings: Of the network, without a null.
        backbone: From preprocessed images to maps.
        extractor: From images in [0, 1] to features.
        predictor: The same, traced.
        milliseconds: An image takes in a batch, on this machine.
    """

    word: str
    settings: ModelSettings
    backbone: keras.Model
    extractor: keras.Model
    predictor: Predictor
    milliseconds: float

    @property
    def size(self) -> int:
        """Height and width of its input, in pixels."""
        return int(self.settings.image_size or 0)

    @property
    def mode(self) -> str:
        """What the pixels go through."""
        return table.BACKBONES[self.settings.backbone].mode

    @property
    def untrained(self) -> bool:
        """Whether its weights are random."""
        return self.settings.weights == "none"

    def costs(self) -> dict[str, float]:
        """Return what it costs to have and to ask."""
        return costs(self.backbone, self.milliseconds)


def open_network(
    word: str,
    strategy: tf.distribute.Strategy,
    seed: int,
    speeds: dict[tuple[object, ...], float],
) -> StudyNetwork:
    """Return the network that a word means, and measure how fast it is.

    Args:
        word: As for `read_word`.
        strategy: Where it runs.
        seed: Of random weights.
        speeds: Milliseconds an image, of each architecture that was measured; what it
            does is no faster with other weights.

    Raises:
        UserError: It cannot be built.
    """
    settings = read_word(word)
    mode = table.BACKBONES[settings.backbone].mode
    with strategy.scope():
        keras.utils.set_random_seed(seed)
        backbone = backbones.build_backbone(settings, world.WEIGHTS_FILE)
        model = classifier.build_classifier(backbone, mode, settings, 2)
    extractor, _ = classifier.split_classifier(model)
    predictor = Predictor(Frozen(extractor), strategy)
    key = (settings.backbone, settings.alpha, settings.image_size)
    if key not in speeds:
        speeds[key] = milliseconds(predictor, int(settings.image_size or 0))
    if settings.weights == "none":
        # Its weights are scaled later, by the images of each source.
        predictor = Predictor(lambda x: extractor(x, training=False), strategy)
    return StudyNetwork(word, settings, backbone, extractor, predictor, speeds[key])


def costs(model: keras.Model, took: float) -> dict[str, float]:
    """Return what it costs to have a network and to ask it.

    Args:
        model: The network.
        took: What `milliseconds` returned for it.
    """
    return {
        "milliseconds": round(took, 3),
        "parameters": int(model.count_params()),
        # As they are kept in memory and in `model.keras`.
        "bytes": sum(
            int(np.prod(w.shape)) * tf.as_dtype(w.dtype).size for w in model.weights
        ),
    }


def milliseconds(predictor: Predictor, size: int) -> float:
    """Return what an image takes in a batch: the best of a few, the first traces.

    Args:
        predictor: Asks the network.
        size: Height and width of its input, in pixels.
    """
    count = BATCH * predictor.strategy.num_replicas_in_sync
    blank = np.zeros((count, size, size, 3), np.float32)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        predictor(blank)
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds[1:]) / count
