"""The process that asks a version answers each image as if it came alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Exported
from tfpipeline.core import image_formats
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import ask_process, signatures


def test_what_had_too_much_beside_it_is_asked_again_alone() -> None:
    requests = []

    def ask(contents: Sequence[bytes]) -> dict[str, np.ndarray]:
        requests.append(list(contents))
        # As many bytes as a request may have.
        sizes = np.cumsum([len(one) for one in contents])
        error = [
            f"more than 5 bytes{image_formats.TOGETHER}" if n > 5 else "" for n in sizes
        ]
        return {
            "error": np.array([one.encode() for one in error], object),
            "valid": sizes <= 5,
            "probabilities": np.where(sizes <= 5, sizes, 0)[:, None],
        }

    found = ask_process._ask(ask, [b"123", b"4567", b"1234567"])
    assert found["valid"].tolist() == [True, True, False]
    assert found["probabilities"].tolist() == [[3], [4], [0]]
    assert found["error"][1] == b"" and found["error"][2].endswith(b"in one request")
    assert requests[1:] == [[b"4567"], [b"1234567"]]


def test_a_few_images_at_a_time_are_answered_by_another_process_as_by_this_one(
    exported: Exported,
) -> None:
    pictures = (exported.pictures * 4)[:20]
    files = [Row(path=str(path)) for path in pictures]
    model = exported.base / "1"
    parts = list(ask_process.stream(model, files, signatures.ALL))
    assert [len(part["valid"]) for part in parts] == [16, 4]
    told = np.concatenate([part["probabilities"] for part in parts])
    contents = [path.read_bytes() for path in pictures]
    here = signatures.Loaded(model)(contents, signatures.ALL)["probabilities"]
    np.testing.assert_allclose(told, here, atol=1e-5)


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="^7 could not be asked: .*Error") as error:
        ask_process.ask(tmp_path / "7", [Row(path="a.png")])
    assert "saved_model" in str(error.value)
