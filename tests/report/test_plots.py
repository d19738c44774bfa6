"""Charts are well-formed, tell what they show, and escape what they are told."""

from xml.etree import ElementTree

import numpy as np
import pytest

from tfpipeline.report import plots
from tfpipeline.report.plots import Line, Marks

EVIL = '<script>&"'


def parts(chart: str, name: str) -> list[ElementTree.Element]:
    """Return the elements of a chart that have a class."""
    return [e for e in ElementTree.fromstring(chart).iter() if name in classes(e)]


def classes(element: ElementTree.Element) -> list[str]:
    return element.get("class", "").split()


def test_a_line_breaks_where_there_is_no_number() -> None:
    line = Line(EVIL, [1, 2, 3, 4, 5], [0.1, 0.2, None, 0.4, 0.5])
    chart = plots.lines([line], ("epoch", "loss"), EVIL)
    lines = [e for e in parts(chart, "l0") if e.tag == "polyline"]
    assert [len(e.get("points", "").split()) for e in lines] == [2, 2]
    assert ElementTree.fromstring(chart).get("aria-label") == EVIL


def test_lines_differ_in_more_than_colour() -> None:
    many = [Line(f"n{i}", [1, 2], [i, i + 1]) for i in range(3)]
    points = [e for e in parts(plots.lines(many, ("", ""), ""), "point")]
    forms = {e.get("d", "").lstrip("M0123456789.,")[:2] for e in points}
    assert len(forms) == 3


@pytest.mark.parametrize("low", [True, False])
def test_a_mark_has_its_words(low: bool) -> None:
    line = Line("a", [0.0, 0.5, 1.0], [1, 1, 1])
    chart = plots.lines([line], ("", ""), "", marks=Marks([(0.9, "here")], 0.5, low))
    assert [e.text for e in parts(chart, "note")] == ["here"]
    assert len(parts(chart, "shade")) == 1


def test_one_epoch_is_a_chart_too() -> None:
    chart = plots.lines([Line("a", [1.0], [0.3])], ("epoch", "loss"), "one")
    assert parts(chart, "point")


def test_bars_reach_as_high_as_answers_are_right() -> None:
    rows = [
        {"from": 0.5, "to": 0.6, "n": 9, "confidence": 0.55, "accuracy": 0.5},
        {"from": 0.9, "to": 1.0, "n": 1, "confidence": 0.95, "accuracy": 1.0},
    ]
    bars = parts(plots.reliability(rows, "r"), "bar")
    heights = [float(bar.get("height", 0)) for bar in bars]
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.01)
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert widths[0] > widths[1]


@pytest.mark.parametrize("classes_", [2, 12, 30])
def test_a_matrix_shows_every_count(classes_: int) -> None:
    counts = np.random.default_rng(0).integers(0, 3, (classes_, classes_ + 1))
    names = [f"{EVIL}{i}" for i in range(classes_)]
    chart = plots.confusion(names, counts.tolist(), "m")
    right, wrong = parts(chart, "right"), parts(chart, "wrong")
    assert len(right) == (np.diag(counts) > 0).sum()
    assert len(right) + len(wrong) == (counts > 0).sum()
    told = {e.findtext("title") for e in right}
    assert all(words.startswith(EVIL) for words in told if words)


def test_whiskers_span_their_intervals() -> None:
    rows = [("a", 0.9, 0.8, 0.95), ("b", 0.5, 0.4, 0.6)]
    first, second = parts(plots.whiskers(rows, "w"), "whisker")
    assert float(first.get("x1", 0)) > float(second.get("x2", 0))


def test_a_long_name_is_cut() -> None:
    assert plots.cut("abcdef", 4) == "abc…" and plots.cut("abcd", 4) == "abcd"
