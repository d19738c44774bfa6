"""Version folders of a served model: numbers that only grow, and never a half model."""

import contextlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tfpipeline.core import disk, file_io, staging
from tfpipeline.core.errors import UserError

# What the server is told of which version is which.
MODELS_CONFIG = "models.config"
STABLE, CANARY = "stable", "canary"

# How the name of a folder begins that is not a version yet.
STAGED = ".next-"

_LABEL = re.compile(r'version_labels\s*\{\s*key:\s*"(\w+)"\s*value:\s*(\d+)\s*\}')


def versions(base: Path) -> list[int]:
    """Return the versions below a folder, in rising order.

    Args:
        base: The folder that the server watches.
    """
    if not base.is_dir():
        return []
    numbers = [int(p.name) for p in base.iterdir() if p.name.isdecimal()]
    return sorted(n for n in numbers if (base / str(n) / "saved_model.pb").is_file())


@contextlib.contextmanager
def staged(base: Path) -> Iterator[Path]:
    """Give a folder to write a version into; it is removed unless it was published.

    A server looks at whole numbers alone, so it never sees this one.

    Args:
        base: The folder that the server watches; made where it is not there.

    Raises:
        UserError: It cannot be written, or the disk is full.
    """
    name = f"{STAGED}{uuid.uuid4().hex[:12]}"
    with disk.telling(base, base / name), staging.held(base / name) as folder:
        yield folder


def publish(
    staged_folder: Path, announce: Callable[[int], None] = lambda number: None
) -> int:
    """Give a version that is whole the next number.

    Args:
        staged_folder: What `staged` gave; everything has been written into it.
        announce: Is told the number just before.

    Returns:
        The number; another process that publishes at the same time gets another one.
    """
    base = staged_folder.parent
    disk.sync_all(staged_folder)
    numbers = [int(p.name) for p in base.iterdir() if p.name.isdecimal()]
    number = max(numbers, default=0) + 1
    while True:
        announce(number)
        try:
            os.rename(staged_folder, base / str(number))
            disk.sync(base)
            return number
        except OSError:
            if not (base / str(number)).exists():
                raise
            number += 1


def read_labels(base: Path) -> dict[str, int]:
    """Return which version is called what; nothing where that has not been said.

    Args:
        base: The folder that the server watches.
    """
    found = _LABEL.findall(_models_config(base))
    there = versions(base)
    return {name: int(number) for name, number in found if int(number) in there}


def read_named(base: Path) -> list[int]:
    """Return the versions that the server was told to hold, there or to come.

    Args:
        base: The folder that the server watches.
    """
    found = re.findall(r"\bversions: (\d+)", _models_config(base))
    return [int(number) for number in found]


def read_name(base: Path) -> str | None:
    """Return what the served model is called; None where that has not been said.

    Args:
        base: The folder that the server watches.
    """
    found = re.search(r'^\s*name: "([^"]+)"', _models_config(base), re.MULTILINE)
    return found[1] if found else None


def _models_config(base: Path) -> str:
    """Return what the server was told; nothing where it has not been."""
    file = base / MODELS_CONFIG
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def label(base: Path, name: str, number: int) -> dict[str, int]:
    """Return the labels with one of them moved.

    Args:
        base: The folder that the server watches.
        name: `stable` or `canary`.
        number: Of the version that gets it.

    Raises:
        UserError: There is no such version.
    """
    check_there(base, number)
    return moved(base, name, number)


def check_there(base: Path, number: int) -> None:
    """Refuse a version that is not there.

    Args:
        base: The folder that the server watches.
        number: Of the version.

    Raises:
        UserError: With those that are.
    """
    there = versions(base)
    if number not in there:
        known = ", ".join(str(n) for n in there) or "none"
        raise UserError(
            f"{base}: expected one of its versions ({known}). Received: {number}."
        )


def moved(base: Path, name: str, number: int) -> dict[str, int]:
    """Return the labels with one of them on a version that may be about to come.

    Args:
        base: The folder that the server watches.
        name: `stable` or `canary`.
        number: Of the version that gets it.
    """
    labels = read_labels(base) | {name: number}
    if labels.get(CANARY) == labels.get(STABLE):
        labels.pop(CANARY, None)
    return labels


def read_json(base: Path, number: int, name: str) -> Mapping[str, Any]:
    """Return what a JSON file of a version holds; nothing where there is none.

    Args:
        base: The folder that the server watches.
        number: Of the version.
        name: Of the file.
    """
    file = base / str(number) / name
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads(file.read_text(encoding="utf-8")))
    return {}


def size_bytes(folder: Path) -> int:
    """Return how many bytes the files in a folder have.

    Args:
        folder: Any folder.
    """
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def check_base(base: Path) -> None:
    """Refuse a folder that is itself a version, or cannot be written.

    Args:
        base: Where versions will be.

    Raises:
        UserError: With what to name instead.
    """
    if (base / "saved_model.pb").exists():
        raise UserError(
            f"--output {base}: expected the folder above the versions, but this is a "
            f"version itself. Name {base.parent}."
        )
    file_io.check_writable(base)
