"""The process that asks a version answers each image as if it came alone."""

from collections.abc import Sequence

import numpy as np

from tfpipeline import formats
from tfpipeline.serving import asking


def test_what_had_too_much_beside_it_is_asked_again_alone() -> None:
    requests = []

    def ask(contents: Sequence[bytes]) -> dict[str, np.ndarray]:
        requests.append(list(contents))
        # As many bytes as a request may have.
        sizes = np.cumsum([len(one) for one in contents])
        error = [f"more than 5 bytes{formats.TOGETHER}" if n > 5 else "" for n in sizes]
        return {
            "error": np.array([one.encode() for one in error], object),
            "valid": sizes <= 5,
            "probabilities": np.where(sizes <= 5, sizes, 0)[:, None],
        }

    found = asking._answered(ask, [b"123", b"4567", b"1234567"])
    assert found["valid"].tolist() == [True, True, False]
    assert found["probabilities"].tolist() == [[3], [4], [0]]
    assert found["error"][1] == b"" and found["error"][2].endswith(b"in one request")
    assert requests[1:] == [[b"4567"], [b"1234567"]]
