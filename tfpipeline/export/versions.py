"""Version folders of a served model: numbers that only grow, and never a half model."""

import re
from pathlib import Path

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError

# What the server is told of which version is which.
MODELS_CONFIG = "models.config"
STABLE, CANARY = "stable", "canary"

_LABEL = re.compile(r'version_labels\s*\{\s*key:\s*"(\w+)"\s*value:\s*(\d+)\s*\}')

# In a version: what its network says of the held-out images of its run.
HELD_OUT = "held_out.csv"


def versions(base: Path) -> list[int]:
    """Return the versions below a folder, in rising order."""
    return [n for n in numbers(base) if (base / str(n) / "saved_model.pb").is_file()]


def numbers(base: Path) -> list[int]:
    """Return whatever below a folder has a number for a name, in rising order."""
    names = [path.name for path in base.iterdir()] if base.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def read_labels(base: Path) -> dict[str, int]:
    """Return which version is called what; nothing where that has not been said."""
    pairs, there = _LABEL.findall(_models_config(base)), versions(base)
    return {name: int(number) for name, number in pairs if int(number) in there}


def live(base: Path) -> int | None:
    """Return the stable version, or else the newest; None where there is none."""
    return read_labels(base).get(STABLE, max(versions(base), default=None))


def read_named(base: Path) -> list[int]:
    """Return the versions that the server was told to hold, there or to come."""
    numbers = re.findall(r"\bversions: (\d+)", _models_config(base))
    return [int(number) for number in numbers]


def read_name(base: Path) -> str | None:
    """Return what the served model is called; None where that has not been said."""
    name = re.search(r'^\s*name: "([^"]+)"', _models_config(base), re.MULTILINE)
    return name[1] if name else None


def _models_config(base: Path) -> str:
    file = base / MODELS_CONFIG
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def check_there(base: Path, number: int) -> None:
    """Refuse a version that is not there, and name those that are."""
    there = versions(base)
    if number not in there:
        known = ", ".join(str(n) for n in there) or "none"
        raise UserError(
            f"{base}: expected one of its versions ({known}). Received: {number}."
        )


def label(base: Path, name: str, number: int) -> dict[str, int]:
    """Return the labels with one of them on a version that may be about to come."""
    labels = read_labels(base) | {name: number}
    if labels.get(CANARY) == labels.get(STABLE):
        labels.pop(CANARY, None)
    return labels


def check_base(base: Path) -> None:
    """Refuse a folder that is itself a version, or cannot be written."""
    if (base / "saved_model.pb").exists():
        raise UserError(
            f"--output {base}: expected the folder above the versions, but this is a "
            f"version itself. Name {base.parent}."
        )
    file_io.check_writable(base)
