"""A version gets its number and its label as one step, whoever else is at it.

One process at a time; and what it is about to do is written down first, so that the
next one can end what one that was killed has begun.
"""

import contextlib
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.core import disk, file_io, staging
from tfpipeline.export import tf_serving_files, versions

# The server looks at whole numbers alone.
_LOCK, _INTENT, _STAGED = ".lock", ".publishing.json", ".next-"


@contextlib.contextmanager
def staged(base: Path) -> Iterator[Path]:
    """Give a folder to write a version into; it is removed unless it was published."""
    name = f"{_STAGED}{uuid.uuid4().hex[:12]}"
    with disk.telling(base, base / name), staging.held(base / name) as folder:
        yield folder


def publish(
    staged: Path, label: str, name: str, sizes: Sequence[int], most: int = 0
) -> tuple[int, dict[str, int]]:
    """Give a version that is whole the next number and its label, and tell the server.

    It is stable or a canary, as `label` says; `auto` is stable where no version is.
    Of a batch there are `sizes`, in rising order, and `most` is images a request.

    Returns:
        The number, and which version is called what.
    """
    base = staged.parent
    with _exclusive(base):
        disk.sync_all(staged)
        number = max(versions.numbers(base), default=0) + 1
        if label == "auto":
            first = versions.STABLE not in versions.read_labels(base)
            label = versions.STABLE if first else versions.CANARY
        labels = versions.label(base, label, number)
        intent: dict[str, Any] = {"name": name, "sizes": list(sizes), "most": most}
        intent |= {"version": number, "labels": labels}
        file_io.write_json(base / _INTENT, intent)
        os.rename(staged, base / str(number))
        disk.sync(base)
        _finish(base, intent)
    return number, labels


def promote(base: Path, number: int) -> dict[str, int]:
    """Make a version the stable one, tell the server, and return all labels."""
    versions.check_there(base, number)
    with _exclusive(base):
        versions.check_there(base, number)
        labels = versions.label(base, versions.STABLE, number)
        tf_serving_files.relabel(base, labels)
    return labels


@contextlib.contextmanager
def _exclusive(base: Path) -> Iterator[None]:
    """Keep other processes out until the block ends; end what one has begun."""
    lock, file = base / _LOCK, base / _INTENT
    with disk.telling(base, lock), staging.locked(lock, waits=True):
        staging.sweep(base.glob(f"{_STAGED}*"))
        disk.sweep(base, (_INTENT, *tf_serving_files.WRITTEN))
        if file.is_file():
            intent = json.loads(file.read_text(encoding="utf-8"))
            if intent["version"] in versions.versions(base):
                _finish(base, intent)
            else:
                file.unlink()
        yield


def _finish(base: Path, intent: dict[str, Any]) -> None:
    name, labels, sizes = (intent[key] for key in ("name", "labels", "sizes"))
    tf_serving_files.write(base, name, labels, sizes, intent.get("most", 0))
    (base / _INTENT).unlink()
