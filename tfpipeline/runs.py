"""GROUND: names of the files in a run folder, and who may write into it."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tfpipeline import atomic
from tfpipeline.errors import UserError


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
        other = [entry.name for entry in inside if entry.name != ".lock"]
        if other and not self.manifest.is_file():
            raise UserError(
                f"{self.path}: expected a new or empty folder, or that of a run, found "
                f"{other[0]!r} in it. Name another --workdir."
            )

    @contextlib.contextmanager
    def claimed(self, *, writes: bool = True) -> Iterator[None]:
        """Make the folder, and keep it from other processes until the block ends.

        Args:
            writes: Whether this process does; one that only reads claims nothing.

        Raises:
            UserError: Another process writes into it.
        """
        if not writes:
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / ".lock", "a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(
                    f"{self.path}: another training writes into this folder. Wait for "
                    "it, or name another --workdir."
                ) from None
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(lock.name)

    def staged(self) -> "RunFolder":
        """Return where to write a run: beside a finished one until it is whole.

        Returns:
            This folder, or one inside of it while a finished run stands here.
        """
        return RunFolder(self.path / ".next") if self.is_finished() else self

    def publish(self, staged: "RunFolder") -> None:
        """Put a run that is whole in the place of the one that stands here.

        Args:
            staged: What `staged` returned before the run began.
        """
        if staged.path == self.path:
            return
        self.manifest.unlink(missing_ok=True)
        for old in (self.evaluation, self.corrections, *self.told):
            old.unlink(missing_ok=True)
        shutil.rmtree(self.logs, ignore_errors=True)
        # What it went on from is not part of a run that is whole.
        shutil.rmtree(staged.checkpoints, ignore_errors=True)
        entries = sorted(staged.path.iterdir(), key=lambda e: e == staged.manifest)
        for entry in entries:
            if entry.is_dir():
                shutil.rmtree(self.path / entry.name, ignore_errors=True)
            os.replace(entry, self.path / entry.name)
        staged.path.rmdir()
        if self.learned != self.inherited:
            self.inherited.unlink(missing_ok=True)

    def recover(self) -> None:
        """Put a run in its place whose publishing was interrupted."""
        staged = RunFolder(self.path / ".next")
        if not self.manifest.is_file() and staged.read_manifest().get("finished"):
            self.publish(staged)

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


def fresh() -> Path:
    """Return ``runs/<date>-<time>``, to the microsecond: several may be started."""
    return Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S-%f")


def new_run(workdir: str | None, *, overwrite: bool) -> RunFolder:
    """Return the folder for a new run, without making it yet.

    Args:
        workdir: Where the user wants it; ``runs/<date>-<time>`` where None.
        overwrite: Whether a finished run may be replaced.

    Returns:
        The folder; it may exist, and then holds no finished run.

    Raises:
        UserError: A finished run or something else stands there, or the folder cannot
            be written.
    """
    folder = RunFolder(Path(workdir) if workdir else fresh())
    atomic.check_writable(folder.path)
    folder.recover()
    folder.check_own()
    if folder.is_finished() and not overwrite:
        raise UserError(
            f"{folder.path}: a finished run stands here. Choose another --workdir, or "
            "say --overwrite true to replace it."
        )
    return folder
