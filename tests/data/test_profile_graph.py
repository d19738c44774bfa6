"""Wide-gamut pictures are served as they are trained on, or refused in words."""

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import icc_profiles
from tests.core.test_colour_profile import CURVE
from tests.data.test_decode import read, smooth
from tests.data.test_decode_graph import asked, file, graph, nearly
from tfpipeline.core import colour_profile, image_io
from tfpipeline.data import profile_graph, scan
from tfpipeline.data.decode import Decoder

TABLE = icc_profiles.profile(
    "P3", icc_profiles.curv(*[round(65535 * (i / 40) ** 1.7) for i in range(41)])
)
PROFILES = {name: icc_profiles.profile(name) for name in ("P3", "Adobe", "ProPhoto")}
PROFILES["table"] = TABLE
# In several segments of a JPEG.
PROFILES["long"] = TABLE + bytes(150_000)


@tf.function(
    input_signature=[tf.TensorSpec((), tf.string)] + 2 * [tf.TensorSpec((), bool)]
)
def judged(profile, grey, inks):
    """Return what a server thinks of a profile."""
    return profile_graph.judge(profile, grey, inks)


@tf.function(
    input_signature=[
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((), tf.string),
    ]
)
def converted(image, profile):
    """Return pixels as a server converts them."""
    return profile_graph.convert(image, profile)


@pytest.mark.parametrize("how", image_io.RESIZES)
def test_every_way_of_reading_converts_alike(tmp_path: Path, how: str) -> None:
    drawn = [
        (kind, name, smooth(*size, seed))
        for seed, size in enumerate([(61, 90), (7, 3), (301, 433)])
        for kind in ("JPEG", "PNG")
        for name in PROFILES
    ]
    paths = [tmp_path / f"{i}.png" for i in range(len(drawn))]
    for path, (kind, name, picture) in zip(paths, drawn):
        path.write_bytes(file(kind, picture, icc_profile=PROFILES[name]))
    rows = scan.audit(paths, cache=None)
    assert all(row.converted for row in rows)
    trained = read(Decoder(rows, 32, 20, how), len(rows))
    contents = [path.read_bytes() for path in paths]
    served, valid, error = asked(contents, graph(32, 20, how))
    assert all(valid), error
    for content, seen, answered in zip(contents, trained, served):
        expected = image_io.read(content, 32, 20, how)
        assert nearly(seen, expected) and nearly(answered, expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1"])
def test_every_kind_of_png_is_converted_before_it_is_laid_over_white(mode: str) -> None:
    picture = Image.fromarray(smooth(50, 40, 3))
    if mode in ("RGBA", "LA"):
        picture = picture.convert("RGBA")
        picture.putalpha(Image.fromarray(smooth(50, 40, 4)[..., 0]))
    colours = [icc_profiles.profile("Adobe")]
    if mode in ("L", "LA"):
        colours.append(icc_profiles.grey(icc_profiles.curv(450)))
    for profile in colours:
        buffer = io.BytesIO()
        picture.convert(mode).save(buffer, "PNG", icc_profile=profile)
        content = buffer.getvalue()
        (image,), (valid,), (error,) = asked([content])
        assert valid, error
        assert nearly(image, image_io.read(content, 32, 32, "squash"))


def test_profiles_that_no_graph_applies_are_refused_in_words() -> None:
    picture = smooth(30, 20, 0)
    whole = icc_profiles.profile("P3")
    tables = icc_profiles.tables(b"RGB ")
    grey = icc_profiles.grey(icc_profiles.curv())
    bad = [b"x", bytes(500), whole[:300], tables, grey, bytes(70_000)]
    contents = [
        file(kind, picture, icc_profile=profile)
        for profile in bad
        for kind in ("JPEG", "PNG")
    ]
    for inks in (whole, icc_profiles.tables(b"CMYK")):
        contents.append(file("JPEG", picture, "CMYK", icc_profile=inks))
    pieces = file("JPEG", picture, icc_profile=PROFILES["long"])
    contents.append(pieces.replace(b"ICC_PROFILE\0\x02", b"ICC_PROFILE\0\x03", 1))
    good = file("JPEG", picture)
    _, valid, error = asked([*contents, good])
    assert valid == [False] * len(contents) + [True]
    assert all("profile" in reason and "PNG" in reason for reason in error[:-1])


def test_a_profile_that_unpacks_to_much_is_not_unpacked() -> None:
    content = file("PNG", smooth(30, 20, 0), icc_profile=bytes(90_000_000))
    _, valid, error = asked([content])
    assert valid == [False] and "profile" in error[0]


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["sRGB", "P3", "ProPhoto"]), CURVE, st.data())
def test_drawn_profiles_are_judged_and_applied_alike(name, curve, data) -> None:
    grey = data.draw(st.booleans())
    whole = icc_profiles.grey(curve) if grey else icc_profiles.profile(name, curve)
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
            st.integers(0, 255)
        )
    content = bytes(content[: data.draw(st.integers(0, 2 * len(content)))])
    used, reason = judged(content, grey, False)
    try:
        table = colour_profile.table_of(content)
    except ValueError:
        # Refused, or nothing.
        assert reason or not content
        return
    image = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
    if grey:
        image[..., 1:] = image[..., :1]
    if reason:
        assert not grey and content[16:20] == b"GRAY"
        return
    expected = colour_profile.convert(image, table)
    if colour_profile.is_srgb(colour_profile.convert(colour_profile.PROBES, table)):
        assert used == b""
    else:
        assert used == content
        off = np.abs(converted(image, used).numpy().astype(int) - expected)
        assert off.max() <= 1 and (off > 0).mean() < 0.01


def test_large_pictures_are_converted_in_parts_that_join() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1_201, 613, 3), np.uint8)
    table = colour_profile.table_of(TABLE)
    off = converted(noise, TABLE).numpy() != colour_profile.convert(noise, table)
    assert off.mean() < 1e-4


def test_what_is_srgb_is_served_bit_for_bit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    contents = [
        file("PNG", noise, icc_profile=icc_profiles.profile("sRGB")),
        file("PNG", noise),
    ]
    (image, same), valid, _ = asked(contents)
    assert valid == [True, True]
    assert np.array_equal(image, noise) and np.array_equal(same, noise)
