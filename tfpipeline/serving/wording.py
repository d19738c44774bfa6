"""What is told of answers and errors, as text."""

from typing import Any


def reason(error: Exception) -> str:
    """Return what an error of TensorFlow or NumPy says, without where it stood.

    Args:
        error: Of a request.
    """
    said = [line.strip() for line in str(error).splitlines()]
    said = [line for line in said if line and not line.startswith("Graph execution")]
    telling = [line for line in said if not line.startswith(("Detected at", "File "))]
    return (telling or said or [type(error).__name__])[0][:300]


def plain(value: Any) -> Any:
    """Return an output as JSON has it: lists, numbers, and text instead of bytes.

    Args:
        value: What `tolist` made of an array.
    """
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.decode() if isinstance(value, bytes) else value
