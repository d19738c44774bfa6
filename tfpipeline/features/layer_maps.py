"""What `features` looks at: layers, channels, and what speaks for a class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.metrics import saliency
from tfpipeline.models import class_names, layer_outputs
from tfpipeline.models.load_network import Network
from tfpipeline.report import heatmaps as drawing

# Tiles of a layer in the overview of all layers.
OVERVIEW = 8


@dataclass(frozen=True)
class Photograph:
    """One photograph, as the network sees it.

    Args:
        path: Of the file.
        picture: uint8, of the size of the network's input.
    """

    path: Path
    picture: np.ndarray

    @property
    def image(self) -> tf.Tensor:
        """In [0, 1], shape (1, height, width, 3)."""
        return tf.constant(self.picture[None].astype(np.float32) / 255)


@dataclass(frozen=True)
class Wish:
    """What is to be looked at.

    Args:
        layers: Names.
        classes: Numbers; none is what the network sees first.
        channels: Layers and numbers of channels.
        explained: Layers on whose maps Grad-CAM looks; none is the last of each
            backbone.
    """

    layers: list[str]
    classes: list[int]
    channels: list[tuple[str, int]]
    explained: list[str] = field(default_factory=list)


def wish(settings: FeaturesSettings, network: Network) -> Wish:
    """Return what the user wants to look at.

    Args:
        settings: Of the command.
        network: The network.

    Raises:
        UserError: A layer, channel or class that it does not have.
    """
    shapes = layer_outputs.maps(network.model)
    for name in settings.layers:
        _check_maps(network, name, shapes, "--layers")
    chosen = list(settings.layers)
    if not chosen:
        bent = layer_outputs.with_activation(network.model)
        names = [name for name in shapes if name in bent]
        enough = len(names) >= settings.layer_count
        chosen = layer_outputs.spread(
            names if enough else list(shapes), settings.layer_count
        )
    channels = []
    for word in settings.channels:
        name, _, number = word.rpartition(":")
        if not name or not number.isdecimal():
            raise UserError(
                f"--channels {word}: expected LAYER:NUMBER, e.g. {chosen[-1]}:12."
            )
        _check_maps(network, name, shapes, "--channels")
        if int(number) >= shapes[name][2]:
            raise UserError(
                f"--channels {word}: {name} has {shapes[name][2]} channels, from 0 to "
                f"{shapes[name][2] - 1}."
            )
        channels.append((name, int(number)))
    classes = class_names.find(settings.classes, network.labels, "--classes")
    explained = [] if settings.grad_cam_layer is None else [settings.grad_cam_layer]
    for name in explained:
        _check_maps(network, name, shapes, "--grad_cam_layer")
    return Wish(chosen, classes, channels, explained)


def _check_maps(
    network: Network, name: str, shapes: dict[str, tuple[int, int, int]], flag: str
) -> None:
    layer_outputs.check(network.model, name, flag)
    if name not in shapes:
        raise UserError(
            f"{flag} {name}: expected a layer whose answer is a map with a height and "
            f"a width. Some are: {', '.join(layer_outputs.spread(list(shapes), 6))}."
        )


def photographs(
    paths: Sequence[Path], network: Network, how: str
) -> tuple[list[Photograph], list[tuple[Path, str]]]:
    """Return the photographs that can be read, and what is wrong with the others.

    Args:
        paths: Of the files.
        network: Whose input size they get.
        how: They become square; see `images.resize`.
    """
    good, bad = [], []
    for path in paths:
        try:
            good.append(Photograph(path, image_io.read(path, *network.size, how)))
        except ImageError as error:
            bad.append((path, str(error)))
    return good, bad


class Looker:
    """A network that is asked about one photograph after the other, traced once.

    Args:
        network: That is asked.
        wish: What is to be looked at.
        seed: Of SmoothGrad's noise.
    """

    def __init__(self, network: Network, wish: Wish, seed: int = 0) -> None:
        self.network, self.wish, self.seed = network, wish, seed
        names = dict.fromkeys([*wish.layers, *(name for name, _ in wish.channels)])
        self._explained = wish.explained or layer_outputs.last_maps(network.model)
        plain, inside = layer_outputs.Inside(network.model), layer_outputs.Inside(
            network.model, [*names]
        )
        self._look = tf.function(inside, autograph=False, reduce_retracing=True)

        split = [
            layer_outputs.maps_and_logits(network.model, n) for n in self._explained
        ]
        self._cam = tf.function(
            lambda image, index: saliency.seen_by_all(split, image, index),
            autograph=False,
            reduce_retracing=True,
        )
        self._logits = tf.function(
            lambda image: plain(image)[layer_outputs.LOGITS],
            autograph=False,
            reduce_retracing=True,
        )

    def look(self, photograph: Photograph) -> dict[str, np.ndarray]:
        """Return what the layers answer to a photograph, each without a batch axis.

        Args:
            photograph: The photograph.
        """
        found = self._look(photograph.image)
        return {name: np.asarray(value)[0] for name, value in found.items()}

    def explain(self, photograph: Photograph, index: int) -> dict[str, np.ndarray]:
        """Return where a class is seen, in [0, 1], at the size of the photograph.

        Args:
            photograph: The photograph.
            index: Of the class.
        """
        image, indices = photograph.image, tf.constant([index])
        cam = self._cam(image, indices)
        smooth = saliency.smooth_grad(self._logits, image, indices, seed=self.seed)
        return {
            "grad_cam": np.asarray(cam)[0],
            "smooth_grad": np.asarray(smooth)[0],
        }

    @property
    def explained_layer(self) -> str:
        """The layer on whose maps Grad-CAM looks, or those of an ensemble."""
        return ", ".join(self._explained)


def strongest(maps: np.ndarray, count: int) -> list[int]:
    """Return the channels with the highest mean, best first.

    Those that answer the same everywhere have nothing to show, and come last.

    Args:
        maps: Of one photograph, shape (height, width, channels).
        count: How many.
    """
    means = np.where(np.ptp(maps, (0, 1)) > 0, maps.mean((0, 1)), -np.inf)
    return [int(i) for i in np.argsort(-means, kind="stable")[:count]]


def sheet(maps: np.ndarray, count: int) -> tuple[np.ndarray, list[int]]:
    """Return the maps of the strongest channels on a sheet, and their numbers.

    Args:
        maps: Of one photograph, shape (height, width, channels).
        count: How many.
    """
    numbers = strongest(maps, count)
    means = [float(maps[..., n].mean()) for n in numbers]
    columns = min(8, len(numbers))
    return drawing.channels(maps, numbers, means, columns), numbers


def overview(
    photograph: Photograph, found: Mapping[str, np.ndarray], names: list[str]
) -> np.ndarray:
    """Return a photograph above the strongest channels of each layer.

    Args:
        photograph: The photograph.
        found: What the layers answered.
        names: Of the layers.
    """
    rows = [
        (
            f"{name}\n{'x'.join(map(str, found[name].shape))}",
            [
                drawing.tile(found[name][..., number])
                for number in strongest(found[name], OVERVIEW)
            ],
        )
        for name in names
    ]
    return drawing.overview(photograph.picture, rows)
