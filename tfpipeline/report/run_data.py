"""What a run folder holds, read for its page; what is missing is left out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tfpipeline.core import file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics.significance import accuracy_interval


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, as they lie in its folder."""

    folder: RunFolder
    manifest: dict[str, Any]
    metrics: dict[str, Any]
    config: dict[str, Any]
    config_text: str
    labels: list[str]
    history: list[dict[str, Any]]
    calibration: dict[str, Any]
    diagnosis: dict[str, Any]
    novelty: dict[str, Any]
    quarantine: list[dict[str, str]]
    decision: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.folder.path.resolve().name

    @property
    def split(self) -> str | None:
        """The split that the result is of: test, else validation, else none."""
        return next((s for s in ("test", "validation") if s in self.metrics), None)

    @property
    def has_classes(self) -> bool:
        """Whether one class is the answer to an image."""
        return self.decision.get("target", targets.SINGLE) in targets.CLASSES

    @property
    def interval(self) -> tuple[float, float] | None:
        """In which the accuracy lies, with 95 % confidence."""
        if self.split is None or not self.has_classes:
            return None
        return accuracy_interval(self.metrics[self.split])


def read(folder: RunFolder) -> RunFiles:
    """Return what the folder of a finished run holds.

    Raises:
        UserError: A file is damaged.
    """
    text = _text(folder.config)
    try:
        config = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{folder.config}: expected YAML, but {error}.") from None
    return RunFiles(
        folder,
        manifest=folder.read_manifest(),
        metrics=read_json(folder.metrics),
        config=dict(config),
        config_text=text,
        labels=file_io.read_lines(folder.labels) if folder.labels.is_file() else [],
        history=[_numbers(row) for row in _rows(folder.history)],
        calibration=read_json(folder.calibration),
        diagnosis=read_json(folder.diagnosis),
        novelty=read_json(folder.novelty),
        quarantine=_rows(folder.quarantine),
        decision=read_json(folder.decision),
    )


def read_json(file: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds; nothing where there is none.

    Raises:
        UserError: It holds something else.
    """
    if not file.is_file():
        return {}
    try:
        content = json.loads(_text(file))
    except ValueError as error:
        raise UserError(f"{file}: expected JSON, but {error}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: expected an object in JSON, found {type(content)}.")
    return content


def _text(file: Path) -> str:
    if not file.is_file():
        return ""
    return file.read_text(encoding="utf-8", errors="surrogateescape")


def _rows(file: Path) -> list[dict[str, str]]:
    return file_io.read_csv(file) if file.is_file() else []


def _numbers(row: dict[str, str]) -> dict[str, Any]:
    """Return a row whose cells are numbers where they can be, None where empty."""
    numbers: dict[str, Any] = {}
    for name, cell in row.items():
        try:
            numbers[name] = float(cell) if cell else None
        except ValueError:
            numbers[name] = cell
    return numbers
