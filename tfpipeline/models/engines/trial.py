"""Engines against each other on a network and pictures, and what came out, kept."""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io, hardware, provenance
from tfpipeline.core.errors import UserError
from tfpipeline.models import arithmetic
from tfpipeline.models.engines import bfloat16
from tfpipeline.models.engines.names import BFLOAT16, TENSORFLOW

# From images to outputs.
Run = Callable[[Any], np.ndarray]

# By which networks are converted and tried: what was kept by others does not count.
_RULES = 4

# Relative to the largest output; float32 engines differ in the order of their sums.
TOLERANCE = 1e-4

# Others are taken only if they are so many times as fast: clocks are noisy.
_GAIN = 1.1

# Images that an engine is checked and timed with, where it takes any number.
PIECE = 8

_CLOCK_SECONDS, _RACE_SECONDS = 0.08, 0.6

# Of two engines, one that is so many times as fast needs no race, and no third one.
CLEAR = 1.5


class Unfit(Exception):
    """Why an engine cannot compute a network."""


class UnfitNow(Unfit):
    """The same, and the next time it may: it is not kept."""


@dataclass
class Record:
    """What trials of a network on this machine have shown.

    Args:
        milliseconds: An image takes, by engine.
        failed: Why the others cannot compute it.
        digest: SHA-256 of the converted network that was checked.
        change: By how much bfloat16 changed an image's outputs, at most, relative to
            their length; None if it was not tried.
        pictures: On how many; 0 if an earlier version has tried it.
    """

    milliseconds: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    change: float | None = None
    pictures: int = 0

    @classmethod
    def read(cls, file: Path) -> "Record":
        """Return what a file holds; an empty one if it is missing or damaged."""
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            times = {str(k): float(v) for k, v in kept["milliseconds"].items()}
            failed = {str(k): str(v) for k, v in kept["failed"].items()}
            change = None if kept["change"] is None else float(kept["change"])
            pictures = int(kept.get("pictures", 0))
            return cls(times, failed, str(kept["digest"]), change, pictures)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def write(self, file: Path, about: dict[str, Any]) -> None:
        """Keep it, where that can be."""
        try:
            file_io.write_json(file, {**about, **dataclasses.asdict(self)})
        except (OSError, UserError):
            pass

    def knows(self, name: str) -> bool:
        """Tell whether an engine was tried."""
        return name in self.milliseconds or name in self.failed

    def best(self, names: Sequence[str]) -> str:
        """Return the fastest of some engines; TensorFlow unless one is clearly so."""
        tried = {n: self.milliseconds[n] for n in names if n in self.milliseconds}
        if TENSORFLOW not in self.milliseconds or not tried:
            return TENSORFLOW
        first = min(tried, key=tried.__getitem__)
        is_faster = tried[first] * _GAIN < self.milliseconds[TENSORFLOW]
        return first if is_faster else TENSORFLOW

    def is_clear(self, names: Sequence[str]) -> bool:
        """Tell whether one of some engines is so fast that others need no trial."""
        took, name = self.milliseconds, self.best(names)
        return name != TENSORFLOW and took[name] * CLEAR <= took[TENSORFLOW]


class Kept:
    """The record of the trials of one network on this machine, and its file.

    Args:
        network: What was tried, by its layers and weights.
        folder: Of all records.
    """

    def __init__(self, network: str, folder: Path) -> None:
        self._about = {
            "network": network,
            "rules": _RULES,
            "processor": hardware.about()["processor"],
            "cores": hardware.cores(),
            "bfloat16": bfloat16.is_supported(),
            "versions": provenance.versions(),
            "switches": list(arithmetic.switches()),
        }
        key = hashlib.sha256(repr(self._about).encode()).hexdigest()[:24]
        self._file = folder / f"{key}.json"
        self.converted = folder / f"{key}.tflite"
        self.record = Record.read(self._file)

    def write(self) -> None:
        """Keep the record, where that can be."""
        self.record.write(self._file, self._about)


def gather(batches: Iterable[tuple[Any, Any, Any]]) -> np.ndarray:
    """Return the first images of some batches, as many as a trial needs."""
    parts: list[np.ndarray] = []
    for images, _, weights in batches:
        parts.append(np.asarray(images)[np.asarray(weights) > 0])
        if sum(map(len, parts)) >= bfloat16.LEAST_NEIGHBOURS:
            break
    return np.concatenate(parts)[: bfloat16.LEAST_NEIGHBOURS]


