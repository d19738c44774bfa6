"""Pictures that look wrong are listed, and hardly any others."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tfpipeline.data import quality, scan
from tfpipeline.data.scan_cache import Row


def scores(image: np.ndarray) -> dict[str, int]:
    image = np.round(image).clip(0, 255).astype(np.uint8)
    channels = Image.fromarray(image).convert("YCbCr").split()
    return quality.measure(channels)._asdict()


def test_the_scores_of_noise_are_those_of_its_distribution() -> None:
    """Neighbours are independent: slopes have twice, changes six times the variance."""
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.uniform(0, 255, (90, 95, 1)), 3, axis=2)
    found = scores(grey)
    assert found["sharpness"] == pytest.approx(100 * math.sqrt(3), abs=2)
    assert found["shadows"] == pytest.approx(0.05 * 255, abs=4)
    assert found["highlights"] == pytest.approx(0.99 * 255, abs=4)
    assert found["contrast"] == pytest.approx(255 / math.sqrt(12), abs=2)
    assert found["colour"] == 0


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_sharpness_says_how_much_a_line_is_blurred(sigma: float) -> None:
    across = np.arange(95) - 47
    edge = [127.5 * (1 + math.erf(x / (sigma * math.sqrt(2)))) for x in across]
    image = np.tile(np.array(edge)[None, :, None], (90, 1, 3))
    expected = 100 / (math.sqrt(2) * sigma)
    assert scores(image)["sharpness"] == pytest.approx(expected, rel=0.12)


def test_the_contrast_has_no_part_in_the_sharpness() -> None:
    rng = np.random.default_rng(0)
    image = np.repeat(rng.uniform(0, 255, (90, 95, 1)), 3, axis=2)
    one, other = scores(image)["sharpness"], scores(100 + image / 4)["sharpness"]
    assert one == pytest.approx(other, abs=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 2), (3, 1000), (97, 5)])
def test_pictures_of_any_size_have_scores(size: tuple[int, int]) -> None:
    found = scores(np.random.default_rng(0).uniform(0, 255, (*size, 3)))
    assert all(0 <= value < 256 for value in found.values())
    assert min(quality.least(size)) >= 1


def test_what_most_pictures_are_is_not_wrong_with_them() -> None:
    dark = [
        Row(str(i), height=9, width=9, shadows=0, highlights=20 + i % 3)
        for i in range(20)
    ]
    assert not quality.suspects(dark)
    light = [
        Row(str(i), height=9, width=9, shadows=0, highlights=200) for i in range(30)
    ]
    listed = quality.suspects([*light, *dark])
    assert Counter(s.kind for s in listed)["dark"] == 20


def test_files_that_are_reported_otherwise_are_not_listed_again() -> None:
    flat = Row(
        "a", height=9, width=9, shadows=0, highlights=0, warning=f"{quality.FLAT}: #0"
    )
    assert not quality.suspects([flat, Row("b", reason="broken"), Row("c")])


def _changed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Image.Image]:
    def apply(picture: Image.Image) -> Image.Image:
        values = change(np.asarray(picture, np.float32))
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))

    return apply


NOISE = np.random.default_rng(0)
PLANTED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda p: p.filter(ImageFilter.GaussianBlur(max(p.size) / 80)),
    "dark": _changed(lambda x: 0.1 * x),
    "bright": _changed(lambda x: 255 - 0.1 * (255 - x)),
    "low_information": _changed(lambda x: 90 + 2 * NOISE.standard_normal(x.shape)),
    "odd_aspect": lambda p: p.crop((0, 0, p.width, p.width // 6)),
    "odd_size": lambda p: p.resize((p.width // 12, p.height // 12)),
    "grey": lambda p: p.convert("L"),
}


def test_every_kind_has_an_example() -> None:
    assert set(PLANTED) == set(quality.KINDS)


@pytest.mark.assets
def test_what_is_planted_among_photographs_is_listed_and_hardly_any_other(
    assets: Path, tmp_path: Path
) -> None:
    files = sorted((assets / "images" / "cats_vs_dogs" / "test").rglob("*.jpg"))
    planted = {}
    for kind, change in PLANTED.items():
        for i, file in enumerate(files[:: len(files) // 5][:5]):
            planted[tmp_path / f"{kind}{i}.jpg"] = kind
            with Image.open(file) as picture:
                change(picture.convert("RGB")).save(tmp_path / f"{kind}{i}.jpg")
    paths = [*files, *planted]
    rows = scan.audit(paths, cache=None)
    listed = {(paths[s.position], s.kind) for s in quality.suspects(rows)}
    recall = Counter(kind for path, kind in listed if planted.get(path) == kind)
    assert recall == dict.fromkeys(PLANTED, 5)
    assert sum(path not in planted for path, _ in listed) <= 2


def test_of_deep_pictures_the_size_is_looked_at() -> None:
    deep = [Row(str(i), height=90, width=100, samples="uint16") for i in range(20)]
    odd = Row("long", height=10, width=900, samples="uint16")
    small = Row("small", height=9, width=10, samples="uint16")
    listed = {(s.position, s.kind) for s in quality.suspects([*deep, odd, small])}
    assert {(20, "odd_aspect"), (21, "odd_size")} <= listed
    assert {position for position, _ in listed} == {20, 21}
