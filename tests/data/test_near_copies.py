"""Near copies are found whatever made them; what only looks alike from afar is none."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from tfpipeline.data import near_copies, thumbnails
from tfpipeline.data.inspect_file import examine
from tfpipeline.demo import photo_like

PHOTOGRAPHS = [Image.fromarray(photo_like.picture(seed)) for seed in range(12)]


def thumbnail(picture: Image.Image, form: str = "PNG", **how) -> str:
    """Return the thumbnail of a picture as the scan makes it, out of a file."""
    file = io.BytesIO()
    picture.save(file, form, **how)
    file.seek(0)
    opened = Image.open(file)
    box = thumbnails.draft(opened, "RGB", (1, 1))
    return thumbnails.encode(opened.convert("RGB"), box, 1)


def cut(left: float, top: float, right: float, bottom: float) -> Callable:
    """Return what takes so much away at each side."""

    def change(picture: Image.Image) -> Image.Image:
        width, height = picture.size
        rest = ((1 - right) * width, (1 - bottom) * height)
        return picture.crop(tuple(map(round, (left * width, top * height, *rest))))

    return change


COPIES = {
    "half": (lambda picture: picture.reduce(2), "JPEG", {"quality": 90}),
    "png": (lambda picture: picture, "PNG", {}),
    "webp": (lambda picture: picture, "WEBP", {}),
    "quality 40": (lambda picture: picture, "JPEG", {"quality": 40}),
    "square": (lambda picture: picture.resize((224, 224)), "JPEG", {"quality": 75}),
    "cut": (cut(0.03, 0.03, 0.03, 0.03), "JPEG", {"quality": 90}),
    "cut at a corner": (cut(0.03, 0.03, 0, 0), "JPEG", {"quality": 90}),
    "grey": (lambda picture: picture.convert("L"), "JPEG", {"quality": 90}),
    "less contrast": (lambda p: ImageEnhance.Contrast(p).enhance(0.7), "PNG", {}),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_in_the_group_of_its_picture_and_of_no_other(kind: str) -> None:
    change, form, how = COPIES[kind]
    own = [thumbnail(picture, "JPEG", quality=95) for picture in PHOTOGRAPHS]
    copies = [thumbnail(change(picture), form, **how) for picture in PHOTOGRAPHS]
    count = len(PHOTOGRAPHS)
    expected = [[i, count + i] for i in range(count)]
    assert near_copies.groups(own + copies) == expected


def test_thumbnails_hardly_depend_on_how_a_file_is_decoded() -> None:
    for size in ((251, 333), (97, 103), (800, 530), (28, 28)):
        picture = PHOTOGRAPHS[0].resize(size)
        texts = [thumbnail(picture), thumbnail(picture, "JPEG", quality=95)]
        grey, _ = thumbnails.decode(texts)
        assert np.abs(np.diff(grey.astype(int), axis=0)).mean() < 1.5


def test_a_thumbnail_is_turned_as_the_picture_is(tmp_path: Path) -> None:
    picture = PHOTOGRAPHS[1].resize((333, 251))
    tag = Image.Exif()
    tag[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=tag, quality=95)
    picture.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "b.png")
    texts = [examine(tmp_path / name).thumbnail for name in ("a.jpg", "b.png")]
    assert near_copies.groups(texts) == [[0, 1]]


def drawings(count: int) -> list[Image.Image]:
    """Return white pictures with a few strokes each."""
    random, pictures = np.random.default_rng(0), []
    for _ in range(count):
        picture = Image.new("RGB", (224, 224), "white")
        pen = ImageDraw.Draw(picture)
        for _ in range(3):
            pen.line(random.integers(10, 214, 6).tolist(), "black", 3)
        pictures.append(picture)
    return pictures


def retinas(count: int) -> list[Image.Image]:
    """Return disks on black that differ in faint veins, as pictures of eyes do."""
    random, disk = np.random.default_rng(0), Image.new("L", (240, 240))
    ImageDraw.Draw(disk).ellipse((12, 12, 228, 228), 255)
    pictures = []
    for _ in range(count):
        veins = Image.fromarray(random.integers(120, 185, (12, 12)).astype(np.uint8))
        veins = veins.resize(disk.size, Image.Resampling.BICUBIC)
        pictures.append(Image.composite(veins, Image.new("L", disk.size), disk))
    return pictures


def nothing(count: int) -> list[Image.Image]:
    """Return sheets of paper on which there is nothing but noise."""
    random = np.random.default_rng(0)
    noise = [random.normal(245, 2, (200, 200)).clip(0, 255) for _ in range(count)]
    return [Image.fromarray(values.astype(np.uint8)) for values in noise]


def disks() -> list[Image.Image]:
    """Return the same sign in several colours."""
    pictures = []
    for shade in ("red", "blue", "green", "orange"):
        picture = Image.new("RGB", (100, 100), "white")
        ImageDraw.Draw(picture).ellipse((20, 20, 80, 80), shade)
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize(
    "pictures",
    [
        drawings(40),
        retinas(30),
        nothing(20),
        disks(),
        [PHOTOGRAPHS[0], PHOTOGRAPHS[0].transpose(Image.Transpose.FLIP_LEFT_RIGHT)],
        [Image.new("RGB", (40, 30), shade) for shade in ("red", "red", "black")],
    ],
    ids=["drawings", "retinas", "nothing", "disks", "mirrored", "one colour"],
)
def test_what_is_only_built_alike_is_no_copy(pictures: list[Image.Image]) -> None:
    assert near_copies.groups([thumbnail(picture) for picture in pictures]) == []


def test_a_group_is_its_first_picture_and_copies_of_that_one_alone() -> None:
    """Pictures each of which is like the next, the first one not like the last."""
    a, b = (np.asarray(p.resize((96, 96)), float) for p in PHOTOGRAPHS[2:4])
    steps = np.linspace(0, 1, 25)
    mixed = [Image.fromarray(np.uint8((1 - t) * a + t * b)) for t in steps]
    texts = [thumbnail(picture) for picture in mixed]
    groups = near_copies.groups(texts)
    grey, colour = thumbnails.decode(texts)
    here = np.arange(len(texts) - 1)
    assert near_copies.are_copies(grey, colour, here, here + 1).all()
    assert len(groups) > 2 and sorted(sum(groups, [])) == sorted({*sum(groups, [])})
    for first, *others in groups:
        assert near_copies.are_copies(
            grey, colour, np.full(len(others), first), np.array(others)
        ).all()


def test_many_pictures_are_compared_as_if_all_pairs_were(monkeypatch) -> None:
    """With leaves and batches so small that a few hundred need many of them."""
    random = np.random.default_rng(3)
    grids = random.integers(0, 256, (200, 5, 5, 3)).astype(np.uint8)
    some = [Image.fromarray(grid).resize((48, 48)) for grid in grids]
    copies = [picture.resize((30, 40)) for picture in some[::2]]
    # More copies of one than are compared or kept at a time.
    same = [some[5].resize((40 + i, 50)) for i in range(30)]
    texts = [thumbnail(picture) for picture in [*some, *copies, *same]]
    texts = [texts[i] for i in random.permutation(len(texts))]
    grey, colour = thumbnails.decode(texts)
    for name, value in {"_LEAF": 8, "_NEAREST": 4, "_KEPT": 8, "_TOGETHER": 16}.items():
        monkeypatch.setattr(near_copies, name, value)
    expected, free = [], np.ones(len(texts), bool)
    for i in range(len(texts)):
        if free[i]:
            others = i + 1 + np.flatnonzero(free[i + 1 :])
            alike = near_copies.are_copies(
                grey, colour, np.full(len(others), i), others
            )
            expected.append([i, *others[alike].tolist()])
            free[expected[-1]] = False
    assert near_copies.groups(texts) == [group for group in expected if len(group) > 1]
    assert max(map(len, expected)) == 31


def test_pictures_without_a_thumbnail_are_in_no_group() -> None:
    text = thumbnail(PHOTOGRAPHS[0])
    assert near_copies.groups([]) == near_copies.groups(["", ""]) == []
    assert near_copies.groups(["", text, "", text]) == [[1, 3]]


@pytest.mark.assets
def test_real_pictures_that_are_not_the_same_are_in_no_group(assets: Path) -> None:
    images = assets / "images"
    for folder in ("sign_digits", "cats_vs_dogs/test", "imagenet_sample"):
        files = sorted(path for path in (images / folder).rglob("*") if path.is_file())
        rows = [examine(path) for path in files]
        assert len(rows) >= 50 and not any(row.reason for row in rows)
        assert near_copies.groups([row.thumbnail for row in rows]) == [], folder


@pytest.mark.assets
def test_a_portrait_is_one_group_in_every_format_and_orientation(assets: Path) -> None:
    names = "hopper.png hopper.bmp hopper.tif hopper.jpg hopper.webp hopper.gif"
    more = "hopper_orientation_2.jpg hopper_orientation_6.jpg hopper_16bit.pgm"
    files = [
        assets / "images" / "odd" / name for name in [*names.split(), *more.split()]
    ]
    texts = [examine(file).thumbnail for file in files]
    assert near_copies.groups(texts) == [list(range(len(files)))]
