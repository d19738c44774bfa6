"""GROUND: the folder of a result that is no run, before and after it is made anew."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfpipeline import atomic
from tfpipeline.errors import UserError


def withdraw(folder: Path, name: str, keys: Sequence[str]) -> None:
    """Remove an earlier result and the pictures that it names, before new ones come.

    Args:
        folder: Of the result.
        name: Of the JSON file that tells that a result is there.
        keys: Under which it names the pictures that were made, relative to the folder;
            under others may stand the user's own.
    """
    file = folder / name
    if not file.is_file():
        return
    words: list[str] = []
    with contextlib.suppress(ValueError, OSError):
        words += _under(keys, json.loads(file.read_text(encoding="utf-8")))
    # First, so that it never names what is not there any more.
    file.unlink()
    for word in words:
        if not Path(word).is_absolute() and ".." not in Path(word).parts:
            with contextlib.suppress(OSError):
                (folder / word).unlink(missing_ok=True)


def _under(keys: Sequence[str], value: Any) -> Iterator[str]:
    """Yield every text that stands under one of some keys in what a JSON file holds."""
    if isinstance(value, list):
        for inner in value:
            yield from _under(keys, inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and key in keys:
                yield inner
            yield from _under(keys, inner)


def new_result(output: str, name: str, *, overwrite: bool) -> Path:
    """Return the folder for the result of a command, without making it yet.

    Args:
        output: Where the user wants it.
        name: Of the file that tells that a result is there.
        overwrite: Whether an earlier one may be replaced.

    Raises:
        UserError: An earlier result stands there, or the folder cannot be written.
    """
    if not output.strip():
        raise UserError("--output: expected a folder. Received nothing.")
    folder = Path(output)
    atomic.check_writable(folder)
    if (folder / name).exists() and not overwrite:
        raise UserError(
            f"{folder}: an earlier {name} stands here. Choose another --output, or say "
            "--overwrite true to replace it."
        )
    return folder
