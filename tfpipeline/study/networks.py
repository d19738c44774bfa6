"""The frozen networks of a study: what a word means, their cost and their speed."""

import dataclasses
import hashlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.core import file_io, hardware, provenance
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.demo import world
from tfpipeline.models import arithmetic, backbones, classifier, registry
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.inference import Predictor
from tfpipeline.models.preprocessing import Mode

# Images a step, on each replica.
BATCH = 32

# A network of one's own: FILE.keras[:PREPROCESSING][:none][@SIZE].
_OWN = re.compile(r"(.+\.keras|kerashub:.+?)(?::(?!none)(\w+))?(?::(none))?(?:@(\d+))?")
_WORD = re.compile(r"([^:@]+)(?::(\d*\.?\d+))?(?::([^@:]+))?(?:@(\d+))?")


def read_word(word: str) -> ModelSettings:
    """Return the network that `NAME[:ALPHA][:WEIGHTS][@SIZE]` or `demo` means."""
    if (own := _OWN.fullmatch(word)) is not None:
        name, preprocessing, weights, size = own.groups()
        pixels = int(size) if size else None
        settings = ModelSettings(name, weights, None, pixels)
        settings = dataclasses.replace(settings, preprocessing=preprocessing)
        return backbones.resolve(settings, "folder")
    match = _WORD.fullmatch(word)
    if match is None:
        raise UserError(
            f"--backbones {word}: expected NAME[:ALPHA][:WEIGHTS][@SIZE], e.g. "
            "MobileNetV2, MobileNet:0.25, MobileNetV2:0.35:none@96, or demo; or "
            "FILE.keras[:PREPROCESSING][:none][@SIZE], kerashub:PRESET."
        )
    name, alpha, weights, size = match.groups()
    if name == "demo":
        settings = ModelSettings("MobileNetV2", weights or "demo", 0.35, 96)
    elif name not in registry.BACKBONES:
        raise unknown("--backbones network", name, [*registry.BACKBONES, "demo"])
    else:
        known = registry.BACKBONES[name].imagenet_top_1 is not None
        weights = weights or ("imagenet" if known else "none")
        settings = ModelSettings(name, weights, float(alpha) if alpha else None)
    if size:
        settings = dataclasses.replace(settings, image_size=int(size))
    return backbones.resolve(settings, "folder")


@dataclass(frozen=True)
class Speeds:
    """Milliseconds an image in a batch, of architectures on this machine.

    What they are compared by has to come from one machine: pairs that are kept in a
    folder may have been computed on several. Weights do not matter.
    """

    folder: Path
    strategy: tf.distribute.Strategy

    @property
    def place(self) -> dict[str, Any]:
        """What the time depends on, but for the network."""
        about, versions = hardware.about(), provenance.versions()
        details = tf.config.experimental.get_device_details
        gpus = tf.config.list_physical_devices("GPU")
        return {
            **{key: about[key] for key in ("processor", "cores")},
            "accelerators": [details(gpu).get("device_name", gpu.name) for gpu in gpus],
            "replicas": int(self.strategy.num_replicas_in_sync),
            **{key: versions[key] for key in ("tfpipeline", "tensorflow", "keras")},
        }

    def _file(self, network: ModelSettings) -> Path:
        own = (network.backbone, network.alpha, network.image_size)
        files = filter(None, [backbones.content(network)])
        key = (self.place, *own, *files, *arithmetic.switches())
        digest = hashlib.sha256(repr(key).encode()).hexdigest()
        return self.folder / f"{digest[:24]}.speed.json"

    def known(self, network: ModelSettings) -> float | None:
        """Return what an image takes; None where it was not measured here."""
        took = read_kept(self._file(network)).get("milliseconds")
        return took if isinstance(took, float) and took > 0 else None

    def of(self, network: ModelSettings, predictor: Predictor) -> float:
        """Return what an image takes, measured now if it is not known."""
        took = self.known(network)
        if took is None:
            took = milliseconds(predictor, int(network.image_size or 0))
            about = {"place": self.place, "network": dataclasses.asdict(network)}
            file_io.write_json(self._file(network), {**about, "milliseconds": took})
        return took


def milliseconds(predictor: Predictor, size: int) -> float:
    """Return what an image takes in a batch: the best of a few, the first traces."""
    count = BATCH * predictor.strategy.num_replicas_in_sync
    blank = np.zeros((count, size, size, 3), np.float32)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        predictor(blank)
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds[1:]) / count


def read_kept(file: Path) -> dict[str, Any]:
    """Return what a JSON file of a study has; nothing if it is missing or damaged."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


@dataclass(frozen=True)
class StudyNetwork:
    """A frozen network from images to features."""

    word: str  # What the user calls it.
    settings: ModelSettings  # Without a null.
    backbone: keras.Model  # From preprocessed images to maps.
    extractor: keras.Model  # From images in [0, 1] to features.
    predictor: Predictor  # The same, traced.
    milliseconds: float  # An image takes in a batch, on this machine.

    @property
    def size(self) -> int:
        """Height and width of its input, in pixels."""
        return int(self.settings.image_size or 0)

    @property
    def mode(self) -> Mode:
        """What the pixels go through."""
        return backbones.mode_of(self.settings)

    @property
    def untrained(self) -> bool:
        """Whether its weights are random."""
        return self.settings.weights == "none"


def open_network(
    word: str, strategy: tf.distribute.Strategy, seed: int, speeds: Speeds
) -> StudyNetwork:
    """Return the network that a word means, timed unless its architecture was."""
    settings = read_word(word)
    mode = backbones.mode_of(settings)
    with strategy.scope():
        keras.utils.set_random_seed(seed)
        backbone = backbones.build_backbone(settings, world.WEIGHTS_FILE)
        model = classifier.build_classifier(backbone, mode, settings, 2)
    extractor, _ = classifier.split_classifier(model)
    predictor = Predictor(Frozen(extractor), strategy)
    took = speeds.of(settings, predictor)
    if settings.weights == "none":
        # Its weights are scaled later, by the images of each source.
        predictor = Predictor(lambda x: extractor(x, training=False), strategy)
    return StudyNetwork(word, settings, backbone, extractor, predictor, took)


def costs(model: keras.Model) -> dict[str, float]:
    """Return what it costs to have a network, on any machine."""
    return {
        "parameters": int(model.count_params()),
        # As they are kept in memory and in `model.keras`.
        "bytes": sum(
            int(np.prod(w.shape)) * tf.as_dtype(w.dtype).size for w in model.weights
        ),
    }
