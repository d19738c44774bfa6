"""Figures: in the colours of their page as SVG, shown by notebooks without pyplot."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tfpipeline.report import charts, figures, html

EVIL = '<script>&"$x$'


def test_every_colour_is_a_variable_of_the_style_sheet_in_light_and_dark() -> None:
    style = (html.TEMPLATES / "page.css").read_text()
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+);", part))
        for part in (
            style.partition("@media")[0],
            style.partition("@media")[2].partition("}")[0],
        )
    )
    inks = vars(figures.INKS)
    assert {name: light[name] for name in inks} == inks
    assert inks.keys() == inks.keys() & dark.keys()


def test_a_chart_has_no_colour_and_no_letters_of_its_own() -> None:
    many = [(f"n{i}", [1, 2], [i, i + 1]) for i in range(8)]
    chart = figures.svg(charts.lines(many, "epoch", EVIL), EVIL)
    assert not re.search(r"#[0-9a-f]{6}\b(?!\))", chart)
    assert "var(--blue)" in chart and "DejaVu" not in chart
    root = ElementTree.fromstring(chart)
    assert root.get("aria-label") == EVIL and root.get("role") == "img"
    # Nothing of it holds for the rest of the page.
    assert not [e for e in root.iter() if e.tag.endswith(("}style", "}metadata"))]
    # What a part names is there.
    names = {e.get("id") for e in root.iter()} - {None}
    assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", chart)) <= names
    assert EVIL in [e.text for e in root.iter() if e.tag.endswith("}text")]


def test_names_in_charts_that_share_a_page_are_of_equal_content() -> None:
    parts: dict[str, set[bytes]] = {}
    for many in ([("a", [1, 2], [1, 2])], [("a", [1, 2], [5, 2]), ("b", [1], [1])]):
        root = ElementTree.fromstring(figures.svg(charts.lines(many, "", ""), ""))
        for element in root.iter():
            if name := element.get("id"):
                parts.setdefault(name, set()).add(ElementTree.tostring(element))
    assert parts and all(len(contents) == 1 for contents in parts.values())


def test_a_notebook_is_shown_a_figure_and_none_is_kept_open() -> None:
    figure = charts.gallery([np.zeros((6, 6, 3), np.uint8)], ["one"])
    assert figure._repr_png_().startswith(b"\x89PNG")
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_user_can_save_a_figure_with_any_names(tmp_path: Path) -> None:
    figure = charts.confusion(["a", "$b$", r"\frac{"], np.eye(3, dtype=int).tolist())
    figure.savefig(tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["caf\udce9", "x\x01y\x0bz\x00", "日本語", "b\nc", ""])
def test_names_of_folders_can_be_anything(name: str) -> None:
    figure = charts.confusion([name, "b"], [[1, 1], [1, 2]])
    chart = ElementTree.fromstring(figures.svg(figure, name))
    titles = [
        e.text for e in chart.iter() if e.tag.endswith("}title") or e.tag == "title"
    ]
    assert len(titles) == 4 and figures.pixels(figure).any()
    lines = charts.lines([(f"1. {name}", [1, 2], [1, 2])], "x", "y")
    assert figures.svg(lines, name).encode() and lines._repr_png_()
