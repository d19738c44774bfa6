"""Each file gets its own answer, whatever the server does meanwhile."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.tiffs import Page, tiff
from tfpipeline.config.serving import ServerSettings
from tfpipeline.core import image_formats, image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.export.protocol import Answer
from tfpipeline.predict import answers, batching
from tfpipeline.predict.client import Unreachable


def test_what_is_answered_at_the_second_try_stays_in_its_place_though_the_server_goes(
    tmp_path: Path,
) -> None:
    files = [Row(path=str(tmp_path / f"{i}.png"), format="png") for i in range(4)]
    for file in files:
        image_io.save_png(Path(file.path), np.zeros((2, 2, 3), np.uint8))
    too_large = image_formats.too_large(3)
    first = [too_large, *["of another kind"] * 3]
    calls = 0

    def send(contents: Sequence[bytes]) -> list[Answer]:
        nonlocal calls
        calls += 1
        if calls <= len(first):
            return [Answer((), (), first[calls - 1])]
        if calls == len(first) + 1:
            return [Answer(["cat"], [1.0], "")]
        raise Unreachable("gone")

    with pytest.raises(batching.Incomplete, match="gone") as caught:
        answers._ask(send, files, ServerSettings(batch_size=1, parallel=1))
    results = caught.value.results
    assert [list(answer.labels) for answer in results] == [[], ["cat"], [], []]
    assert [answer.error for answer in results] == [
        *(too_large, "", "not answered: gone", "not asked: gone"),
    ]


def test_what_only_the_range_of_a_server_would_tell_is_refused_in_words(
    tmp_path: Path,
) -> None:
    values = np.linspace(0, 1, 64).reshape(8, 8).astype(np.float32)
    (tmp_path / "0.tif").write_bytes(tiff(Page(values)))
    image_io.save_png(tmp_path / "1.png", values[..., None].repeat(3, -1))
    files = scan.audit(sorted(tmp_path.iterdir()), cache=None)

    def send(contents: Sequence[bytes]) -> list[Answer]:
        cat, nothing = Answer(["cat"], [1.0], ""), Answer((), (), "empty file")
        return [cat if content else nothing for content in contents]

    one = ServerSettings(batch_size=1)
    unknown, plain = answers._ask(send, files, one)
    assert plain.labels == ["cat"] and not unknown.labels
    assert "float32" in unknown.error and "server" in unknown.error
    ranges = Ranges((("float32", 0, 1),))
    assert all(a.labels for a in answers._ask(send, files, one, ranges))


def test_a_picture_with_more_pixels_than_the_setting_is_not_asked_about(
    tmp_path: Path,
) -> None:
    image_io.save_png(tmp_path / "a.png", np.zeros((2, 3, 3), np.uint8))
    words = [str(tmp_path / "a.png")]
    (row,) = answers.rows(words, lambda _: pytest.fail("asked"), 1, max_pixels=5)
    assert "max_pixels" in row["error"] and row["label"] == ""
    answer = Answer(["cat"], [1.0], "")
    (row,) = answers.rows(words, lambda files: [answer] * len(files), 1, max_pixels=6)
    assert row["label"] == "cat" and not row["error"]
