"""What a served version is sent, and what it answers, as JSON and as text."""

import base64
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

SIGNATURE = "serving_default"

# How lines begin that tell where an operation stood.
_PLACES = ("Graph execution", "Detected at", "File ", "<stack traces unavailable>")


class Answer(NamedTuple):
    """What is said of one image.

    Args:
        labels: The best classes, best first.
        probabilities: Of those, in [0, 1].
        error: Why the image could not be read; empty where it could.
        accepted: Whether the best class reaches the threshold that is stored for a
            target error; None where there is none.
        reason: Why there is none, where that is known.
        novelty: How unlike the image is those of the run: 0 for a typical one, 1 at the
            limit; None where the model does not say.
        known: Whether that is within the limit; None where none can be promised.
        known_reason: Why there is none, where that is known.
        said: Of several labels, those whose probabilities reach their thresholds; None
            where one class is the answer.
        value: Of a number, itself; its name is in `labels`.
        low: Lower end of its interval; None where the model has none.
        high: Upper end.
    """

    labels: Sequence[str]
    probabilities: Sequence[float]
    error: str
    accepted: bool | None = None
    reason: str = ""
    novelty: float | None = None
    known: bool | None = None
    known_reason: str = ""
    said: Sequence[str] | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None


def instances(contents: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return encoded images as the REST protocol has them."""
    return [{"image_bytes": in_base_64(content)} for content in contents]


def in_base_64(content: bytes) -> dict[str, str]:
    """Return bytes as the REST protocol has them."""
    return {"b64": base64.b64encode(content).decode("ascii")}


def plain(value: Any, binary: bool = False) -> Any:
    """Return what `tolist` gave as JSON has it: bytes are text, or in base 64."""
    if isinstance(value, list):
        return [plain(inner, binary) for inner in value]
    if not isinstance(value, bytes):
        return value
    return in_base_64(value) if binary else value.decode()


def reason(error: Exception) -> str:
    """Return what an error of TensorFlow or NumPy says, without where it stood."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if not line.startswith(_PLACES)]
    first = (causes or lines or [type(error).__name__])[0]
    return re.sub(r"^assertion failed: \[(.*)\]$", r"\1", first)[:300]


def missing(name: str, version: int | None, label: str | None) -> str:
    """Return what the official server says of a model that is not there."""
    if label is not None:
        return f"Unrecognized servable version label: {label}"
    which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return f"Servable not found for request: {which}"
