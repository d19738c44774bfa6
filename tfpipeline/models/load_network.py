"""Opens what a user names: a network of Keras, or a run of one's own."""

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline import cli
from tfpipeline.config import ModelSettings
from tfpipeline.core import image_io, run_dir
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.demo import photo_like
from tfpipeline.models import backbones, classifier, imagenet_weights, registry, saving


@dataclass(frozen=True)
class Network:
    """A network that can be asked about images.

    Args:
        name: What it is called in results.
        model: From images in [0, 1] to logits.
        labels: Class names, in the order of the logits; numbers where nobody knows.
        named: Whether the names are known.
        resize: How a photograph becomes square for it; see `images.resize`.
        untrained: Whether its weights are random.
        imagenet: Whether its classes are ImageNet's.
    """

    name: str
    model: keras.Model
    labels: tuple[str, ...]
    named: bool = True
    resize: str = "squash"
    untrained: bool = False
    imagenet: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its input, in pixels."""
        _, height, width, _ = self.model.input_shape
        return int(height), int(width)

    def logits(self, pictures: np.ndarray) -> np.ndarray:
        """Return what it answers to pictures of any size.

        Args:
            pictures: uint8, shape (n, any, any, 3).

        Returns:
            float32, shape (n, classes).

        Raises:
            UserError: They are no numbers.
        """
        fitting = [image_io.resize(one, *self.size, how="squash") for one in pictures]
        answers = [
            np.asarray(self.model(np.float32(some) / 255, training=False))
            for some in np.array_split(np.stack(fitting), -(-len(fitting) // 32))
        ]
        found = np.concatenate(answers)
        if not np.isfinite(found).all():
            raise UserError(
                f"{self.name}: expected numbers as logits, found what is none. Its "
                "weights are damaged, or of another network."
            )
        return found

    def is_same(self, other: "Network") -> bool:
        """Tell whether another network computes just the same.

        Args:
            other: The other one.
        """
        return self.labels == other.labels and (
            classifier.describe(self.model) == classifier.describe(other.model)
        )

    def shares_backbone(self, other: "Network") -> bool:
        """Tell whether most of its convolutions are those of another network.

        Args:
            other: The other one, whose head may be another.
        """
        own, others = _convolutions(self.model), _convolutions(other.model)
        return 2 * len(own & others) > len(own)


def _convolutions(model: keras.Model) -> set[bytes]:
    """Return a digest of the weights of each convolution."""
    arrays = (np.asarray(weight) for weight in model.weights if len(weight.shape) > 2)
    return {hashlib.sha256(array.tobytes()).digest() for array in arrays}


def open_network(
    run: str | None, settings: ModelSettings, *, names_needed: bool = True
) -> Network:
    """Return the network that a command is about.

    Args:
        run: The folder of a finished run, or None.
        settings: The section `model`, where there is no run.
        names_needed: Whether it is an error that the class names cannot be had.

    Raises:
        UserError: It cannot be opened.
    """
    if run is not None:
        if settings != ModelSettings():
            raise UserError(
                "--run with --model: expected one of them; a run has a network of its "
                "own. Leave one out."
            )
        folder = run_dir.RunFolder(Path(run)).existing()
        model, labels = saving.load_classifier(folder.model)
        model.trainable = False
        trained = cli.of_run(folder.config)
        name = folder.path.name or str(folder.path)
        return Network(name, model, labels, resize=trained.data.resize)
    settings = imagenet_weights.resolve(settings)
    model = imagenet_weights.build_pretrained(settings)
    if settings.weights == "none":
        _calibrate(model, settings)
    try:
        labels, named = imagenet_weights.class_names(), True
    except UserError:
        if names_needed:
            raise
        labels, named = tuple(map(str, range(imagenet_weights.CLASSES))), False
    width = "" if settings.alpha in (None, 1) else f" {settings.alpha:g}"
    name, random = f"{settings.backbone}{width}", settings.weights == "none"
    return Network(name, model, labels, named, untrained=random, imagenet=True)


def careful(summary: Mapping[str, Any]) -> list[str]:
    """Return what a user has to be told of a network, in lines.

    Args:
        summary: Of a result, with what `about` returned.
    """
    if not summary["untrained"]:
        return []
    return [
        f"Careful: the weights of {summary['network']} are random: what it answers "
        "means nothing."
    ]


def about(network: Network) -> dict[str, Any]:
    """Return what the summary of a result says of the network.

    Args:
        network: That was asked.
    """
    return {"network": network.name, "untrained": network.untrained}


def open_judge(word: str, flag: str = "--judges") -> Network:
    """Return a network that took no part.

    Args:
        word: A name from the table of backbones, with its width where it has one
            (`MobileNet:0.25`), or the folder of a finished run. It is what the judge
            is called in results.
        flag: What the user named it by.

    Raises:
        UserError: There is neither, or it cannot be opened.
    """
    name, _, alpha = re.sub(r"[@ ]", ":", word).partition(":")
    if name in registry.BACKBONES and re.fullmatch(r"(\d*\.?\d+)?", alpha):
        settings = ModelSettings(
            name, weights="imagenet", alpha=float(alpha) if alpha else None
        )
        judge = open_network(None, settings, names_needed=False)
    elif Path(word).is_dir():
        judge = open_network(word, ModelSettings())
    else:
        raise unknown(f"{flag} network or run", word, registry.BACKBONES)
    return dataclasses.replace(judge, name=word)


def _calibrate(model: keras.Model, settings: ModelSettings) -> None:
    """Make an untrained network usable, by pictures with the spectrum of photographs.

    Not those of a demo: what it is asked about may be anything.
    """
    inner = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    size = (int(model.input_shape[1]), int(model.input_shape[2]))
    pictures = np.stack([photo_like.picture(seed, size) for seed in range(8)]) / 255.0
    pictures = pictures.astype(np.float32)
    backbones.calibrate(inner, pictures, registry.BACKBONES[settings.backbone].mode)
