"""The scatter chart shows every point, and the line of right predictions."""

import numpy as np

from tfpipeline.report import target_charts
from tfpipeline.report.figures import svg


def test_points_and_line_share_their_axes() -> None:
    points = np.random.default_rng(0).normal(40, 9, (50, 2)).tolist()
    drawn = target_charts.scatter(points, "age, years")
    (axes,) = drawn.axes
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_xlabel() == "true age, years"
    line, dots = axes.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    np.testing.assert_allclose(np.stack(dots.get_data(), 1), points)
    assert "<svg" in svg(drawn, "predicted against true age")


def test_a_single_point_has_room_around_it() -> None:
    (axes,) = target_charts.scatter([[3.0, 3.0]], "n").axes
    low, high = axes.get_xlim()
    assert low < 3 < high
