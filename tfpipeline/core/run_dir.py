"""Names of the files in a run folder, and what state it is in."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpipeline.core import disk
from tfpipeline.core.errors import UserError

# Of the process that writes into the folder.
LOCK = ".lock"


class _Inside:
    """A file or folder of a run, by its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: "RunFolder", _: type) -> Path:
        return run.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """The one place that knows which file of a run lies where."""

    path: Path

    config = _Inside("config.yaml")  # Every default written out.
    manifest = _Inside("manifest.json")  # Versions, seed, devices, fingerprints, ...
    labels = _Inside("labels.txt")  # Class names, in the order of the logits.
    splits = _Inside("splits.csv")  # Which example went into which split.
    # Which images the members of a combined run have learned from.
    inherited = _Inside("learned_from.csv")
    quarantine = _Inside("quarantine.csv")  # Files that could not be used, and why.
    model = _Inside("model.keras")
    history = _Inside("history.csv")  # Loss and metrics of each epoch.
    metrics = _Inside("metrics.json")  # On the validation and test splits.
    calibration = _Inside("calibration.json")  # Temperature and threshold.
    decision = _Inside("target.json")  # Thresholds of classes, or a number's unit.
    predictions = _Inside("predictions.csv")  # For each example, and how wrong.
    # The same, most suspicious first, with room for what to do about it.
    cleaning = _Inside("cleaning.csv")
    # What was relabelled or dropped before the training, by the user's word.
    corrections = _Inside("corrections.csv")
    # What classes were renamed to, or why they were dropped.
    classes = _Inside("classes.csv")
    # For each training image, by a classifier that did not train on it.
    out_of_fold = _Inside("out_of_fold.csv")
    diagnosis = _Inside("diagnosis.json")  # What the predictions come to.
    report = _Inside("report.html")
    evaluation = _Inside("evaluation.json")  # Of the last `evaluate` on any source.
    evaluation_page = _Inside("evaluation.html")
    # The files that it could not use, and why.
    evaluation_quarantine = _Inside("evaluation_quarantine.csv")
    # Which of these three `evaluate` wrote, by their digests.
    evaluation_files = _Inside(".evaluation.json.files")
    # Features of the images that it learned from, by the final network.
    reference = _Inside("reference")
    novelty = _Inside("novelty.json")  # From which novelty on an image is unknown.
    novelty_arrays = _Inside("novelty.npz")  # What gives an image its novelty.
    figures = _Inside("figures")
    logs = _Inside("logs")  # What TensorBoard shows.
    checkpoints = _Inside("checkpoints")  # What an unfinished training resumes from.

    @property
    def learned(self) -> Path:
        """Which images it has learned from, itself or by its members."""
        combined = "combined" in self.read_manifest() and self.inherited.is_file()
        return self.inherited if combined else self.splits

    @property
    def told(self) -> tuple[Path, ...]:
        """The files that are written when a run is whole, and made anew from it."""
        return (self.predictions, self.cleaning, self.diagnosis, self.report)

    @property
    def evaluated(self) -> tuple[Path, ...]:
        """What `evaluate` writes."""
        return (
            *(self.evaluation, self.evaluation_page, self.evaluation_quarantine),
            self.evaluation_files,
        )

    @property
    def replaced(self) -> tuple[Path, ...]:
        """What goes with an old run, whether the new one has the like or not.

        But for `cleaning`, the user's handwork, which stays until the next is written.
        """
        return (
            *self.evaluated,
            *(self.corrections, self.inherited, self.history, self.out_of_fold),
            *(self.predictions, self.diagnosis, self.report, self.classes),
            *(self.figures, self.logs, self.checkpoints, self.reference),
            *(self.novelty, self.novelty_arrays),
        )

    @property
    def next(self) -> "RunFolder":
        """Where a run is written while the folder contains a finished one."""
        return RunFolder(self.path / ".next")

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest, or an empty one where there is none yet."""
        if not self.manifest.is_file():
            return {}
        try:
            text = self.manifest.read_text("utf-8", "surrogateescape")
            return dict(json.loads(text))
        except ValueError as error:
            raise UserError(f"{self.manifest}: expected JSON, but {error}.") from None

    def is_finished(self) -> bool:
        """Tell whether a run in this folder has come to its end."""
        return bool(self.read_manifest().get("finished")) and self.model.is_file()

    def check_own(self) -> None:
        """Refuse a folder that holds files, and no manifest of a run."""
        inside = sorted(self.path.iterdir()) if self.path.is_dir() else []
        # What a process leaves that is killed before it has written the manifest.
        ours = [e for e in inside if e.name == LOCK or disk.is_temporary(e)]
        other = [entry.name for entry in inside if entry not in ours]
        run = self.manifest.is_file() or self.is_half_published()
        if other and not run:
            raise UserError(
                f"{self.path}: expected a new or empty folder, or that of a run, found "
                f"{other[0]!r} in it. Name another --workdir."
            )

    def check_free(self, *, overwrite: bool) -> None:
        """Refuse a folder that no new run may be written into."""
        self.check_own()
        if not overwrite and self.is_finished():
            raise UserError(
                f"{self.path} already contains a finished run. Choose another "
                "--workdir, or replace it with --overwrite true."
            )

    def staged(self) -> "RunFolder":
        """Return where to write a run: beside a finished one until it is whole."""
        return self.next if self.is_finished() else self

    def is_half_published(self) -> bool:
        """Tell whether a whole run has yet to be put in the place of an older one."""
        return not self.manifest.is_file() and bool(
            self.next.read_manifest().get("finished")
        )

    def existing(self) -> "RunFolder":
        """Return this folder if it holds a finished run, else raise a `UserError`."""
        if not self.path.is_dir():
            raise UserError(
                f"{self.path}: expected the folder of a run, found nothing there. "
                "Make one with `python -m tfpipeline.train --workdir DIR`."
            )
        if not self.is_finished():
            raise UserError(
                f"{self.path}: expected the folder of a finished run (manifest.json, "
                "model.keras), but it holds none. If its training was interrupted, "
                "run the same train command again, and it resumes."
            )
        return self
