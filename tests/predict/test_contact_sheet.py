"""The page of predictions: the least sure first, bounded, and nothing but text."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.predict.test_outputs import broken, row
from tests.report.browser import browsing
from tests.tiffs import Page, tiff
from tfpipeline.core import image_io
from tfpipeline.core.brightness import WHOLE
from tfpipeline.predict import contact_sheet

EVIL = "<script>alert(1)</script>"
QUOTED = '"><img src=x onerror=alert(2)>'


def make_rows(tmp_path: Path) -> list[dict[str, Any]]:
    """Return pictures of falling probability, the last one gone, and a broken one."""
    files = [tmp_path / f"a_rather_long_name_of_a_picture_{i}.png" for i in range(9)]
    for i, file in enumerate(files[:-1]):
        image_io.save_png(file, np.full((40 + i, 60, 3), 20 * i, np.uint8))
    labels = ["b10", "b9", "a", EVIL, QUOTED, "a", "a", "a", "a"]
    shares = np.linspace(0.9, 0.1, 9).tolist()
    given = zip(files, labels, shares)
    return [*(row(str(f), n, s) for f, n, s in given), broken("x.png", EVIL)]


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    return make_rows(tmp_path)


def sure(page: str) -> list[float]:
    return [float(share) for share in re.findall('data-sure="([^"]+)"', page)]


def test_the_least_sure_are_first_and_every_name_is_text(rows, tmp_path: Path) -> None:
    contact_sheet.write(tmp_path / "p.html", rows, EVIL)
    page = (tmp_path / "p.html").read_text()
    assert sure(page) == sorted(one["probability"] for one in rows[:-1])
    assert page.count("data:image/jpeg") == 8, "one is gone"
    assert EVIL not in page and "<img src=x" not in page
    assert "http:" not in page and "https:" not in page
    assert page.count(">not accepted<") == sum(not r["accepted"] for r in rows[:-1])


def test_of_very_many_the_least_sure_are_shown_and_the_others_counted(
    rows, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(contact_sheet, "SHOWN", 3)
    monkeypatch.setattr(contact_sheet, "SHOWN_ERRORS", 1)
    contact_sheet.write(tmp_path / "p.html", [*rows, broken("y.png", "bad")], "run")
    page = (tmp_path / "p.html").read_text()
    assert sure(page) == pytest.approx([0.1, 0.2, 0.3])
    assert "6 more pictures" in page and "The first 1 of 2" in page


def test_without_an_answer_there_is_a_page_of_reasons(tmp_path: Path) -> None:
    contact_sheet.write(tmp_path / "p.html", [broken("y.png", "bad & broken")], "run")
    page = (tmp_path / "p.html").read_text()
    assert "bad &amp; broken" in page and 'id="pictures"' not in page


def test_in_a_browser_it_sorts_filters_and_fits(rows, tmp_path: Path) -> None:
    contact_sheet.write(tmp_path / "p.html", rows, f"runs/{'a_long_name' * 9}")
    with browsing(tmp_path / "profile") as page:
        page.open(tmp_path / "p.html", 400)
        assert page.ask("document.documentElement.scrollWidth") <= 400
        shown = (
            "[...document.querySelectorAll('#sheet figure')]"
            ".filter(f => !f.hidden).map(f => f.dataset.label)"
        )
        assert page.ask(shown)[-2:] == ["b9", "b10"]
        page.ask(
            "const s = document.querySelector('select'); s.value = 'label up';"
            "s.dispatchEvent(new Event('change'))"
        )
        assert page.ask(shown)[-2:] == ["b9", "b10"] and page.ask(shown)[2] == "a"
        page.ask("s.value = 'sure down'; s.dispatchEvent(new Event('change'))")
        assert page.ask(shown)[:3] == ["b10", "b9", "a"]
        page.ask(
            "const f = document.querySelector('[data-table=sheet]'); f.value = 'b1';"
            "f.dispatchEvent(new Event('input'))"
        )
        assert page.ask(shown) == ["b10"]
        told = "f.closest('.controls').querySelector('output').textContent"
        assert page.ask(told) == "1 of 9 pictures"
        page.ask("document.querySelector('#sheet figure:not([hidden]) .pair').click()")
        assert page.ask("document.querySelectorAll('dialog img').length") == 1
        assert page.ask("document.scripts.length") == 1
        assert page.complaints == [] and page.requests == []


def test_deep_pictures_have_one_range_together(tmp_path: Path) -> None:
    rng, files = np.random.default_rng(0), [tmp_path / f"{i}.tif" for i in range(2)]
    for most, file in zip((4000, 500), files):
        grey = rng.integers(0, most, (40, 40)).astype(np.uint16)
        file.write_bytes(tiff(Page(grey)))
    gone = str(tmp_path / "gone.png")
    *small, none = contact_sheet.small_copies([*map(str, files), gone], 20)
    assert none is None
    light, dark = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))).mean()
        for uri in small
        if uri is not None
    )
    assert light == pytest.approx(8 * dark, rel=0.1)


def test_with_the_range_of_the_model_no_file_is_inspected_again(
    rows, tmp_path: Path, monkeypatch
) -> None:
    files = [row["id"] for row in rows[:-1]]
    plain = contact_sheet.small_copies(files, 20)
    monkeypatch.setattr(contact_sheet, "examine", lambda _: pytest.fail("inspected"))
    known = contact_sheet.small_copies([*files, str(tmp_path)], 20, WHOLE)
    assert known == [*plain, None] and known.count(None) == 2
