"""What is told of answers and errors, as text."""

import re
from typing import Any

# How lines begin that tell where an operation stood.
_PLACES = ("Graph execution", "Detected at", "File ", "<stack traces unavailable>")


def reason(error: Exception) -> str:
    """Return what an error of TensorFlow or NumPy says, without where it stood.

    Args:
        error: Of a request.
    """
    said = [line.strip() for line in str(error).splitlines()]
    told = [line for line in said if line and not line.startswith(_PLACES)]
    first = (told or [*filter(None, said), type(error).__name__])[0]
    return re.sub(r"^assertion failed: \[(.*)\]$", r"\1", first)[:300]


def plain(value: Any) -> Any:
    """Return an output as JSON has it: lists, numbers, and text instead of bytes.

    Args:
        value: What `tolist` made of an array.
    """
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.decode() if isinstance(value, bytes) else value


def missing(name: str, version: int | None, label: str | None) -> str:
    """Return what the official server says of a model that is not there.

    Args:
        name: Of the model that was asked for.
        version: The number that was asked for, if one was.
        label: What it is called, if that was asked for.
    """
    if label is not None:
        return f"Unrecognized servable version label: {label}"
    which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return f"Servable not found for request: {which}"
