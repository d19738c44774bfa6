"""Pictures come as names, arrays, Pillow's, or a sample; all become files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tiffs import Page, tiff
from tfpipeline.api import image_inputs
from tfpipeline.api.image_inputs import Sample
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.predict import sent_images

GREEN = np.full((5, 4, 3), (0, 255, 0), np.uint8)


@pytest.mark.parametrize(
    "given",
    [
        GREEN,
        GREEN[None],
        GREEN.astype(np.float32) / 255,
        GREEN.astype(np.float64) / 255,
        [GREEN],
        Image.fromarray(GREEN),
        [Image.fromarray(GREEN).convert("RGBA")],
    ],
    ids=["one", "batch", "float32", "float64", "list", "pillow", "alpha"],
)
def test_pixels_become_files_that_hold_them(given: Any, tmp_path: Path) -> None:
    assert not image_inputs.are_files(given)
    (word,) = image_inputs.write(given, tmp_path)
    assert np.array_equal(image_io.decode(Path(word)), GREEN)


@pytest.mark.parametrize("given", ["a.png", Path("a.png"), ["a.png"], (Path("a.png"),)])
def test_names_stay_names(given: Any, tmp_path: Path) -> None:
    assert image_inputs.are_files(given)
    assert image_inputs.write(given, tmp_path) == ["a.png"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [bool, np.int64, np.float16, np.float64])
def test_numbers_of_any_type_from_0_to_1_are_pixels(kind: type, tmp_path: Path) -> None:
    (word,) = image_inputs.write((GREEN // 255).astype(kind), tmp_path)
    assert np.array_equal(image_io.decode(Path(word)), GREEN)


def test_what_interpolation_overshoots_is_clipped(tmp_path: Path) -> None:
    overshot = np.where(GREEN, 1 + image_io.OVERSHOOT, -image_io.OVERSHOOT)
    (word,) = image_inputs.write(overshot.astype(np.float32), tmp_path)
    assert np.array_equal(image_io.decode(Path(word)), GREEN)


def _turned() -> Image.Image:
    """Return a picture that says it is to be turned by a quarter."""
    picture = Image.fromarray(GREEN)
    picture.getexif()[0x0112] = 6
    return picture


NOISE = np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8)


@pytest.mark.parametrize(
    ("picture", "suffix"),
    [
        (Image.fromarray(NOISE), "png"),
        (Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257), "png"),
        (Image.fromarray(NOISE[..., 0].astype(np.float32) / 255), "tiff"),
        (Image.fromarray(NOISE[..., 0].astype(np.int32) * 257), "tiff"),
        (Image.fromarray(NOISE[..., :3]).quantize(8), "png"),
        (_turned(), "png"),
    ],
    ids=["transparent", "16 bit", "float", "32 bit", "palette", "turned"],
)
def test_a_picture_of_pillow_is_what_its_file_is(
    picture: Image.Image, suffix: str, tmp_path: Path
) -> None:
    file = tmp_path / f"given.{suffix}"
    picture.save(file, exif=picture.getexif())
    (word,) = image_inputs.write(picture, tmp_path / "written")
    assert np.array_equal(image_io.decode(Path(word)), image_io.decode(file))


def test_a_picture_of_pillow_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "cut.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:3000])
    with Image.open(file) as cut, pytest.raises(UserError, match="at number 0"):
        image_inputs.write(cut, tmp_path / "written")


def test_names_and_pixels_may_be_mixed(tmp_path: Path) -> None:
    words = image_inputs.write(["a.png", GREEN], tmp_path)
    assert words == ["a.png", str(tmp_path / "0001.png")]


def test_a_sample_is_written_below_its_classes(tmp_path: Path) -> None:
    two = np.stack([GREEN, GREEN]).astype(np.float32) / 255
    given = Sample(two, ("frog", "a/b"), ("x", "y"))
    words = image_inputs.write(given, tmp_path)
    # What is no name of a folder is left out.
    assert words == [str(tmp_path / "frog/0000.png"), str(tmp_path / "0001.png")]
    assert len(given[1:]) == 1 and given[1:].labels == ("a/b",)
    assert (given._repr_png_() or b"").startswith(b"\x89PNG")
    assert given[:0]._repr_png_() is None


@pytest.mark.parametrize("label", ["..", ".", "../x", "/x", ""])
def test_no_class_leads_out_of_the_folder(label: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    given = Sample(GREEN[None].astype(np.float32) / 255, (label,), ("x",))
    assert image_inputs.write(given, folder) == [str(folder / "0000.png")]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.full((2, 2, 3), 200.0), "from 200 to 200. Divide"),
        (np.full((2, 2, 3), np.nan), "NaN or infinite"),
        (np.full((2, 2, 3), np.inf), "NaN or infinite"),
        (np.full((2, 2, 3), 1 + image_io.OVERSHOOT + 0.01), "from 1.26 to 1.26"),
        (GREEN.astype(np.int64), "int64 from 0 to 255. Divide"),
        (GREEN.astype(np.uint16) * 257, "uint16 from 0 to 65535"),
        (GREEN.astype(np.complex64), "complex64"),
        (np.full((2, 2, 3), None), "object"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (np.zeros((2, 3, 5, 4), np.uint8), r"at number 0: .* shape \(3, 5, 4\)"),
        (np.zeros((3, 5, 4), np.uint8), r"shape \(3, 5, 4\)"),
        (np.full((2, 2, 3), -0.5), "from -0.5"),
        (np.zeros((2, 2), np.uint8), r"ndarray of shape \(2, 2\)"),
        ([GREEN, np.zeros((2, 2, 1))], "at number 1"),
        (3, "int"),
    ],
)
def test_what_is_no_picture_is_told(given: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        image_inputs.write(given, tmp_path)


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_colours_of_which_pillow_drops_bits_are_refused(
    kind: str, loaded: bool, tmp_path: Path
) -> None:
    file = tmp_path / f"deep.{kind}"
    deep = NOISE[..., :3].astype(np.uint16) * 200
    file.write_bytes(
        sent_images.to_deep_png(deep)
        if kind == "png"
        else tiff(Page(deep, photometric=2))
    )
    with Image.open(file) as picture:
        if loaded:
            picture.load()
        with pytest.raises(UserError, match="16 bits") as caught:
            image_inputs.write([GREEN, picture], tmp_path / "written")
        # What was done with the 8 bits of a picture is the user's.
        assert image_inputs.write(picture.rotate(90), tmp_path / "written")
    assert "at number 1" in str(caught.value) and "name" in str(caught.value)


@pytest.mark.parametrize("form", ["PPM", "PNG"])
def test_16_bits_in_a_file_stay_16_bits(form: str, tmp_path: Path) -> None:
    grey, file = NOISE[..., 0].astype(np.uint16) * 200, tmp_path / "deep"
    Image.fromarray(grey).save(file, form)
    with Image.open(file) as picture:
        (word,) = image_inputs.write(picture, tmp_path / "written")
    samples = image_io.samples(Path(word).read_bytes())
    assert samples is not None and samples.kind == "uint16"
    assert np.array_equal(samples.values, grey)
