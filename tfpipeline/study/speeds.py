"""How fast networks are: known of this machine alone, and measured once on it."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.core import file_io, hardware, provenance
from tfpipeline.models.inference import Predictor

BATCH = 32


@dataclasses.dataclass(frozen=True)
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
        key = (self.place, network.backbone, network.alpha, network.image_size)
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
