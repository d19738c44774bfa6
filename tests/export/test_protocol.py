"""Errors are told by what is wrong, not by where an operation stood."""

import pytest
import tensorflow as tf

from tfpipeline.export import protocol


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Graph execution error:\n\nDetected at node A defined at (most recent call "
            "last):\n<stack traces unavailable>\nslice index 1 is too large.\n\t [[A]]",
            "slice index 1 is too large.",
        ),
        (
            "assertion failed: [images: expected [0, 1].]\n\t [[B]]",
            "images: expected [0, 1].",
        ),
        ("Graph execution error:\n", "Graph execution error:"),
        ("", "InvalidArgumentError"),
    ],
)
def test_the_line_that_tells_is_found(said: str, told: str) -> None:
    error = tf.errors.InvalidArgumentError(None, None, said)
    assert protocol.reason(error) == told
