"""GROUND: names of the files in a run folder, its manifest, and atomic writes."""

import contextlib
import csv
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tfpipeline.errors import UserError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when all went well.

    Readers see the old file or the new one, never a part. After an error, Ctrl-C or a
    full disk the temporary file is removed and the old file still stands.

    Args:
        path: The file (or folder) to be written.

    Yields:
        A path in the same folder, with the same suffix, to write to.

    Raises:
        UserError: The disk is full, or the file cannot be written for another reason.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}. Make room there, "
            "or name another folder, and give the same command again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Args:
        path: The file.
        text: Its content.
    """
    with replacing(path) as temporary:
        # A file name that is no UTF-8 reaches us with surrogates and leaves with them.
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all; NaN becomes null.

    Args:
        path: The file.
        value: Anything `json` can write.
    """
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not know, by None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    return value


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a CSV file whole or not at all.

    Args:
        path: The file.
        header: Names of the columns.
        rows: One sequence a row, in the order of the header.
    """
    with replacing(path) as temporary:
        with open(
            temporary, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file as dictionaries.

    Args:
        path: The file.

    Returns:
        One dictionary a row; every value a string.

    Raises:
        UserError: It is no CSV file.
    """
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        try:
            return [
                {key: value or "" for key, value in row.items() if key is not None}
                for row in csv.DictReader(file)
            ]
        except csv.Error as error:
            raise UserError(
                f"{path}: expected a CSV file, but {error}. Is a quote left open?"
            ) from None


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
    def figures(self) -> Path:
        """The folder of the figures."""
        return self.path / "figures"

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
            content = json.loads(
                self.manifest.read_text(encoding="utf-8", errors="surrogateescape")
            )
        except ValueError as error:
            raise UserError(f"{self.manifest}: expected JSON, but {error}.") from None
        return dict(content)

    def is_finished(self) -> bool:
        """Tell whether a run in this folder has come to its end."""
        return bool(self.read_manifest().get("finished")) and self.model.is_file()

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
        shutil.rmtree(self.figures, ignore_errors=True)
        self.evaluation.unlink(missing_ok=True)
        entries = sorted(staged.path.iterdir(), key=lambda e: e == staged.manifest)
        for entry in entries:
            os.replace(entry, self.path / entry.name)
        staged.path.rmdir()

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


def new_run(workdir: str | None, *, overwrite: bool) -> RunFolder:
    """Return the folder for a new run, without making it yet.

    Args:
        workdir: Where the user wants it; ``runs/<date>-<time>`` where None.
        overwrite: Whether a finished run may be replaced.

    Returns:
        The folder; it may exist, and then holds no finished run.

    Raises:
        UserError: A finished run stands there, or the folder cannot be written.
    """
    # To the microsecond: several runs may be started at once.
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    folder = RunFolder(Path(workdir) if workdir else Path("runs") / stamp)
    check_writable(folder.path)
    if folder.is_finished() and not overwrite:
        raise UserError(
            f"{folder.path}: a finished run stands here. Choose another --workdir, or "
            "say --overwrite true to replace it."
        )
    return folder


def check_writable(folder: Path) -> None:
    """Find out before the work starts whether its result can be written.

    Args:
        folder: A folder that may not exist yet; it is not made.

    Raises:
        UserError: Neither it nor its nearest parent takes a file.
    """
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UserError(f"{folder}: expected a folder, but {nearest} is a file.")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write into {nearest}: {error.strerror}. Choose another "
            "folder, or make room there."
        ) from None
