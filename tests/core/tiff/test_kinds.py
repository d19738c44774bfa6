"""TIFFs that Pillow has no mode for are read, or refused as what they are."""

import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from tests.tiffs import Page, tiff
from tfpipeline.core import image_formats, image_io
from tfpipeline.core.image_formats import ImageError
from tfpipeline.core.tiff import kinds

RAMP = np.linspace(0, 1, 40 * 60).reshape(40, 60)
# Of each type, what is black and what is white in it.
GREY = {"uint16": (0, 65535), "int16": (-32768, 32767), "uint32": (0, 2**32 - 1)}
GREY |= {"int32": (-(2**31), 2**31 - 1), "float32": (0, 1)}


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", GREY)
def test_the_smallest_sample_is_white_at_every_depth(
    kind: str, order: str, deflate: bool
) -> None:
    low, high = GREY[kind]
    values = (low + RAMP * (high - low)).astype(kind)
    data = tiff(Page(values, 0, order=order, deflate=deflate))
    shown = image_io.decode(data)[..., 1]
    assert np.abs(shown - 255 * (1 - RAMP)).max() <= 1


def test_a_page_further_back_is_read_alike() -> None:
    values = (RAMP * 65535).astype(np.uint16)
    small = Page(values[::4, ::4], 0, order=">", more=[(254, 4, [1])])
    samples = image_io.samples(tiff(small, Page(values, 0, order=">")))
    assert samples is not None and samples.inverted
    np.testing.assert_array_equal(samples.values, values)


def test_pillow_itself_is_left_as_it_was(tmp_path) -> None:
    data = tiff(Page((RAMP * 65535).astype(np.uint16), 0, order=">"))
    table = dict(TiffImagePlugin.OPEN_INFO)
    image_io.decode(data)
    assert table == TiffImagePlugin.OPEN_INFO
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (RAMP, "TIFF of 64-bit float samples, which"),
        (RAMP.astype(np.float16), "TIFF of 16-bit float samples, which"),
        (RAMP[..., None].repeat(3, -1).astype(np.float32), "32-bit float.*3 a pixel"),
        (
            RAMP[..., None].repeat(2, -1).astype(np.uint16),
            "unsigned samples, 2 a pixel",
        ),
    ],
)
def test_samples_that_are_not_read_are_named(values: np.ndarray, words: str) -> None:
    data = tiff(Page(values, 2 if values.shape[2:] == (3,) else 1))
    with pytest.raises(ImageError, match=f"{words}.* convert"):
        image_io.decode(data)
    assert not kinds.describe_codec(data)


@pytest.mark.parametrize(
    ("number", "name"),
    [(34712, "JPEG 2000"), (34887, "LERC"), (50001, "WebP"), (12345, "method 12345")],
)
def test_a_compression_that_is_not_read_is_named_and_not_called_damaged(
    number: int, name: str
) -> None:
    data = tiff(Page((RAMP * 255).astype(np.uint8)))
    other = data.replace(
        struct.pack("<HHIHH", 259, 3, 1, 1, 0),
        struct.pack("<HHIHH", 259, 3, 1, number, 0),
    )
    with pytest.raises(ImageError, match=f"TIFF that is compressed by {name}, which"):
        image_io.decode(other)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.98])
def test_what_is_cut_is_damaged_whatever_it_holds(share: float) -> None:
    data = tiff(Page(RAMP))
    with pytest.raises(ImageError, match="damaged tiff"):
        image_formats.open_image(data[: int(len(data) * share)])