def timed(run: Run, images: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what a warm engine makes of images, and the milliseconds for each."""
    started = time.perf_counter()
    outputs = run(images)
    return outputs, 1000 * (time.perf_counter() - started) / len(images)


def clock(run: Run, images: np.ndarray) -> float:
    """Return the least milliseconds that an image takes in a warm engine.

    One call is enough where it is long; short ones are repeated.
    """
    best, spent = math.inf, 0.0
    while spent < 1000 * _CLOCK_SECONDS:
        took = timed(run, images)[1]
        best, spent = min(best, took), spent + took * len(images)
    return best


def reference(run: Run, images: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what TensorFlow makes of images, and the milliseconds for each.

    The first `PIECE` trace it. The next are timed, for a large network by the one pass
    that is needed anyway.
    """
    parts = [run(images[:PIECE])]
    took = math.inf
    for start in range(PIECE, len(images), PIECE):
        rows, each = timed(run, images[start : start + PIECE])
        parts.append(rows)
        took = min(took, each)
    if took * PIECE < 1000 * _CLOCK_SECONDS or len(parts) == 1:
        took = min(took, clock(run, images[:PIECE]))
    return np.concatenate(parts), took


def compare(
    base: tuple[Run, np.ndarray], took: float, other: tuple[Run, np.ndarray]
) -> list[float]:
    """Return the milliseconds an image of TensorFlow and of another engine.

    Args:
        base: TensorFlow, and images for it.
        took: Its milliseconds, as measured before.
        other: The other engine, and images that it has computed before.
    """
    own = clock(*other)
    if own * CLEAR <= took < 1000 * _RACE_SECONDS / 2 / len(base[1]):
        # Once more: when it was measured, images may still have been read ahead.
        took = min(took, timed(*base)[1])
    if max(own / took, took / own) >= CLEAR:
        return [took, own]
    first, second = race(base, other)
    return [min(took, first), min(own, second)]


def race(*engines: tuple[Run, np.ndarray]) -> list[float]:
    """Return the least milliseconds an image that each engine takes on its images.

    They take turns for half a second and more: what else the machine does falls on all.
    """
    best, spent = [math.inf] * len(engines), 0.0
    while spent < 1000 * _RACE_SECONDS:
        for i, (run, images) in enumerate(engines):
            took = timed(run, images)[1]
            best[i] = min(best[i], took)
            spent += took * len(images)
    return best


def check(name: str, run: Run, images: np.ndarray, exact: np.ndarray) -> float:
    """Refuse an engine that does not compute what TensorFlow does in float32.

    Args:
        name: Of the engine.
        run: The engine.
        images: Pictures of the task, shape (n, height, width, 3).
        exact: What TensorFlow makes of them.

    Returns:
        By how much the outputs of an image differ, at most, relative to their length.

    Raises:
        Unfit: A float32 engine differs by more than `TOLERANCE`, or under bfloat16
            other pictures are neighbours.
    """
    if name != BFLOAT16:
        images, exact = images[:PIECE], exact[:PIECE]
    outputs = run(images)
    if outputs.shape != exact.shape or not np.isfinite(outputs).all():
        raise Unfit("its outputs are no numbers")
    if name == BFLOAT16:
        if len(images) < bfloat16.LEAST_NEIGHBOURS:
            raise UnfitNow("there are too few pictures to compare")
        share = bfloat16.agreement(exact, outputs)
        if share < bfloat16.AGREEMENT:
            raise Unfit(
                f"the nearest neighbours of {1 - share:.0%} of the pictures are others"
            )
        return _change(exact, outputs)
    scale = max(float(np.abs(exact).max()), 1e-12)
    worst = float(np.abs(outputs - exact).max()) / scale
    if worst > TOLERANCE:
        raise Unfit(
            f"its outputs differ from TensorFlow's by {worst:.1g} of the largest"
        )
    return _change(exact, outputs)


def _change(exact: np.ndarray, outputs: np.ndarray) -> float:
    """Return the largest change of a row, relative to its length."""
    rows = exact.reshape(len(exact), -1).astype(np.float64)
    moved = np.linalg.norm(outputs.reshape(rows.shape) - rows, axis=1)
    return float((moved / np.maximum(np.linalg.norm(rows, axis=1), 1e-12)).max())
