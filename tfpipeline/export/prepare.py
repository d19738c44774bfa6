"""What is exported, and what its training path says of the images of the gate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfpipeline.config import EvaluateSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import image_io, provenance, run_dir
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import sample_ranges, scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import jpeg_damage, listing
from tfpipeline.evaluate import run_inputs
from tfpipeline.export import converters, gate, target_gate, versions
from tfpipeline.metrics.calibration import Calibration


class Sample(NamedTuple):
    """Images by which the ranges of 8-bit numbers are set; none of them is of the gate.

    Of no split is every other image that the gate might have asked about.
    """

    split: str
    files: list[Row]
    pixels: np.ndarray


@dataclass(frozen=True)
class Opened:
    """A run that is to be exported, and what it will be asked about.

    Args:
        held_out: Audited images, all that may be asked about.
        label: Their true classes; None where they are not known.
        files: Those of them that the gate asks about.
        logits: What the training path says of those.
        pixels: What the network is shown of those, uint8.
        ranges: Other images; None where nothing needs them.
        novelty: What the training path says of `files`; None where the run is without.
    """

    run: run_dir.RunFolder
    ready: run_inputs.Ready
    calibration: Calibration
    held_out: list[Row]
    label: np.ndarray | None
    files: list[Row]
    logits: np.ndarray
    pixels: np.ndarray
    ranges: Sample | None = None
    novelty: np.ndarray | None = None

    @property
    def temperature(self) -> float:
        """By which logits are divided; of several labels that of their thresholds."""
        own = self.ready.decision
        several = own.target == targets.MULTI
        return own.temperature if several else self.calibration.temperature


def open_run(settings: ExportSettings, phases: provenance.Phases) -> Opened:
    """Load the run, and ask its training path about the images of the gate."""
    run = run_dir.RunFolder(Path(str(settings.run))).existing()
    with phases("load"):
        ready = run_inputs.ready(run)
    if settings.only_if_better:
        targets.expect(
            *(ready.decision.target, "--only_if_better"),
            "Leave it out: the gate against the training path is there for all.",
        )
    with phases("audit"):
        held_out, label, train = _images(settings, ready, run)
        needed = any(converters.TARGETS[n].kind == "int8" for n in settings.also)
        files, others = gate.divide(held_out, train, settings.parity_images, needed)
    with phases("ask"), jpeg_damage.named([*files, *others]):
        batches = [
            (ready.predictor(shown)[there], image_io.to_uint8(shown[there]))
            for shown, there in _shown(ready, files)
        ]
        outputs, pixels = (np.concatenate(column) for column in zip(*batches))
        logits, novelty = ready.divide(outputs)
        ranges = None
        if needed:
            sample = [image_io.to_uint8(b[there]) for b, there in _shown(ready, others)]
            ranges = Sample("train" if train else "", others, np.concatenate(sample))
    calibration = run_inputs.calibration_of(run)
    known = held_out, label, files, logits, pixels, ranges, novelty
    return Opened(run, ready, calibration, *known)


def trained(opened: Opened) -> gate.Trained:
    """Return what the training path says of the images of the gate."""
    own = opened.ready.decision, opened.logits, opened.temperature
    chance = target_gate.chances(*own)
    score, novelty = opened.ready.novelty, None
    if score is not None and opened.novelty is not None:
        novelty = gate.Novelty(opened.novelty, score.threshold)
    ids = [row.path for row in opened.files]
    return gate.Trained(ids, chance, opened.ready.labels, novelty)


def _shown(
    ready: run_inputs.Ready, files: Sequence[Row]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches of what the network is shown, and which rows are images."""
    for shown, _, weights in ready.batches(files):
        yield np.asarray(shown), np.asarray(weights) > 0


def _images(
    settings: ExportSettings, ready: run_inputs.Ready, run: run_dir.RunFolder
) -> tuple[list[Row], np.ndarray | None, list[Row]]:
    """Return audited images that measure, their classes, and those that trained."""
    if settings.images:
        paths = listing.named_files(settings.images)
        limit = settings.max_pixels
        audited = scan.audit(paths, cache=None, max_pixels=limit)
        good = [row for row in audited if not row.reason]
        if not good:
            raise UserError("--images: expected at least one readable picture.")
        sample_ranges.report(good, ready.ranges)
        return good, None, []
    own = EvaluateSettings(run=settings.run, cache_dir=settings.cache_dir)
    try:
        examples = run_inputs.examples_of(own, ready.trained, run, ready.labels)
    except UserError as error:
        features = ready.trained.data.features
        why = f"The run has learned from features ({features}). " if features else ""
        raise UserError(
            f"{error} {why}A version is published only after it was asked about "
            "photographs: --images names others than the run's own."
        ) from None
    chosen = run_inputs.measured(examples)
    train = np.setdiff1d(examples.of("train"), chosen)
    held_out, others = ([examples.files[i] for i in rows] for rows in (chosen, train))
    return held_out, examples.source.label[chosen], others


def check(settings: ExportSettings) -> None:
    """Refuse settings that cannot be, before any work is done."""
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
    rising = bool(sizes) and sizes == sorted(set(sizes)) and sizes[0] >= 1
    values = vars(settings)
    numbers = ("top_k", "parity_images", "max_images", "max_pixels")
    for name, fits, expected in (
        ("batch_sizes", rising, "positive numbers in rising order"),
        *((name, values[name] >= 1, "a positive number") for name in numbers),
        ("min_answered", 0 < settings.min_answered <= 1, "a share above 0 and up to 1"),
    ):
        if not fits:
            raise UserError(f"--{name}: expected {expected}. Received: {values[name]}.")
    for name, least in (
        ("max_request_pixels", settings.max_pixels),
        ("max_images", sizes[-1]),
    ):
        if values[name] < least:
            raise UserError(
                f"--{name}: expected {least:,} at least, since one image or batch may "
                f"have as many. Received: {values[name]:,}."
            )
