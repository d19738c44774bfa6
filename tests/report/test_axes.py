"""The plane of a chart: round numbers, at their places."""

from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.report.axes import Plane, ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low: float, span: float) -> None:
    high = low + span
    found = ticks(low, high)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert all(low - slack <= tick <= high + slack for tick in found)
    assert len(found) <= 7 and found == sorted(found)


def test_numbers_that_people_would_choose() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(3, 97) == [20, 40, 60, 80]
    assert ticks(2, 2) == [2]


def test_more_is_further_right_and_higher_up() -> None:
    plane = Plane((0, 10), (0, 1))
    assert plane.across(0) < plane.across(5) < plane.across(10) < plane.width
    assert plane.height > plane.up(0) > plane.up(0.5) > plane.up(1) > 0
    # Where all numbers are the same, they are in the middle.
    assert Plane((3, 3), (0, 1)).across(3) == Plane((0, 6), (0, 1)).across(3)
