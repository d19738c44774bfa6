"""Names of the files in a run folder, and what state it is in."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpipeline.core import disk
from tfpipeline.core.errors import UserError

# Of the process that writes into the folder.
LOCK = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """The one place that knows which file of a run lies where.

    Args:
        path: The folder of the run.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The configuration, every default written out."""
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        """Versions, seed, devices, fingerprints, seconds per phase."""
        return self.path / "manifest.json"

    @property
    def labels(self) -> Path:
        """Class names, one a line, in the order of the logits."""
        return self.path / "labels.txt"

    @property
    def splits(self) -> Path:
        """Which example went into which split."""
        return self.path / "splits.csv"

    @property
    def inherited(self) -> Path:
        """Which images the members of a combined run have learned from."""
        return self.path / "learned_from.csv"

    @property
    def learned(self) -> Path:
        """Which images it has learned from, itself or by its members."""
        combined = "combined" in self.read_manifest() and self.inherited.is_file()
        return self.inherited if combined else self.splits

    @property
    def quarantine(self) -> Path:
        """Files that could not be used, and why."""
        return self.path / "quarantine.csv"

    @property
    def model(self) -> Path:
        """The trained classifier."""
        return self.path / "model.keras"

    @property
    def history(self) -> Path:
        """Loss and metrics of each epoch."""
        return self.path / "history.csv"

    @property
    def metrics(self) -> Path:
        """The result on the validation and test splits."""
        return self.path / "metrics.json"

    @property
    def calibration(self) -> Path:
        """Temperature and threshold of the probabilities, by validation images."""
        return self.path / "calibration.json"

    @property
    def predictions(self) -> Path:
        """What the classifier says of each example, and how wrong it is."""
        return self.path / "predictions.csv"

    @property
    def cleaning(self) -> Path:
        """The same, most suspicious first, with room for what to do about it."""
        return self.path / "cleaning.csv"

    @property
    def corrections(self) -> Path:
        """What was relabelled or dropped before the training, by the user's word."""
        return self.path / "corrections.csv"

    @property
    def diagnosis(self) -> Path:
        """What the predictions come to: confusions, calibration, suspects, data."""
        return self.path / "diagnosis.json"

    @property
    def report(self) -> Path:
        """The page that says what came out, for people."""
        return self.path / "report.html"

    @property
    def told(self) -> tuple[Path, ...]:
        """The files that are written when a run is whole, and made anew from it."""
        return (self.predictions, self.cleaning, self.diagnosis, self.report)

    @property
    def replaced(self) -> tuple[Path, ...]:
        """What goes with an old run, whether the new one has the like or not.

        But for `cleaning`, the user's handwork, which stays until the next is written.
        """
        return (
            *(self.evaluation, self.corrections, self.inherited, self.history),
            *(self.predictions, self.diagnosis, self.report),
            *(self.figures, self.logs, self.checkpoints),
        )

    @property
    def figures(self) -> Path:
        """The folder of the figures."""
        return self.path / "figures"

    @property
    def logs(self) -> Path:
        """The folder of what TensorBoard shows."""
        return self.path / "logs"

    @property
    def checkpoints(self) -> Path:
        """The folder of what an unfinished training goes on from."""
        return self.path / "checkpoints"

    @property
    def evaluation(self) -> Path:
        """The result of the last `evaluate` on any source."""
        return self.path / "evaluation.json"

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest, or an empty one where there is none yet.

        Raises:
            UserError: The file is not JSON.
        """
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
        """Refuse a folder in which something else than a run lies.

        Raises:
            UserError: It holds files, and no manifest of a run.
        """
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
        """Refuse a folder that no new run may be written into.

        Args:
            overwrite: Whether a finished run may be replaced.

        Raises:
            UserError: A finished run or something else stands there.
        """
        self.check_own()
        if not overwrite and self.is_finished():
            raise UserError(
                f"{self.path}: a finished run stands here. Choose another --workdir, "
                "or say --overwrite true to replace it."
            )

    def staged(self) -> "RunFolder":
        """Return where to write a run: beside a finished one until it is whole.

        Returns:
            This folder, or one inside of it while a finished run stands here.
        """
        return self.next if self.is_finished() else self

    @property
    def next(self) -> "RunFolder":
        """Where a run is written while a finished one stands here."""
        return RunFolder(self.path / ".next")

    def is_half_published(self) -> bool:
        """Tell whether a whole run has yet to be put in the place of an older one."""
        return not self.manifest.is_file() and bool(
            self.next.read_manifest().get("finished")
        )

    def existing(self) -> "RunFolder":
        """Return this folder if it holds a finished run.

        Raises:
            UserError: It is no run folder, or its run has not come to its end.
        """
        if not self.path.is_dir():
            raise UserError(
                f"{self.path}: expected the folder of a run, found nothing there. "
                "Make one with `python -m tfpipeline.train --workdir DIR`."
            )
        if not self.is_finished():
            raise UserError(
                f"{self.path}: expected the folder of a finished run (manifest.json, "
                "model.keras), but it holds none. If its training was interrupted, "
                "give the same train command again and it goes on."
            )
        return self
