"""Ideal images: made of a network, and measured on their 8-bit files."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.models import classifier, layer_outputs
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.layer_outputs import Inside
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import objectives
from tfpipeline.synthesize.ascent import Ascended, Ascent
from tfpipeline.synthesize.class_statistics import Statistics
from tfpipeline.synthesize.objectives import Seen
from tfpipeline.synthesize.presets import Preset

# By what share of its rise a score may change when the picture is rounded to 8 bits.
EIGHT_BIT_TOLERANCE = 0.02

# How much rather features of a class point its way than are strong; see `direction`.
COSINE_POWER = 2


@dataclass(frozen=True)
class Ideal:
    """One image of a class, and its metrics. All scores are of its 8-bit file.

    Args:
        name: Of its files.
        copy: Which of the images of its class it is, from 0.
        probabilities: Of all classes.
        score_before_rounding: Of the picture before it was rounded to 8 bits.
        curve: Score of its transformed copies at each step.
        seconds: Its share of the time.
        cured: Whether its start had no gradient, and was moved for that.
        alive: Whether it had a gradient at the end.
        finite: Whether no number is NaN or infinite, of the image and of its scores.
        raw: Metrics of the numbers that a network without preprocessing got.
        frames: How it came about: uint8 pictures.
        feature_distance: From its photograph, by the photograph's length; None where
            it is not asked to be near.
    """

    index: int
    label: str
    name: str
    copy: int
    picture: np.ndarray
    start_score: float
    end_score: float
    start_probability: float
    probabilities: np.ndarray
    score_before_rounding: float
    total_variation: float
    curve: np.ndarray
    seconds: float
    cured: bool
    alive: bool
    finite: bool
    raw: dict[str, float] | None = None
    frames: list[np.ndarray] = field(default_factory=list)
    feature_distance: float | None = None

    @property
    def probability(self) -> float:
        """Of its class."""
        return float(self.probabilities[self.index])

    @property
    def rounding_change(self) -> float:
        """What rounding to 8 bits did to its score, as a share of its rise."""
        change = abs(self.end_score - self.score_before_rounding)
        return change / max(abs(self.end_score - self.start_score), 1.0)

    @property
    def recognised(self) -> bool:
        """Whether the network names its class first."""
        return int(self.probabilities.argmax()) == self.index

    @property
    def rose(self) -> bool:
        """Whether its score is higher than that of its start."""
        return self.end_score > self.start_score


def file_name(labels: ClassNames, index: int, copy: int) -> str:
    """Return a name for the files of an image: class number and name, and its own."""
    return labels.slug(index) + (f"_{copy + 1}" if copy else "")


@dataclass(frozen=True)
class Job:
    """Which images are to be made, of which classes of which network, and how.

    Directions are those of the features of each class, times the weight
    `class_features`; None is none. So are statistics, of channels. Steps compute in
    float32, or in bfloat16.
    """

    network: Network
    indices: Sequence[int]
    preset: Preset
    settings: SynthesisSettings
    seed: int
    strategy: tf.distribute.Strategy
    frames: bool = False
    directions: np.ndarray | None = None
    class_features: float = 0.0
    statistics: Statistics | None = None
    bfloat16: bool = False

    @property
    def directionless(self) -> list[int]:
        """Those of the classes that have no direction, for want of photographs."""
        if self.directions is None:
            return []
        return [i for i in self.indices if not self.directions[i].any()]


def make(job: Job) -> Iterator[Ideal]:
    """Yield the images of a job, as they are made: a batch at a time."""
    copies = job.settings.copies
    each = max(1, job.settings.batch_size // copies)
    batches = -(-len(job.indices) // each)
    for number in range(batches):
        classes = list(job.indices[number * each : (number + 1) * each])
        count = len(classes) * copies
        if job.settings.diversity:
            # The copies of a class see each other: they stay on one replica.
            replicas = int(job.strategy.num_replicas_in_sync)
            classes += classes[-1:] * (-len(classes) % replicas)
        of = f" {number + 1} of {batches}" if batches > 1 else ""
        yield from _make_batch(job, classes, f"ideal images{of}")[:count]


def _make_batch(job: Job, classes: Sequence[int], title: str) -> list[Ideal]:
    preset, network, copies = job.preset, job.network, job.settings.copies
    started = time.perf_counter()
    indices = [index for index in classes for _ in range(copies)]
    objective = preset.build_objective(indices, feature_layer(job))
    if job.directions is not None:
        own = job.directions[list(indices)]
        objective += objectives.direction(classifier.FEATURES, own, COSINE_POWER)
    if job.statistics is not None:
        objective += job.statistics.objective(indices)
    if job.settings.diversity and copies > 1:
        # A layer in the middle, whose channels tell textures and parts apart.
        name = _map_at(network, 1, "diversity")
        groups = [k for k in range(len(classes)) for _ in range(copies)]
        objective += job.settings.diversity * objectives.diversity(name, groups)
    photograph = _photograph(job)
    ascent = preset.ascent(
        *(network, objective, job.strategy, job.seed),
        photograph=photograph,
        frames=job.frames,
    )
    ascent = dataclasses.replace(ascent, bfloat16=job.bfloat16)
    parameterization = ascent.parameterization
    if photograph is not None:
        numbers = parameterization.of(tf.repeat(photograph, len(indices), 0))
    else:
        keys = [index * 1000 + k for index in classes for k in range(copies)]
        numbers = parameterization.start(job.seed, keys)
    ascended = ascent.run(numbers, title)
    first = np.asarray(parameterization.image(numbers))
    seconds = (time.perf_counter() - started) / len(indices)
    return _measure(job, indices, ascent, (first, ascended), seconds)


def _map_at(network: Network, third: int, flag: str) -> str:
    """Return a layer whose output is a map, after one or two thirds of a network."""
    maps = list(layer_outputs.maps(network.model))
    if not maps:
        raise UserError(
            f"--synthesis.{flag}: needs a layer whose output is a map, and "
            f"{network.name} has none. Say --synthesis.{flag} 0."
        )
    return layer_outputs.spread(maps, 3)[min(third, len(maps) - 1)]


def feature_layer(job: Job) -> str:
    """Return the layer in which a photograph is compared; empty where none is."""
    if not job.preset.feature_distance:
        return ""
    name = job.settings.feature_layer
    if name is None:
        return _map_at(job.network, 0, "feature_distance")
    layer_outputs.check(job.network.model, name, "--synthesis.feature_layer")
    return name


def _photograph(job: Job) -> tf.Tensor | None:
    """Return the photograph to start from, shape (1, height, width, 3)."""
    if job.settings.start is None:
        return None
    file = Path(job.settings.start)
    try:
        ranges = job.network.ranges
        picture = image_io.read(file, *job.network.size, how="crop", ranges=ranges)
    except ImageError as error:
        raise UserError(
            f"--synthesis.start {file}: expected a photograph, but {error}."
        ) from None
    return tf.constant(picture[None].astype(np.float32) / 255)


def _measure(
    job: Job,
    indices: Sequence[int],
    ascent: Ascent,
    images: tuple[np.ndarray, Ascended],
    seconds: float,
) -> list[Ideal]:
    """Return the images, rounded to 8 bits, with their metrics."""
    first, ascended = images
    raw, labels = job.preset.raw, job.network.labels
    starts, ends = _to_pictures(first, raw), _to_pictures(ascended.images, raw)
    start_scores, start_probabilities, _ = _evaluate(job, starts, ascent)
    scores, probabilities, variations = _evaluate(job, ends, ascent)
    distances = _distances(job, ends, ascent.compared())
    ideals = []
    for i, index in enumerate(indices):
        copy = list(indices[:i]).count(index)
        finite = np.isfinite(ascended.images[i]).all()
        frames = [shot[i : i + 1] for _, shot in ascended.snapshots]
        ideal = Ideal(
            index,
            labels[index],
            file_name(labels, index, copy),
            copy,
            ends[i],
            float(start_scores[i]),
            float(scores[i]),
            float(start_probabilities[i, index]),
            probabilities[i],
            # Raw numbers are no picture: there the two are different things.
            float((scores if raw else ascended.end_scores)[i]),
            float(variations[i]),
            ascended.curve[i],
            seconds,
            bool(ascended.cured[i]),
            bool(ascended.alive[i]),
            bool(finite and np.isfinite(ascended.end_scores[i])),
            _measure_raw(job, ascended, i, index) if raw else None,
            [_to_pictures(frame, raw)[0] for frame in frames],
            None if distances is None else float(distances[i]),
        )
        ideals.append(ideal)
    return ideals


def _to_pictures(values: np.ndarray, raw: bool) -> np.ndarray:
    """Return values as 8-bit pictures; stretched by least and largest where raw."""
    values = np.nan_to_num(values, posinf=1e6, neginf=-1e6)
    if raw:
        axes = (1, 2, 3)
        least = values.min(axes, keepdims=True)
        values = (values - least) / np.ptp(values, axes, keepdims=True).clip(1e-9)
    return image_io.to_uint8(values)


def _evaluate(
    job: Job, pictures: np.ndarray, ascent: Ascent
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, probabilities of all classes, and total variations."""
    images = tf.constant(pictures.astype(np.float32) / 255)
    network = Inside(job.network.model, sorted(ascent.objective.needs))
    outputs, photograph = network(images), ascent.compared()
    natural = {} if photograph is None else network(photograph)
    score = ascent.objective(Seen(images, outputs, tf.range(len(pictures)), natural))
    shares = tf.nn.softmax(tf.cast(outputs[layer_outputs.LOGITS], tf.float32))
    variations = tf.image.total_variation(images)
    return np.asarray(score), np.asarray(shares), np.asarray(variations)


def _distances(
    job: Job, pictures: np.ndarray, photograph: tf.Tensor | None
) -> np.ndarray | None:
    """Return how far pictures are from their photograph in the layer that says so."""
    if photograph is None:
        return None
    name = feature_layer(job)
    network = Inside(job.network.model, [name])
    images = tf.constant(pictures.astype(np.float32) / 255)
    seen = Seen(images, network(images), tf.range(len(images)), network(photograph))
    return np.asarray(objectives.feature_distance(name)(seen))


def _measure_raw(job: Job, ascended: Ascended, i: int, index: int) -> dict[str, float]:
    """Return the metrics of numbers that are no picture, as the lesson has them."""
    values = ascended.images[i : i + 1]
    logits = layer_outputs.without_preprocessing(job.network.model)(tf.constant(values))
    return {
        "start_score": float(ascended.start_scores[i]),
        "end_score": float(ascended.end_scores[i]),
        "probability": float(tf.nn.softmax(logits)[0, index]),
        "least": float(values.min()),
        "largest": float(values.max()),
    }
