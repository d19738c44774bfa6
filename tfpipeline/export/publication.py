"""A version gets its number and its label as one step, whoever else is at it.

One process at a time; and what it is about to do is written down first, so that the
next one can end what one that was killed has begun.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.core import disk, file_io, staging
from tfpipeline.export import tf_serving_files, versions

# The server looks at whole numbers alone.
_LOCK, _INTENT = ".lock", ".publishing.json"


def publish(
    staged: Path, label: str, name: str, sizes: Sequence[int], most: int = 0
) -> tuple[int, dict[str, int]]:
    """Give a version that is whole the next number and its label, and tell the server.

    Args:
        staged: What `versions.staged` gave; everything has been written into it.
        label: `stable`, `canary`, or `auto`: stable where no version is, else canary.
        name: Of the served model.
        sizes: Images a batch, in rising order.
        most: Images a request.

    Returns:
        The number, and which version is called what.
    """
    base = staged.parent
    intent: dict[str, Any] = {"name": name, "sizes": list(sizes), "most": most}
    with _alone(base):

        def announce(number: int) -> None:
            named = label
            if label == "auto":
                first = versions.STABLE not in versions.read_labels(base)
                named = versions.STABLE if first else versions.CANARY
            labels = versions.moved(base, named, number)
            intent.update(version=number, labels=labels)
            file_io.write_json(base / _INTENT, intent)

        number = versions.publish(staged, announce)
        _finish(base, intent)
    return number, intent["labels"]


def promote(base: Path, number: int) -> dict[str, int]:
    """Make a version the stable one, and tell the server.

    Args:
        base: The folder that the server watches.
        number: Of the version.

    Returns:
        Which version is called what.

    Raises:
        UserError: There is no such version.
    """
    versions.check_there(base, number)
    with _alone(base):
        labels = versions.label(base, versions.STABLE, number)
        tf_serving_files.relabel(base, labels)
    return labels


@contextlib.contextmanager
def _alone(base: Path) -> Iterator[None]:
    """Keep other processes out until the block ends; end what one has begun."""
    lock = base / _LOCK
    with disk.telling(base, lock), staging.locked(lock, waits=True):
        _recover(base)
        yield


def _recover(base: Path) -> None:
    staging.sweep(base.glob(f"{versions.STAGED}*"))
    disk.sweep(base, (_INTENT, *tf_serving_files.WRITTEN))
    file = base / _INTENT
    if not file.is_file():
        return
    intent = json.loads(file.read_text(encoding="utf-8"))
    if intent["version"] in versions.versions(base):
        _finish(base, intent)
    else:
        file.unlink()


def _finish(base: Path, intent: dict[str, Any]) -> None:
    tf_serving_files.write(
        base,
        intent["name"],
        intent["labels"],
        intent["sizes"],
        intent.get("most", 0),
    )
    (base / _INTENT).unlink()
