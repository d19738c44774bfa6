"""What `features` looks at: layers, channels, and what speaks for a class."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.metrics import saliency
from tfpipeline.models import layer_outputs
from tfpipeline.models.load_network import Network
from tfpipeline.report import heatmaps

# Tiles of a layer in the overview of all layers.
OVERVIEW = 8

_traced = functools.partial(tf.function, autograph=False, reduce_retracing=True)


@dataclass(frozen=True)
class Photograph:
    """One photograph, uint8, of the size of the network's input."""

    path: Path
    picture: np.ndarray

    @property
    def image(self) -> tf.Tensor:
        """In [0, 1], shape (1, height, width, 3)."""
        return tf.constant(self.picture[None].astype(np.float32) / 255)


def photographs(
    paths: Sequence[Path], network: Network, how: str, max_pixels: int
) -> tuple[list[Photograph], list[tuple[Path, str]]]:
    """Return the photographs that can be read, and what is wrong with the others.

    They get the size of the network's input; for `how` see `image_io.resize`.
    """
    good, bad = [], []
    for path in paths:
        try:
            given = *network.size, how, network.ranges, max_pixels
            picture = image_io.read(path, *given)
            good.append(Photograph(path, picture))
        except ImageError as error:
            bad.append((path, str(error)))
    return good, bad


class Inspector:
    """A network and what to look at in it, traced once for all photographs.

    Raises:
        UserError: A layer, channel or class that it does not have.
    """

    def __init__(self, settings: FeaturesSettings, network: Network) -> None:
        self.network, self.seed = network, settings.seed
        self._maps = layer_outputs.maps(network.model)
        if not self._maps:
            raise UserError(
                f"{network.name} has no layer whose output is a map with a height and "
                "a width: there is nothing to show. Of a vision transformer, --model."
                "pooling avg keeps its patches as a map; train a run with it."
            )
        self.layers = settings.layers or self._choose(settings.layer_count)
        for name in settings.layers:
            self._check(name, "--layers")
        self.channels = [self._channel(word) for word in settings.channels]
        # None is what the network sees first.
        self.classes = network.labels.find(settings.classes, "--classes")
        # Layers on whose maps Grad-CAM looks.
        self.explained = layer_outputs.last_maps(network.model)
        if settings.grad_cam_layer is not None:
            self._check(settings.grad_cam_layer, "--grad_cam_layer")
            self.explained = [settings.grad_cam_layer]

    def _choose(self, count: int) -> list[str]:
        """Return layers that are evenly chosen, those with an activation first."""
        bent = layer_outputs.with_activation(self.network.model)
        names = [name for name in self._maps if name in bent]
        return layer_outputs.spread(
            names if len(names) >= count else list(self._maps), count
        )

    def _channel(self, word: str) -> tuple[str, int]:
        name, _, number = word.rpartition(":")
        if not name or not number.isdecimal():
            raise UserError(
                f"--channels {word}: expected LAYER:NUMBER, e.g. {self.layers[-1]}:12."
            )
        self._check(name, "--channels")
        count = self._maps[name][2]
        if int(number) >= count:
            raise UserError(
                f"--channels {word}: {name} has {count} channels, from 0 to "
                f"{count - 1}."
            )
        return name, int(number)

    def _check(self, name: str, flag: str) -> None:
        layer_outputs.check(self.network.model, name, flag)
        if name not in self._maps:
            raise UserError(
                f"{flag} {name}: expected a layer whose output is a map with a height "
                "and a width. Some are: "
                f"{', '.join(layer_outputs.spread(list(self._maps), 6))}."
            )

    @cached_property
    def _look(self) -> Any:
        names = [*self.layers, *(name for name, _ in self.channels)]
        return _traced(
            layer_outputs.Inside(self.network.model, [*dict.fromkeys(names)])
        )

    @cached_property
    def _logits(self) -> Any:
        plain = layer_outputs.Inside(self.network.model)
        return _traced(lambda image: plain(image)[layer_outputs.LOGITS])

    @cached_property
    def _cam(self) -> Any:
        model = self.network.model
        split = [layer_outputs.maps_and_logits(model, name) for name in self.explained]
        return _traced(lambda *seen: saliency.seen_by_all(split, *seen))

    def outputs(self, photograph: Photograph) -> dict[str, np.ndarray]:
        """Return what the layers make of a photograph, each without a batch axis."""
        outputs = self._look(photograph.image)
        return {name: np.asarray(value)[0] for name, value in outputs.items()}

    def grad_cam(self, photograph: Photograph, index: int) -> np.ndarray:
        """Return Grad-CAM of a class, in [0, 1], at the size of the photograph."""
        return np.asarray(self._cam(photograph.image, tf.constant([index])))[0]

    def explain(self, photograph: Photograph, index: int) -> dict[str, np.ndarray]:
        """Return where a class is seen, in [0, 1], at the size of the photograph."""
        image, indices = photograph.image, tf.constant([index])
        smooth = saliency.smooth_grad(self._logits, image, indices, seed=self.seed)
        cam = self.grad_cam(photograph, index)
        return {"grad_cam": cam, "smooth_grad": np.asarray(smooth)[0]}


def strongest(maps: np.ndarray, count: int) -> list[int]:
    """Return the channels of a photograph's maps with the highest mean, best first.

    Those that are the same everywhere have nothing to show, and come last.
    """
    means = np.where(np.ptp(maps, (0, 1)) > 0, maps.mean((0, 1)), -np.inf)
    return [int(i) for i in np.argsort(-means, kind="stable")[:count]]


def sheet(maps: np.ndarray, count: int) -> tuple[np.ndarray, list[int]]:
    """Return the maps of the strongest channels on a sheet, and their numbers."""
    numbers = strongest(maps, count)
    means = [float(maps[..., n].mean()) for n in numbers]
    columns = min(8, len(numbers))
    return heatmaps.channels(maps, numbers, means, columns), numbers


def overview(
    photograph: Photograph, outputs: Mapping[str, np.ndarray], names: Sequence[str]
) -> np.ndarray:
    """Return a photograph above the strongest channels of each layer."""
    rows = []
    for name in names:
        maps = outputs[name]
        tiles = [heatmaps.tile(maps[..., n]) for n in strongest(maps, OVERVIEW)]
        rows.append((f"{name}\n{'x'.join(map(str, maps.shape))}", tiles))
    return heatmaps.overview(photograph.picture, rows)
