"""What a client sends as PNG is read by a served model as the run reads the file."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.test_decode_graph import asked, graph
from tests.tiffs import Page, tiff
from tfpipeline.core import image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.image_formats import ImageError
from tfpipeline.predict import sent_images

RANGES = Ranges((("float32", -1, 1), ("int16", -1024, 3071), ("uint16", 0, 4095)))
DRAWN = np.random.default_rng(0).random((48, 70, 4))
TWELVE = (DRAWN * 4095).astype(np.uint16)
FILES = {
    "grey": tiff(Page(TWELVE[..., 0])),
    "packed": tiff(Page(TWELVE[..., 0], packed=True)),
    "white": tiff(Page(TWELVE[..., 0], 0)),
    "colours": tiff(Page(TWELVE[..., :3], 2, planar=True)),
    "alpha": tiff(Page(TWELVE * 16, 2, more=[(338, 3, [2])])),
    "ct": tiff(Page((DRAWN[..., 0] * 4095 - 1024).astype(np.int16))),
    "float": tiff(Page((DRAWN[..., 0] * 2 - 1).astype(np.float32))),
    "int8": tiff(Page((DRAWN[..., 0] * 255 - 128).astype(np.int8))),
    "shallow": tiff(Page((DRAWN[..., :3] * 255).astype(np.uint8), 2)),
}


def test_other_formats_are_read_by_a_served_model_as_by_the_run() -> None:
    contents = [sent_images.as_png(data, RANGES) for data in FILES.values()]
    shown, valid, error = asked(contents, graph(ranges=RANGES))
    assert all(valid), error
    for name, data, image in zip(FILES, FILES.values(), shown):
        expected = image_io.read(data, 32, 32, "squash", RANGES)
        off = np.abs(image.astype(int) - expected)
        assert off.max() <= 1 and (off > 0).mean() < 0.05, name


def test_a_narrow_range_is_sent_in_8_bits() -> None:
    narrow = Ranges((("", 0, 1),))
    data = tiff(Page(DRAWN[..., 0].astype(np.float32)))
    sent = image_io.decode(sent_images.as_png(data, narrow))
    np.testing.assert_array_equal(sent, image_io.decode(data, ranges=narrow))


@pytest.mark.parametrize("name", FILES)
def test_to_a_server_of_unknown_range_goes_what_needs_none(
    name: str, tmp_path: Path
) -> None:
    data = FILES[name]
    if name in ("white", "alpha", "ct", "float"):
        with pytest.raises(ImageError, match="server"):
            sent_images.as_png(data, None)
        return
    sent = sent_images.as_png(data, None)
    # By whatever range: of 16 bits they are the samples themselves.
    for ranges in (RANGES, Ranges()):
        one, two = (image_io.decode(d, ranges=ranges) for d in (data, sent))
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("colours", [1, 3])
def test_a_png_of_16_bits_that_is_written_is_read_again(colours: int) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 31, 3), np.uint16)
    values = values[..., 0] if colours == 1 else values
    data = sent_images.to_deep_png(values)
    samples = image_io.samples(data)
    assert samples is not None
    np.testing.assert_array_equal(samples.values, values)
    with Image.open(io.BytesIO(data)) as picture:
        picture.verify()
