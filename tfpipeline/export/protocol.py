"""What a served version is asked, and what it answers."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

SIGNATURE = "serving_default"


class Answer(NamedTuple):
    """What is said of one image.

    Args:
        labels: The best classes, best first.
        probabilities: Of those, in [0, 1].
        error: Why the image could not be read; empty where it could.
        accepted: Whether the best class is sure enough, by the threshold that was
            stored for a target error; None where there is none.
        reason: Why there is none, where that is known.
    """

    labels: Sequence[str]
    probabilities: Sequence[float]
    error: str
    accepted: bool | None = None
    reason: str = ""


def instances(contents: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return encoded images as the REST protocol has them.

    Args:
        contents: One an image.
    """
    return [
        {"image_bytes": {"b64": base64.b64encode(content).decode("ascii")}}
        for content in contents
    ]
