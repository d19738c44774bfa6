"""Brightness is one monotone rule, whatever the type of the samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.core import brightness
from tfpipeline.core.brightness import FULL, WHOLE, Ranges, Samples
from tfpipeline.core.errors import UserError

NUMBERS = st.floats(-1e9, 1e9).map(lambda value: float(f"{value:.9g}"))


@given(
    st.lists(
        st.tuples(st.sampled_from(["", *FULL]), NUMBERS, NUMBERS).filter(
            lambda row: row[1] < row[2]
        ),
        unique_by=lambda row: row[0],
    )
)
def test_ranges_are_read_again_as_they_are_written(rows: list) -> None:
    ranges = Ranges(tuple(rows))
    assert brightness.parse(str(ranges)) == ranges


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        *(("0 4095", 0, 4095), ("0..4095", 0, 4095), (" -1 .. 1 ", -1, 1)),
        *(("-1024 3071", -1024, 3071), ("0 .5", 0, 0.5), ("1e-3..1e3", 0.001, 1000)),
    ],
)
def test_two_numbers_are_the_range_of_every_type(
    text: str, low: float, high: float
) -> None:
    ranges = brightness.parse(text)
    assert ranges is not None
    assert {ranges.of(kind) for kind in FULL} == {(low, high)}


def test_auto_is_no_range_and_full_is_all_that_a_type_holds() -> None:
    assert brightness.parse("auto") is None and brightness.parse("full") == WHOLE
    assert {kind: WHOLE.of(kind) for kind in FULL} == FULL


@pytest.mark.parametrize(
    "text", ["", "4095", "4095 0", "1 1", "0 inf", "a b", "uint7 0 1", "0 1 2", "nan 1"]
)
def test_what_is_no_range_is_refused_with_the_flag(text: str) -> None:
    with pytest.raises(UserError) as caught:
        brightness.parse(text)
    assert "--data.range" in str(caught.value) and repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        *(("uint16", 0, top, (0, 2**b - 1)) for b, top in ((8, 200), (10, 1000))),
        *(("uint16", 40, top, (0, 2**b - 1)) for b, top in ((12, 4095), (14, 16000))),
        *(("uint16", 0, 65000, (0, 65535)), ("uint32", 0, 4e9, (0, 2**32 - 1))),
        # What overshoots by two per cent is clipped.
        *(("int32", 0, 260, (0, 255)), ("float32", 0, 1.01, (0, 1))),
        *(("float32", -0.08, 1.1, (0, 1)), ("float32", 0, 4176, (0, 4095))),
        *(("float32", 0, 4000, (0, 4095)), ("float32", 0, 255, (0, 255))),
        *(("float32", -1, 1, (-1, 1)), ("float32", -0.9, 0.8, (-1, 1))),
        ("float32", -0.3, 0.3, (-1, 1)),
        *(("int16", -1024, 3071, (-1024, 3071)), ("int16", -1000, 2060, (-1024, 3071))),
        *(("int16", -2000, 2000, (-2048, 2047)), ("int16", -150, 3000, (-1024, 3071))),
        *(("int16", 0, 4095, (0, 4095)), ("int16", -30000, 9, (-32768, 32767))),
        # Few values of an eight-bit picture are dark there, too.
        *(("uint16", 0, 20, (0, 255)), ("uint16", 7, 7, (0, 255))),
        # No usual range fits: they themselves, from nought where they begin near it.
        ("uint16", 30000, 35000, (30000, 35000)),
        *(("float32", -2.1, 3.2, (-2.1, 3.2)), ("float32", 0.01, 30, (0, 30))),
        ("float32", 4e5, 1e7, (0, 1e7)),
    ],
)
def test_the_narrowest_usual_range_that_holds_the_samples_is_chosen(
    kind: str, low: float, high: float, expected: tuple[float, float]
) -> None:
    assert brightness.choose(kind, low, high) == pytest.approx(expected)


@given(
    st.sampled_from(sorted(FULL)),
    st.integers(-(2**31), 2**32 - 1),
    st.integers(0, 2**31),
)
def test_a_chosen_range_holds_what_it_was_chosen_for(
    kind: str, low: int, width: int
) -> None:
    least, most = FULL[kind] if kind != "float32" else (-1e9, 1e9)
    ends = sorted(min(max(value, least), most) for value in (low, low + width))
    black, white = brightness.choose(kind, *map(float, ends))
    assert black < white and brightness.fits(*ends, (black, white))


@given(st.data())
def test_a_brighter_sample_is_never_darker(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(FULL)))
    low, high = FULL[kind] if kind != "float32" else (-5000.0, 5000.0)
    draws = st.lists(st.integers(int(low), int(high)), min_size=2, max_size=40)
    values = np.sort(np.array([data.draw(draws)]).astype(kind))
    black = data.draw(st.integers(int(low), int(high) - 1))
    white = data.draw(st.integers(black + 1, int(high)))
    ranges = Ranges(((kind, black, white),))
    shown = brightness.shown(Samples(values), ranges)[0, :, 0]
    assert (np.diff(shown) >= 0).all() and shown.min() >= 0 and shown.max() <= 255
    inverted = brightness.shown(Samples(values, inverted=True), ranges)[0, :, 0]
    np.testing.assert_allclose(inverted, 255 - shown, atol=1e-4)


def test_black_and_white_are_just_the_ends_of_the_range() -> None:
    for kind in FULL:
        low, high = FULL[kind]
        values = np.array([[low, high]]).astype(kind)
        np.testing.assert_array_equal(
            brightness.shown(Samples(values), WHOLE)[0, :, 0], (0, 255)
        )


def test_what_is_no_number_is_black_and_infinity_white() -> None:
    values = np.array([[np.nan, -np.inf, np.inf]], np.float32)
    shown = brightness.shown(Samples(values), WHOLE)
    assert shown[0, :, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("multiplied", [False, True])
def test_what_is_transparent_lies_over_white(multiplied: bool) -> None:
    alpha = np.array([[[0.0], [0.5], [1.0]]], np.float32)
    colour = 0.4 * (alpha[..., 0] if multiplied else np.ones((1, 3)))
    values = np.repeat(colour[..., None].astype(np.float32), 3, -1)
    shown = brightness.shown(
        Samples(values, (0, 1), alpha=alpha, multiplied=multiplied), WHOLE
    )
    np.testing.assert_allclose(shown[0, :, 0], [255, 178.5, 102], atol=1e-3)


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_a_few_hot_and_dead_pixels_say_nothing_of_a_range(kind: str) -> None:
    values = np.random.default_rng(0).integers(100, 4096, (64, 64)).astype(kind)
    values[3, 4], values[9, 9] = 65535, 0
    low, high = brightness.extremes(values)
    assert 100 <= low < 200 and 4000 < high <= 4095


def test_extremes_are_of_numbers_alone() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 0.5, 0.25]], np.float32)
    assert brightness.extremes(values) == (0.25, 0.5)
    assert brightness.extremes(np.full((2, 2), np.nan, np.float32)) == (0, 0)
    assert brightness.extremes(np.array([[7]], np.uint16)) == (7, 7)


def test_the_peak_is_the_largest_number_of_all() -> None:
    values = np.array([[np.nan, np.inf, 0.5, 7]], np.float32)
    assert brightness.peak(values) == 7
    assert brightness.peak(np.array([[-3, -9]], np.int16)) == -3
    assert brightness.peak(np.full((2, 2), np.nan, np.float32)) == 0
