"""Opens what a user names: a network of Keras, or a run of one's own."""

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline import cli
from tfpipeline.config import ModelSettings
from tfpipeline.core import image_formats, image_io, run_dir
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data import sample_ranges
from tfpipeline.demo import photo_like
from tfpipeline.models import backbones, classifier, imagenet_weights, saving
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.registry import BACKBONES


@dataclass(frozen=True)
class Network:
    """A network and all that is known of it.

    Args:
        name: What it is called in results.
        model: From images in [0, 1] to logits.
        labels: Class names; numbers where nobody knows.
        named: Whether the names are known.
        resize: How a photograph becomes square for it; see `image_io.resize`.
        untrained: Whether its weights are random.
        imagenet: Whether its classes are ImageNet's.
        ranges: What is black and white in pictures of more than 8 bits.
    """

    name: str
    model: keras.Model
    labels: ClassNames
    named: bool = True
    resize: str = "squash"
    untrained: bool = False
    imagenet: bool = False
    ranges: Ranges = WHOLE

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its input, in pixels."""
        _, height, width, _ = self.model.input_shape
        return int(height), int(width)

    def logits(self, pictures: np.ndarray) -> np.ndarray:
        """Return the logits, shape (n, classes), of uint8 pictures of any size."""
        resized = [image_io.resize(one, *self.size, how="squash") for one in pictures]
        batches = np.array_split(np.stack(resized), -(-len(resized) // 32))
        outputs = (self.model(np.float32(b) / 255, training=False) for b in batches)
        logits = np.concatenate([np.asarray(output) for output in outputs])
        if not np.isfinite(logits).all():
            raise UserError(
                f"{self.name}: expected numbers as logits, found NaN or infinite ones. "
                "Its weights are damaged, or of another network."
            )
        return logits

    def is_same(self, other: "Network") -> bool:
        """Return whether another network computes just the same."""
        return self.labels == other.labels and (
            classifier.describe(self.model) == classifier.describe(other.model)
        )

    def shares_backbone(self, other: "Network") -> bool:
        """Return whether most of its convolutions are those of another network."""
        own, others = _convolutions(self.model), _convolutions(other.model)
        return 2 * len(own & others) > len(own)


def _convolutions(model: keras.Model) -> set[bytes]:
    """Return a digest of the weights of each convolution."""
    arrays = (np.asarray(weight) for weight in model.weights if len(weight.shape) > 2)
    return {hashlib.sha256(array.tobytes()).digest() for array in arrays}


def open_network(
    run: str | None,
    settings: ModelSettings,
    *,
    names_needed: bool = True,
    pictures: Sequence[Path] = (),
    max_pixels: int = image_formats.MAX_PIXELS,
) -> Network:
    """Return the network that a command is about.

    Args:
        run: The folder of a finished run, or None.
        settings: The section `model`, where there is no run.
        names_needed: Whether it is an error that the class names cannot be had.
        pictures: Files that it is to be shown; without a run, they decide together on
            the range of those that have more than 8 bits.
        max_pixels: Height times width of such a file, at most.
    """
    if run is not None:
        if settings != ModelSettings():
            raise UserError(
                "--run with --model: expected one of them; a run has a network of its "
                "own. Leave one out."
            )
        folder = run_dir.RunFolder(Path(run)).existing()
        targets.expect(
            *(
                saving.load_decision(folder.model).target,
                f"the network of {folder.path}",
            ),
            "Attacks, ideal images and features of layers are about one class, which "
            "is not its answer: say --model.backbone NAME in place of --run, or use "
            "predict, evaluate, export, serve, embed, similar or monitor.",
        )
        model, labels = saving.load_classifier(folder.model)
        model.trainable = False
        trained = cli.of_run(folder.config)
        name = folder.path.name or str(folder.path)
        ranges = saving.load_ranges(folder.model)
        sample_ranges.of_files(pictures, ranges, max_pixels)
        return Network(name, model, labels, resize=trained.data.resize, ranges=ranges)
    settings = imagenet_weights.resolve(settings)
    model = imagenet_weights.build_pretrained(settings)
    untrained = settings.weights == "none"
    if untrained:
        _calibrate(model, settings)
    try:
        labels, named = imagenet_weights.class_names(), True
    except UserError:
        if names_needed:
            raise
        labels, named = ClassNames(map(str, range(imagenet_weights.CLASSES))), False
    width = "" if settings.alpha in (None, 1) else f" {settings.alpha:g}"
    name = f"{settings.backbone}{width}"
    return Network(
        *(name, model, labels, named),
        untrained=untrained,
        imagenet=True,
        ranges=sample_ranges.of_files(pictures, None, max_pixels),
    )


def about(network: Network) -> dict[str, Any]:
    """Return what the summary of a result says of the network."""
    return {"network": network.name, "untrained": network.untrained}


def careful(summary: Mapping[str, Any]) -> list[str]:
    """Return what to warn of, by a summary that has what `about` returned."""
    if not summary["untrained"]:
        return []
    return [
        f"Careful: the weights of {summary['network']} are random: what it answers "
        "means nothing."
    ]


def open_judge(word: str, flag: str = "--judges") -> Network:
    """Return a network that took no part.

    Args:
        word: A name from the table of backbones, with its width where it has one
            (`MobileNet:0.25`), or the folder of a finished run. It is what the judge
            is called in results.
        flag: What the user named it by.
    """
    name, _, alpha = re.sub(r"[@ ]", ":", word).partition(":")
    if name in BACKBONES and re.fullmatch(r"(\d*\.?\d+)?", alpha):
        width = float(alpha) if alpha else None
        settings = ModelSettings(name, weights="imagenet", alpha=width)
        judge = open_network(None, settings, names_needed=False)
    elif Path(word).is_dir():
        judge = open_network(word, ModelSettings())
    else:
        raise unknown(f"{flag} network or run", word, BACKBONES)
    return dataclasses.replace(judge, name=word)


def _calibrate(model: keras.Model, settings: ModelSettings) -> None:
    """Make an untrained network usable, by pictures with the spectrum of photographs.

    Not those of a demo: it may be shown anything.
    """
    inner = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    size = (int(model.input_shape[1]), int(model.input_shape[2]))
    pictures = np.stack([photo_like.picture(seed, size) for seed in range(8)]) / 255.0
    mode = BACKBONES[settings.backbone].mode
    backbones.calibrate(inner, pictures.astype(np.float32), mode)
