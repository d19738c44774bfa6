"""Charts are well-formed, tell what they show, and escape what they are told."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline.report import charts
from tfpipeline.report.figures import pixels, svg

EVIL = '<script>&"$x$'


def parts(figure: object, name: str, tag: str) -> list[ElementTree.Element]:
    """Return the elements of a chart of a tag, in groups of a class."""
    groups = [
        e
        for e in ElementTree.fromstring(svg(figure, "")).iter()
        if e.get("class") == name
    ]
    return [e for group in groups for e in group.iter() if e.tag.endswith(f"}}{tag}")]


def titles(elements: list[ElementTree.Element]) -> list[str]:
    return [e.findtext("title", "") or e.findtext("{*}title", "") for e in elements]


def corners(path: ElementTree.Element) -> tuple[np.ndarray, np.ndarray]:
    """Return the places across and downwards of a path."""
    numbers = re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path.get("d", ""))
    x, y = np.array(numbers, float).T
    return x, y


@settings(max_examples=8, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_inside_and_more_is_further_right_and_higher_up(
    low: float, span: float
) -> None:
    x = [low, low + span / 2, low + span]
    figure = charts.lines([("a", x, [1, 2, 3])], "x", "y")
    places, heights = corners(parts(figure, "line", "path")[0])
    assert (np.diff(places) > 0).all() and (np.diff(heights) < 0).all()
    ticks = [float(e.get("x", 0)) for e in parts(figure, "xtick", "text")]
    left, right = corners(parts(figure, "patch", "path")[1])[0][[0, 1]]
    assert 2 <= len(ticks) <= 12 and ticks == sorted(ticks)
    assert left - 1 <= ticks[0] and ticks[-1] <= right + 1


def test_a_line_breaks_where_there_is_no_number() -> None:
    line = (EVIL, [1, 2, 3, 4, 5, 6], [0.1, 0.2, None, 0.4, 0.5, math.nan])
    figure = charts.lines([line], "epoch", "loss")
    path = parts(figure, "line", "path")[0].get("d", "")
    assert path.count("M") == 2 and path.count("L") == 2
    points = titles(parts(figure, "line", "use"))
    assert points == [
        f"{EVIL}, {x}: {y}" for x, y in zip((1, 2, 4, 5), (0.1, 0.2, 0.4, 0.5))
    ]


def test_lines_differ_in_more_than_colour() -> None:
    many = [(f"n{i}", [1, 2], [i, i + 1]) for i in range(8)]
    (axes,) = charts.lines(many, "", "").axes
    assert len({line.get_marker() for line in axes.lines}) == 8
    dashes = [
        re.findall("dasharray: ([^;]*)", str(p.attrib))
        for p in parts(charts.lines(many, "", ""), "line", "path")
    ]
    assert len({str(d) for d in dashes}) >= 7
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        f"n{i}" for i in range(8)
    ]


@pytest.mark.parametrize("y_range", [None, (0.5, 1.0)])
def test_a_mark_has_its_words(y_range: tuple[float, float] | None) -> None:
    line = ("a", [0.0, 0.5, 1.0], [1, 1, 1])
    details = {"marks": [(0.9, "here")], "shaded_from": 0.5, "y_range": y_range}
    (axes,) = charts.lines([line], "", "", **details).axes
    assert [text.get_text() for text in axes.texts] == ["here"]
    assert len(axes.patches) == 1


def test_one_epoch_is_a_chart_too() -> None:
    assert parts(charts.lines([("a", [1.0], [0.3])], "epoch", "loss"), "line", "use")


def row(stage: str, loss: float, val_loss: float | None) -> dict[str, object]:
    found = {"stage": stage, "loss": loss, "accuracy": 0.5}
    return found | {"val_loss": val_loss, "val_accuracy": None}


def test_curves_have_the_numbers_of_the_history() -> None:
    history = [row("head", 2.0, 3.0), row("head", 1.0, None), row("fine_tune", 0.5, 1)]
    loss, accuracy = charts.curves(history, 2).axes
    training, validation = loss.lines[:2]
    assert list(training.get_ydata()) == [2.0, 1.0, 0.5]
    assert np.array_equal(validation.get_ydata(), [3.0, np.nan, 1], equal_nan=True)
    labels = [line.get_label() for line in accuracy.lines]
    assert "training" in labels and "validation" not in labels
    for axes in (loss, accuracy):
        assert [t.get_text() for t in axes.texts] == ["kept: 2", "fine-tuning"]
        assert len(axes.patches) == 1


def test_bars_reach_as_high_as_answers_are_right() -> None:
    rows = [
        {"from": 0.5, "to": 0.6, "n": 9, "confidence": 0.55, "accuracy": 0.5},
        {"from": 0.9, "to": 1.0, "n": 1, "confidence": 0.95, "accuracy": 1.0},
    ]
    bars = parts(charts.reliability(rows), "bar", "path")
    (x0, y0), (x1, y1) = map(corners, bars)
    assert np.ptp(y1) == pytest.approx(2 * np.ptp(y0), rel=0.01)
    assert np.ptp(x0) > np.ptp(x1)
    assert "9 images, confidence 0.550, accuracy 0.500" in titles(bars)


@pytest.mark.parametrize("classes", [2, 12, 30])
def test_a_matrix_shows_every_count(classes: int) -> None:
    counts = np.random.default_rng(0).integers(0, 3, (classes, classes + 1))
    counts[0] = [1, *[0] * classes]
    names = [f"{EVIL}{i}" for i in range(classes)]
    figure = charts.confusion(names, counts.tolist())
    right, wrong = parts(figure, "right", "path"), parts(figure, "wrong", "path")
    assert len(right) == (np.diag(counts) > 0).sum()
    assert len(right) + len(wrong) == (counts > 0).sum()
    assert titles(right)[0] == f"{EVIL}0 predicted as {EVIL}0: 1 of 1"
    assert all(title.startswith(EVIL) for title in titles(right) + titles(wrong))
    (axes,) = figure.axes
    written = sorted(int(text.get_text()) for text in axes.texts)
    assert written == sorted(counts[counts > 0].tolist())
    assert axes.get_xlabel() == "predicted class" and axes.get_ylabel() == "true class"


def test_a_confusion_matrix_is_fuller_where_more_of_a_row_lies() -> None:
    counts = np.array([[8, 0, 0], [0, 2, 2], [0, 0, 0]])
    figure = charts.confusion(["cat", "dog", "none of these at all"], counts.tolist())
    right, wrong = figure.axes[0].collections
    assert right.get_facecolors()[:, 3] == pytest.approx([0.5, 0.31])
    assert wrong.get_facecolors()[:, 3] == pytest.approx([0.31])
    # A name stands beside its row and above its column, and nothing is cut off.
    drawn = pixels(figure)
    assert (drawn[:, :60] < 128).any() and (drawn[:60] < 128).any()
    edges = (drawn[:2], drawn[-2:], drawn[:, :2], drawn[:, -2:])
    assert all((edge == 255).all() for edge in edges)


def test_of_a_long_name_the_beginning_is_shown() -> None:
    counts = np.eye(2, dtype=int).tolist()
    short = pixels(charts.confusion(["a", "b" * 24], counts))
    long = pixels(charts.confusion(["a", "b" * 500], counts))
    assert long.shape[0] < short.shape[0] * 1.2


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_gallery_has_a_caption_each(count: int) -> None:
    pictures = [np.zeros((6, 12, 3), np.uint8)] * count
    figure = charts.gallery(pictures, [f"n {i}" for i in range(count)])
    shown = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in shown if title] == [f"n {i}" for i in range(count)]


def test_a_long_name_is_cut() -> None:
    assert charts.cut("abcdef", 4) == "abc…" and charts.cut("abcd", 4) == "abcd"
