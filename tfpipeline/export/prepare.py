"""What is exported, and what its training path says of the images of the gate."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from tfpipeline.config import EvaluateSettings, RunSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import image_formats, image_io, provenance, run_dir
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import image_folder
from tfpipeline.evaluate import run_inputs
from tfpipeline.export import ask_process, converters, gate, parity, versions
from tfpipeline.metrics import classification
from tfpipeline.metrics.calibration import Calibration


class Sample(NamedTuple):
    """Images by which the ranges of 8-bit numbers are set; none of them is of the gate.

    Args:
        split: That they are of; empty where every other image that the gate might have
            asked about was taken instead.
        files: Audited images.
        pixels: What the network is shown of them, uint8.
    """

    split: str
    files: list[Row]
    pixels: np.ndarray


@dataclass(frozen=True)
class Opened:
    """A run that is to be exported, and what it will be asked about.

    Args:
        run: Its folder.
        trained: What it was told.
        model: The classifier.
        labels: Class names.
        calibration: Of its probabilities.
        held_out: Audited images, all that may be asked about.
        label: Their true classes; None where they are not known.
        files: Those of them that the gate asks about.
        logits: What the training path says of those.
        pixels: What the network is shown of those, uint8.
        ranges: Other images; None where nothing needs them.
    """

    run: run_dir.RunFolder
    trained: RunSettings
    model: keras.Model
    labels: tuple[str, ...]
    calibration: Calibration
    held_out: list[Row]
    label: np.ndarray | None
    files: list[Row]
    logits: np.ndarray
    pixels: np.ndarray
    ranges: Sample | None = None

    @property
    def asked(self) -> parity.Trained:
        """What the training path says of the images."""
        return parity.Trained(
            [row.path for row in self.files],
            classification.probabilities(self.logits / self.calibration.temperature),
            self.labels,
        )

    @property
    def places(self) -> list[ask_process.Place]:
        """Where the encoded images of the gate lie."""
        return places(self.files)


def places(files: Iterable[Row]) -> list[ask_process.Place]:
    """Return where encoded images lie.

    Args:
        files: Audited.
    """
    return [(row.path, row.offset, row.length) for row in files]


def open_run(settings: ExportSettings, phases: provenance.Phases) -> Opened:
    """Load a run, and ask its training path about the images of the gate.

    Args:
        settings: What was asked for; `run` is given.
        phases: Are told how long it takes.

    Raises:
        UserError: There is no finished run, or there are no images.
    """
    run = run_dir.RunFolder(Path(str(settings.run))).existing()
    with phases("load"):
        ready = run_inputs.ready(run)
    with phases("audit"):
        held_out, label, train = _known(settings, ready.trained, run, ready.labels)
        needed = any(converters.TARGETS[n].kind == "int8" for n in settings.also)
        files, ranges = gate.divide(held_out, train, settings.parity_images, needed)
    with phases("ask"):
        logits, pixels = [], []
        for shown, there in _shown(ready, files):
            logits.append(ready.predictor(shown)[there])
            pixels.append(image_io.to_uint8(shown[there]))
        sample = [
            image_io.to_uint8(shown[there]) for shown, there in _shown(ready, ranges)
        ]
    return Opened(
        run,
        ready.trained,
        ready.model,
        ready.labels,
        run_inputs.calibration_of(run),
        held_out,
        label,
        files,
        np.concatenate(logits),
        np.concatenate(pixels),
        (
            Sample("train" if train else "", ranges, np.concatenate(sample))
            if needed
            else None
        ),
    )


def _shown(
    ready: run_inputs.Ready, files: Sequence[Row]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches of what the network is shown, and which rows are images."""
    for shown, _, weights in ready.batches(files) if files else ():
        yield np.asarray(shown), np.asarray(weights) > 0


def _known(
    settings: ExportSettings,
    trained: RunSettings,
    run: run_dir.RunFolder,
    labels: tuple[str, ...],
) -> tuple[list[Row], np.ndarray | None, list[Row]]:
    """Return audited images that measure, their classes, and those that trained."""
    if settings.images:
        paths = image_folder.named_files(settings.images)
        good = [row for row in scan.audit(paths, cache=None) if not row.reason]
        if not good:
            raise UserError("--images: expected at least one readable picture.")
        return good, None, []
    told = EvaluateSettings(run=settings.run, cache_dir=settings.cache_dir)
    try:
        examples = run_inputs.examples_of(told, trained, run, labels)
    except UserError as error:
        raise UserError(
            f"{error} A version is published only after it was asked about "
            "photographs: --images names others than the run's own."
        ) from None
    chosen = run_inputs.measured(examples)
    train = np.setdiff1d(examples.of("train"), chosen)
    return (
        [examples.files[i] for i in chosen],
        examples.source.label[chosen],
        [examples.files[i] for i in train],
    )


def check(settings: ExportSettings) -> None:
    """Refuse settings that cannot be, before any work is done.

    Args:
        settings: What was asked for.

    Raises:
        UserError: A number out of range, or an unknown name.
    """
    converters.check(settings.also)
    gate.check(settings.tolerance)
    known = versions.read_name(Path(str(settings.output)))
    if known is not None and known != settings.name:
        raise UserError(
            f"--name {settings.name}: the model below {settings.output} is called "
            f"{known}, and a running server would lose it. Say --name {known}, or name "
            "another --output."
        )
    sizes = settings.batch_sizes
    if not sizes or sizes != sorted(set(sizes)) or sizes[0] < 1:
        raise UserError(
            "--batch_sizes: expected positive numbers in rising order. Received: "
            f"{sizes}."
        )
    for name in ("top_k", "parity_images", "max_images"):
        if getattr(settings, name) < 1:
            raise UserError(
                f"--{name}: expected a positive number. Received: "
                f"{getattr(settings, name)}."
            )
    if not 0 < settings.min_answered <= 1:
        raise UserError(
            "--min_answered: expected a share above 0 and up to 1. Received: "
            f"{settings.min_answered}."
        )
    if not 1 <= settings.max_pixels <= image_formats.MAX_PIXELS:
        raise UserError(
            f"--max_pixels: expected 1 to {image_formats.MAX_PIXELS:,}. Received: "
            f"{settings.max_pixels}."
        )
    for name, least in (
        ("max_request_pixels", settings.max_pixels),
        ("max_images", settings.batch_sizes[-1]),
    ):
        if getattr(settings, name) < least:
            raise UserError(
                f"--{name}: expected {least:,} at least, since one image or batch may "
                f"have as many. Received: {getattr(settings, name):,}."
            )
