"""Ideal images: made of a network, and measured on their 8-bit files."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.models import class_names, layer_outputs
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import objectives
from tfpipeline.synthesize.ascent import Ascended, Ascent
from tfpipeline.synthesize.objectives import Objective, Seen
from tfpipeline.synthesize.parameterizations import Numbers, Parameterization
from tfpipeline.synthesize.presets import Preset

FRAMES = 32

# By what share of its rise a score may change when the picture is rounded to 8 bits.
EIGHT_BIT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Ideal:
    """One image, and what there is to say of it. All scores are of its 8-bit file.

    Args:
        index: Of its class.
        label: Name of its class.
        copy: Which of the images of its class it is, from 0.
        picture: uint8, shape (height, width, 3).
        start_score: Of the objective, on what it started from.
        end_score: Of the objective.
        start_probability: Of its class, on what it started from.
        probabilities: Of all classes, float32, shape (classes,).
        score_before_rounding: Of the picture before it was rounded to 8 bits.
        total_variation: Sum of absolute neighbour differences, of pixels in [0, 1].
        curve: Score of its transformed copies at each step.
        seconds: Its share of the time.
        cured: Whether its start had no gradient, and was moved for that.
        alive: Whether it had a gradient at the end.
        finite: Whether all numbers are numbers, of the image and of its scores.
        raw: What is true of the numbers that a network without preprocessing got.
        frames: How it came about: uint8 pictures.
    """

    index: int
    label: str
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

    @property
    def name(self) -> str:
        """A name for its files."""
        return file_name(self.index, self.label, self.copy)


def file_name(index: int, label: str, copy: int) -> str:
    """Return a name for the files of an image: class number and name, and its own.

    Args:
        index: Of its class.
        label: Name of its class.
        copy: Which of the images of its class it is, from 0.
    """
    words = class_names.plain(label).replace(" ", "_")
    safe = "".join(c for c in words if c.isascii() and (c.isalnum() or c == "_"))
    after = f"_{copy + 1}" if copy else ""
    return "_".join(filter(None, (str(index), safe[:40]))) + after


@dataclass(frozen=True)
class Job:
    """Which images are to be made.

    Args:
        network: That is asked.
        indices: Of the classes.
        preset: How, with what the user has changed.
        settings: The section `synthesis`.
        seed: Of starts and transforms.
        strategy: Where the steps run.
        frames: Whether to keep how each image comes about.
    """

    network: Network
    indices: Sequence[int]
    preset: Preset
    settings: SynthesisSettings
    seed: int
    strategy: tf.distribute.Strategy
    frames: bool = False


def make(job: Job) -> Iterator[Ideal]:
    """Yield the images of a job, as they are made: a batch at a time.

    Args:
        job: What is to be made.
    """
    copies = job.settings.copies
    each = max(1, job.settings.batch_size // copies)
    batches = -(-len(job.indices) // each)
    for number in range(batches):
        some = list(job.indices[number * each : (number + 1) * each])
        count = len(some) * copies
        if job.settings.diversity:
            # The copies of a class see each other: they stay on one replica.
            replicas = int(job.strategy.num_replicas_in_sync)
            some += some[-1:] * (-len(some) % replicas)
        of = f" {number + 1} of {batches}" if batches > 1 else ""
        yield from _batch(job, some, f"ideal images{of}")[:count]


def _batch(job: Job, classes: Sequence[int], title: str) -> list[Ideal]:
    preset, network, copies = job.preset, job.network, job.settings.copies
    started = time.perf_counter()
    indices = [index for index in classes for _ in range(copies)]
    # A photograph to start from keeps its short waves.
    whole = job.settings.start is not None
    parameterization = preset.parameterized(network.size, whole=whole)
    if whole:
        numbers = _from_photograph(job, parameterization, len(indices))
    else:
        keys = [index * 1000 + k for index in classes for k in range(copies)]
        numbers = parameterization.start(job.seed, keys)
    climb = preset.climb(job.seed, max(1, preset.steps // FRAMES) if job.frames else 0)
    objective, names = preset.build_objective(indices), list[str]()
    if job.settings.diversity and copies > 1:
        names = [_texture_layer(network)]
        groups = [k for k in range(len(classes)) for _ in range(copies)]
        objective += job.settings.diversity * objectives.diversity(names[0], groups)
    seen: Any = climbed(network, preset, names)
    if preset.raw:
        seen = layer_outputs.without_preprocessing(network.model)
    ascent = Ascent(
        seen,
        objective,
        parameterization,
        preset.shown(network.size),
        climb,
        job.strategy,
    )
    ascended = ascent.run(numbers, title)
    first = np.asarray(parameterization.image(numbers))
    seconds = (time.perf_counter() - started) / len(indices)
    return _measured(job, indices, objective, (first, ascended), seconds)


def climbed(
    network: Network, preset: Preset, names: Sequence[str] = ()
) -> layer_outputs.Inside:
    """Return a network with the gradient that a preset asks for.

    Args:
        network: The network.
        preset: How images are made.
        names: Of the layers that an objective needs.
    """
    backward = layer_outputs.Backward(preset.branch_gradient, preset.relu_gradient)
    return layer_outputs.Inside(network.model, names, backward=backward)


def _from_photograph(
    job: Job, parameterization: Parameterization, count: int
) -> Numbers:
    file = Path(str(job.settings.start))
    try:
        picture = image_io.read(file, *job.network.size, how="crop")
    except ImageError as error:
        raise UserError(
            f"--synthesis.start {file}: expected a photograph, but {error}."
        ) from None
    photographs = np.repeat(picture[None].astype(np.float32) / 255, count, axis=0)
    return parameterization.of(tf.constant(photographs))


def _texture_layer(network: Network) -> str:
    """Return a layer in the middle, whose channels tell textures and parts apart."""
    found = layer_outputs.maps(network.model)
    return layer_outputs.spread(list(found), 3)[1 if len(found) > 1 else 0]


def _measured(
    job: Job,
    indices: Sequence[int],
    objective: Objective,
    made: tuple[np.ndarray, Ascended],
    seconds: float,
) -> list[Ideal]:
    """Return what is true of the images, once rounded to 8 bits."""
    first, ascended = made
    raw = job.preset.raw
    starts, ends = _pictures(first, raw), _pictures(ascended.images, raw)
    start_scores, start_probabilities = _asked(
        job, starts.astype(np.float32) / 255, objective
    )
    scores, probabilities = _asked(job, ends.astype(np.float32) / 255, objective)
    variations = tf.image.total_variation(tf.constant(ends.astype(np.float32) / 255))
    return [
        Ideal(
            index,
            job.network.labels[index],
            indices[:i].count(index),
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
            bool(
                np.isfinite(ascended.images[i]).all()
                and np.isfinite(ascended.end_scores[i])
            ),
            _raw(job, ascended, i, index) if raw else None,
            [_pictures(one[i : i + 1], raw)[0] for _, one in ascended.snapshots],
        )
        for i, index in enumerate(indices)
    ]


def _pictures(values: np.ndarray, raw: bool) -> np.ndarray:
    """Return values as 8-bit pictures; stretched by least and largest where raw."""
    values = np.nan_to_num(values, posinf=1e6, neginf=-1e6)
    if raw:
        axes = (1, 2, 3)
        least = values.min(axes, keepdims=True)
        values = (values - least) / np.ptp(values, axes, keepdims=True).clip(1e-9)
    return image_io.to_uint8(values)


def _asked(
    job: Job, pictures: np.ndarray, objective: Objective
) -> tuple[np.ndarray, np.ndarray]:
    """Return what pictures score, and the probabilities of all classes on them."""
    model = layer_outputs.Inside(job.network.model, sorted(objective.needs))
    outputs = model(tf.constant(pictures))
    place = tf.range(len(pictures))
    score = objective(Seen(tf.constant(pictures), outputs, place))
    shares = tf.nn.softmax(tf.cast(outputs[objectives.LOGITS], tf.float32))
    return np.asarray(score), np.asarray(shares)


def _raw(job: Job, ascended: Ascended, i: int, index: int) -> dict[str, float]:
    """Return what the lesson reports: of numbers that are no picture."""
    values = ascended.images[i : i + 1]
    answer = layer_outputs.without_preprocessing(job.network.model)(tf.constant(values))
    return {
        "start_score": float(ascended.start_scores[i]),
        "end_score": float(ascended.end_scores[i]),
        "probability": float(tf.nn.softmax(answer)[0, index]),
        "least": float(values.min()),
        "largest": float(values.max()),
    }
