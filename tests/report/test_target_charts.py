"""Charts of labels and numbers show what they are given, and escape names."""

import numpy as np
import pytest

from tests.report.test_charts import EVIL, corners, parts, titles
from tfpipeline.report import target_charts
from tfpipeline.report.figures import svg


def test_points_lie_where_their_numbers_are_and_the_line_between_equal_ones() -> None:
    points = [(0.0, 0.5), (2.0, 2.0), (4.0, 3.0)]
    figure = target_charts.scatter(points, EVIL)
    (axes,) = figure.axes
    line, dots = axes.lines
    assert np.array_equal(line.get_xdata(), line.get_ydata())
    assert np.array_equal(np.transpose(dots.get_data()), points)
    assert axes.get_xlim() == axes.get_ylim()
    low, high = axes.get_xlim()
    assert low < 0 and high > 4
    assert axes.get_xlabel() == f"true {EVIL}"
    assert "<script>" not in svg(figure, EVIL)
    assert target_charts.scatter([(1.0, 1.0)], "age").axes


def test_bars_are_as_high_as_images_are_many() -> None:
    figure = target_charts.label_counts([0, 8, 4], [1, 6, 5], "2+")
    true, said = parts(figure, "true", "path"), parts(figure, "predicted", "path")
    assert titles(true) == [
        "0 images, 0 true",
        "8 images, 1 true",
        "4 images, 2+ true",
    ]
    assert titles(said)[0] == "1 image, 0 predicted"
    heights = [np.ptp(corners(bar)[1]) for bar in true + said]
    assert heights == pytest.approx(np.array([0, 8, 4, 1, 6, 5]) * heights[1] / 8, 0.02)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "1", "2+"]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        "true",
        "predicted",
    ]
    for left, right in zip(true, said):
        assert corners(left)[0].max() < corners(right)[0].min()


def test_a_histogram_has_a_bar_for_each_bin_and_a_line_at_0() -> None:
    figure = target_charts.errors([-2.0, 0.0, 1.0, 2.0], [3, 1, 0], EVIL)
    bars = parts(figure, "bar", "path")
    assert titles(bars)[:2] == ["3 images, off by -2 to 0", "1 image, off by 0 to 1"]
    wide = [np.ptp(corners(bar)[0]) for bar in bars]
    assert wide[0] == pytest.approx(2 * wide[1], rel=0.01)
    (axes,) = figure.axes
    assert list(axes.lines[0].get_xdata()) == [0, 0]
    assert EVIL in axes.get_xlabel() and axes.get_ylabel() == "images"
