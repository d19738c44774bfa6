"""A SavedModel gives the features of every picture, whatever else was sent with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core import image_formats, image_io
from tfpipeline.core.brightness import WHOLE
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import jpeg_damage
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.embed import exported


class Limited:
    """Answers as a graph does that takes so many images, and so many bytes of them."""

    folder = Path("none")

    def __init__(self, images: int, size: int) -> None:
        self.images, self.size = images, size
        self.asked: list[int] = []

    def __call__(self, contents: Sequence[bytes], _: str) -> dict[str, np.ndarray]:
        self.asked.append(len(contents))
        errors, taken = [], 0
        for place, content in enumerate(contents):
            why = b""
            if place >= self.images or taken + len(content) > self.size:
                why = f"more than is taken{image_formats.TOGETHER}".encode()
            elif len(content) == 0 or content[:2] == b"RI":
                why = b"of an unknown kind"
            else:
                taken += len(content)
            errors.append(why)
        features = np.array([[len(c), c.count(b"a"[0])] for c in contents], np.float32)
        valid = np.array([not why for why in errors])
        return {"features": features, "valid": valid, "error": np.array(errors, object)}


@pytest.fixture
def shard(tmp_path: Path) -> list[Picture]:
    """Nine pictures of noise, each larger than the one before."""
    rng = np.random.default_rng(0)
    for number in range(9):
        noise = rng.integers(0, 256, (8, 8 + number, 3), np.uint8)
        image_io.save_png(tmp_path / f"{number}.png", noise)
    return [Picture(str(tmp_path / f"{number}.png")) for number in range(9)]


@pytest.mark.parametrize("images", [1, 2, 4, 100])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
@pytest.mark.parametrize("size", [700, 10**6])
def test_no_picture_is_refused_for_what_was_sent_with_it(
    shard: list[Picture], images: int, batch_size: int, size: int
) -> None:
    model: Any = Limited(images, size)
    settings = EmbedSettings(batch_size=batch_size)
    embedder = exported.Embedder(model, WHOLE, 2, settings, images)
    content = embedder.compute(shard)
    assert content.errors == 0 and content.vectors is not None
    sizes = [Path(picture.path).stat().st_size for picture in shard]
    # They were sent as they are, not made into another PNG.
    assert content.vectors[:, 0].tolist() == sizes
    assert max(model.asked) <= min(images, batch_size)


def test_libjpegs_warnings_are_told_with_names(
    shard: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[int] = []
    real = jpeg_damage.named

    def noting(files: Sequence[Row]) -> Any:
        inside.append(len(files))
        return real(files)

    monkeypatch.setattr(jpeg_damage, "named", noting)
    model: Any = Limited(100, 10**6)
    exported.Embedder(model, WHOLE, 2, EmbedSettings(), 100).compute(shard)
    assert inside == [9]
