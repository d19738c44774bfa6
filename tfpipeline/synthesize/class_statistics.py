"""Channel statistics of the photographs of a class, which its ideal image keeps to.

An ascent can excite a class by activations that no photograph has. Where the means and
standard deviations of channels stay as those of photographs, its image does so less,
and other networks recognise it more often.

Source: DeepInversion, Yin et al., arXiv:1912.08795, with the statistics of photographs
of the class, as there is no batch normalisation to know them.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models import layer_outputs, reference
from tfpipeline.models.layer_outputs import Inside
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import class_features, objectives
from tfpipeline.synthesize.objectives import Objective
from tfpipeline.synthesize.presets import Preset

# Where it is not said: of networks without skip connections.
WEIGHT = 30.0

# The last layers of so many sizes: earlier ones cost more, and tell classes less apart.
SIZES = 3

# Photographs of a class, at most.
MOST = 16


@dataclass(frozen=True)
class Statistics:
    """What the images of some classes are to keep to, in some layers.

    Args:
        weight: Of the distance.
        targets: Means of channels and then their standard deviations, by layer and by
            class, float32, shape (2 * channels,).
    """

    weight: float
    targets: dict[str, dict[int, np.ndarray]]

    def lacking(self, indices: Sequence[int]) -> int:
        """Return how many of some classes have no photographs to keep to."""
        return len(set(indices) - set(next(iter(self.targets.values()))))

    def objective(self, indices: list[int]) -> Objective:
        """Return minus the weighted distance for images of classes."""
        terms = [
            objectives.statistics(name, self._rows(of, indices))
            for name, of in self.targets.items()
        ]
        return -self.weight * sum(terms[1:], start=terms[0])

    @staticmethod
    def _rows(of: dict[int, np.ndarray], indices: list[int]) -> np.ndarray:
        # A class without photographs has nought, and no distance.
        nought = np.zeros_like(next(iter(of.values())))
        return np.stack([of.get(index, nought) for index in indices])


def layers(network: Network) -> list[str]:
    """Return the last layer with an activation of each size, of the last few sizes."""
    active = layer_outputs.with_activation(network.model)
    last = {
        shape[:2]: name
        for name, shape in layer_outputs.maps(network.model).items()
        if name in active
    }
    return list(last.values())[-SIZES:]


def of(
    preset: Preset,
    settings: SynthesisSettings,
    run: str | None,
    network: Network,
    indices: list[int],
) -> Statistics | None:
    """Return the statistics of classes; None where they weigh nothing.

    A class whose photographs are no longer there has none.
    """
    wish = settings.class_statistics
    if wish is None:
        suits = class_features.suits(preset, settings, run, network)
        wish = WEIGHT if suits else 0.0
    if not wish:
        return None
    names = layers(network)
    inside = Inside(network.model, names)
    found = {
        index: rows
        for index, files in _files(run, network, indices).items()
        if (rows := _measure(inside, network, files))
    }
    if found:
        targets = {n: {i: rows[n] for i, rows in found.items()} for n in names}
        return Statistics(wish, targets)
    if settings.class_statistics:
        raise UserError(
            "--synthesis.class_statistics: expected with --run, a run whose "
            "photographs are still where they were, and a network with maps. Received: "
            f"{run or network.name}, without. Leave it out."
        )
    return None


def _files(
    run: str | None, network: Network, indices: list[int]
) -> dict[int, list[tuple[Path, str]]]:
    """Return training photographs of classes that are there, and their SHA-256."""
    kept = reference.read(RunFolder(Path(run))) if run is not None else None
    if kept is None:
        return {}
    wanted = {network.labels[index]: index for index in indices}
    found: dict[int, list[tuple[Path, str]]] = {}
    # Several in one file are packed: it is none of a picture.
    times = Counter(kept.path)
    for row in kept.rows("train"):
        index, path = wanted.get(kept.label[row]), kept.path[row]
        if index is not None and times[path] == 1 and Path(path).is_file():
            found.setdefault(index, []).append((Path(path), kept.digest[row]))
    return found


def _measure(
    inside: Inside, network: Network, files: list[tuple[Path, str]]
) -> dict[str, np.ndarray]:
    """Return the mean statistics by layer of photographs that are as they were."""
    pictures, how = list[np.ndarray](), (network.resize, network.ranges)
    for path, digest in files:
        if len(pictures) == MOST:
            break
        with contextlib.suppress(ImageError, OSError):  # There are others.
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == digest:
                pictures.append(image_io.read(content, *network.size, *how))
    if not pictures or not inside.names:
        return {}
    outputs = inside(tf.constant(np.stack(pictures).astype(np.float32) / 255))
    maps = {name: tf.cast(outputs[name], tf.float32) for name in inside.names}
    return {n: np.mean(objectives.moments(m), axis=0) for n, m in maps.items()}
