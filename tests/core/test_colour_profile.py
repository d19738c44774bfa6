"""Wide-gamut pictures become sRGB as LittleCMS has it; what is sRGB stays as it is."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, features

from tests import icc_profiles
from tfpipeline.core import colour_profile, image_io

NOISE = np.random.default_rng(0).integers(0, 256, (31, 57, 3), np.uint8)
LOSSLESS = ["PNG", "TIFF", "WEBP"]


def encoded(image: Image.Image, form: str, profile: bytes | None) -> bytes:
    out = io.BytesIO()
    more = {"lossless": True} if form == "WEBP" else {}
    image.save(out, form, icc_profile=profile, **more)
    return out.getvalue()


def by_littlecms(image: np.ndarray, profile: bytes) -> np.ndarray:
    """Return pixels in sRGB, int."""
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        *("RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC),
    )
    converted = ImageCms.applyTransform(Image.fromarray(image), transform)
    return np.asarray(converted).astype(int)


# So small that no curve goes above 1: the standard clips it, LittleCMS does not.
NUMBER = st.floats(0.01, 0.1)
CURVE = st.one_of(
    st.builds(lambda g: icc_profiles.curv(round(g * 256)), st.floats(1, 3)),
    st.just(icc_profiles.curv()),
    st.builds(icc_profiles.para, st.just(0), st.floats(1, 3)),
    st.builds(icc_profiles.para, st.just(1), st.floats(1, 3), st.just(0.9), NUMBER),
    st.builds(
        icc_profiles.para, st.just(2), st.floats(1, 3), st.just(0.8), NUMBER, NUMBER
    ),
    st.builds(
        icc_profiles.para,
        *(st.just(3), st.floats(1, 3), st.just(0.9), NUMBER, NUMBER, NUMBER),
    ),
    st.builds(
        icc_profiles.para,
        *(st.just(4), st.floats(1, 3), st.just(0.7), NUMBER, NUMBER, NUMBER),
        *(NUMBER, NUMBER),
    ),
    st.builds(
        lambda g, n: icc_profiles.curv(
            *[round(65535 * (i / n) ** g) for i in range(n + 1)]
        ),
        *(st.floats(1, 3), st.integers(1, 300)),
    ),
)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(list(icc_profiles.PRIMARIES)), CURVE)
def test_matrices_and_curves_of_every_type_are_as_littlecms_has_them(
    name: str, curve: bytes
) -> None:
    profile = icc_profiles.profile(name, curve)
    for image in (NOISE, colour_profile.PROBES):
        converted = colour_profile.convert(image, colour_profile.table_of(profile))
        off = np.abs(converted - by_littlecms(image, profile))
        assert off.max() <= 1 and (off > 0).mean() < 0.2


@pytest.mark.parametrize("form", [*LOSSLESS, "AVIF"])
@pytest.mark.parametrize("name", ["P3", "Adobe", "ProPhoto"])
def test_files_of_every_format_go_through_their_profile(name: str, form: str) -> None:
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    smooth = image_io.resize(NOISE[:5, :6], 40, 50, "squash")
    data = encoded(Image.fromarray(smooth), form, icc_profiles.profile(name))
    plain = encoded(Image.fromarray(smooth), form, None)
    expected = by_littlecms(image_io.decode(plain), icc_profiles.profile(name))
    assert np.abs(image_io.decode(data) - expected).max() <= 1
    assert np.abs(expected - image_io.decode(plain)).max() > 20


def _variants() -> dict[str, bytes]:
    """Return profiles of sRGB as different programs write them."""
    table = np.arange(1024) / 1023
    light = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    curve = icc_profiles.curv(*np.round(65535 * light).astype(int).tolist())
    return {
        "LittleCMS": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "parametric": icc_profiles.profile("sRGB"),
        "table of 1024": icc_profiles.profile("sRGB", curve),
        "other digits": icc_profiles.profile(
            "sRGB", icc_profiles.para(3, 2.39999, 0.94786, 0.05214, 0.07739, 0.04045)
        ),
    }


@pytest.mark.parametrize("variant", _variants())
@pytest.mark.parametrize("form", LOSSLESS)
def test_what_is_srgb_stays_bit_for_bit(variant: str, form: str) -> None:
    data = encoded(Image.fromarray(NOISE), form, _variants()[variant])
    assert np.array_equal(image_io.decode(data), NOISE)
    assert colour_profile.judge(Image.open(io.BytesIO(data))) == (False, "")


@pytest.mark.assets
def test_real_profiles_of_srgb_change_nothing(assets) -> None:
    for name in ("dog.jpg", "odd/truncated_app14.jpg"):
        with Image.open(assets / "images" / name) as picture:
            assert picture.info["icc_profile"]
            assert colour_profile.judge(picture) == (False, "")


def test_srgb_values_of_a_wide_gamut_are_what_its_primaries_say() -> None:
    """White stays, and what sRGB cannot show is its nearest border."""
    corners = np.array(
        [[[255, 255, 255], [0, 0, 0], [0, 255, 0], [255, 0, 0]]], np.uint8
    )
    for name in ("P3", "Adobe", "ProPhoto"):
        data = encoded(Image.fromarray(corners), "PNG", icc_profiles.profile(name))
        white, black, green, red = image_io.decode(data)[0].tolist()
        assert white == [255] * 3 and black == [0] * 3
        assert green[:2] == [0, 255] and red[0] == 255 and red[1] == 0


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_goes_through_a_curve_of_grey(mode: str) -> None:
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(2, axis=0)
    picture = Image.fromarray(ramp).convert(mode)
    data = encoded(picture, "PNG", icc_profiles.grey(icc_profiles.curv()))
    light = ramp / 255
    expected = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )
    off = np.abs(image_io.decode(data) - 255 * expected[..., None])
    assert off.max() <= 0.6
    # Under a profile of colours it is taken for equal colours.
    data = encoded(picture, "PNG", icc_profiles.profile("P3", icc_profiles.curv()))
    assert np.abs(image_io.decode(data) - 255 * expected[..., None]).max() <= 0.6


def test_tables_of_colours_and_of_inks_are_applied_by_littlecms() -> None:
    inks = np.zeros((4, 4, 4), np.uint8)
    inks[1], inks[2], inks[3] = (0, 0, 0, 255), (255, 0, 0, 0), (0, 0, 0, 128)
    pixels = Image.frombytes("CMYK", (4, 4), inks.tobytes())
    plain = image_io.decode(encoded(pixels, "TIFF", None))
    assert np.ptp(plain[2, 0]) == 255
    for form in ("TIFF", "JPEG"):
        data = encoded(pixels, form, icc_profiles.tables(b"CMYK"))
        image = image_io.decode(data).astype(int)
        assert (image[0] >= 250).all() and (image[1:3] <= 5).all()
        # Half of the lightness of Lab, without a colour.
        assert (np.abs(image[3] - 119) <= 4).all()
    for mode in ("RGB", "RGBA", "L"):
        picture = Image.fromarray(NOISE).convert(mode)
        data = encoded(picture, "PNG", icc_profiles.tables(b"RGB "))
        image, bare = image_io.decode(data), image_io.decode(
            encoded(picture, "PNG", None)
        )
        assert np.ptp(image.astype(int), axis=-1).max() <= 2
        order = np.argsort(bare.mean(-1).ravel())
        assert (np.diff(image.mean(-1).ravel()[order]) >= -2).all()


def test_what_lies_under_an_alpha_channel_is_converted_before_it_is_laid_over_white():
    clear = Image.fromarray(NOISE).convert("RGBA")
    alpha = Image.fromarray(NOISE[..., 0])
    clear.putalpha(alpha)
    profile = icc_profiles.profile("P3")
    converted = Image.fromarray(by_littlecms(NOISE, profile).astype(np.uint8))
    converted.putalpha(alpha)
    expected = image_io.decode(encoded(converted, "PNG", None)).astype(int)
    off = np.abs(image_io.decode(encoded(clear, "PNG", profile)) - expected)
    assert off.max() <= 1


def test_a_profile_that_does_not_fit_or_is_damaged_is_named_and_not_used() -> None:
    whole = icc_profiles.profile("P3")
    no_curve = icc_profiles.built({b"rXYZ": b"XYZ " + bytes(16)})
    for profile in (b"x", bytes(500), whole[:200], no_curve):
        data = encoded(Image.fromarray(NOISE), "PNG", profile)
        assert np.array_equal(image_io.decode(data), NOISE)
        applies, problem = colour_profile.judge(Image.open(io.BytesIO(data)))
        assert not applies and "damaged" in problem
    grey = icc_profiles.grey(icc_profiles.curv())
    data = encoded(Image.fromarray(NOISE), "PNG", grey)
    assert np.array_equal(image_io.decode(data), NOISE)
    _, problem = colour_profile.judge(Image.open(io.BytesIO(data)))
    assert "GRAY" in problem and "RGB" in problem
    inks = Image.fromarray(NOISE).convert("CMYK")
    assert np.array_equal(
        image_io.decode(encoded(inks, "TIFF", whole)),
        image_io.decode(encoded(inks, "TIFF", None)),
    )


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_no_profile_makes_a_picture_unreadable(data: st.DataObject) -> None:
    content = bytearray(icc_profiles.profile("P3"))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
            st.integers(0, 255)
        )
    for mode in ("RGB", "L"):
        picture = Image.fromarray(NOISE).convert(mode)
        image = image_io.decode(encoded(picture, "PNG", bytes(content)))
        assert image.shape == NOISE.shape


def test_large_pictures_are_converted_in_parts_that_join() -> None:
    table = colour_profile.table_of(icc_profiles.profile("P3"))
    large = np.tile(NOISE, (40, 12, 1))
    assert large.shape[0] * large.shape[1] > 2 * colour_profile.TOGETHER
    parts = colour_profile.convert(large, table)
    assert np.array_equal(
        parts, np.tile(colour_profile.convert(NOISE, table), (40, 12, 1))
    )


def test_a_whole_profile_of_another_space_is_not_called_damaged() -> None:
    data = encoded(Image.fromarray(NOISE), "PNG", icc_profiles.built({}, b"Lab "))
    with Image.open(io.BytesIO(data)) as picture:
        converts, problem = colour_profile.judge(picture)
    assert not converts and "Lab" in problem and "damaged" not in problem
