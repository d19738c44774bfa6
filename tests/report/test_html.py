"""Pages, in a real browser: quiet, on their own, quick, and nothing but text."""

from pathlib import Path

import numpy as np
import pytest

from tests.report import made
from tests.report.browser import Page, browsing
from tfpipeline.core import file_io, image_io
from tfpipeline.report import html, run_page

EVIL = "<script>alert(1)</script>"
QUOTED = '"><img src=x onerror=alert(2)>'


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory):
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


def column(browser: Page, table: str, number: int) -> list[str]:
    """Return the text of the cells of a column that can be seen."""
    return browser.ask(
        f"[...document.querySelectorAll('#{table} tbody tr')].filter(r => !r.hidden)"
        f".map(r => r.cells[{number}].textContent.trim())"
    )


def test_a_page_is_quiet_sorts_filters_and_enlarges(browser, tmp_path: Path) -> None:
    labels = ["b10", "b9", "a", EVIL, QUOTED]
    browser.open(run_page.write(made.run(tmp_path / "run", labels)))
    assert sorted(column(browser, "per-class", 0)) == sorted(labels)
    recalls = [float(r.split()[0]) for r in column(browser, "per-class", 4)]
    assert recalls == sorted(recalls), "the lowest is first"
    press = "document.querySelectorAll('#per-class thead button')[{}].click()"
    browser.ask(press.format(0))
    assert column(browser, "per-class", 0)[-3:] == ["a", "b9", "b10"]
    browser.ask(press.format(2))
    counts = [int(n) for n in column(browser, "per-class", 2)]
    assert counts == sorted(counts, reverse=True) and len(set(counts)) > 1
    sort = "document.querySelectorAll('#per-class th')[2].getAttribute('aria-sort')"
    assert browser.ask(sort) == "descending"
    browser.ask(press.format(2))
    assert [int(n) for n in column(browser, "per-class", 2)] == sorted(counts)
    browser.ask(
        "const f = document.querySelector('[data-table=per-class]'); f.value = 'B';"
        "f.dispatchEvent(new Event('input'))"
    )
    assert set(column(browser, "per-class", 0)) == {"b10", "b9"}
    told = "f.closest('.controls').querySelector('output').textContent"
    assert browser.ask(told) == "2 of 5 rows"
    browser.ask("document.querySelector('#errors button.pair').click()")
    assert browser.ask("document.querySelector('dialog').open")
    assert browser.ask("document.querySelectorAll('dialog img').length") == 2
    assert browser.ask("document.querySelector('dialog img').naturalWidth") == 32
    browser.ask("document.querySelector('dialog button').click()")
    assert not browser.ask("document.querySelector('dialog').open")
    # Names of classes were text, whatever they were.
    assert browser.ask("document.scripts.length") == 1
    assert browser.ask("document.querySelectorAll('img[onerror]').length") == 0
    assert browser.complaints == [] and browser.requests == []


def test_a_page_can_ask_no_network_even_if_it_wanted_to(browser, tmp_path) -> None:
    browser.open(run_page.write(made.run(tmp_path / "run", ["a", "b"])))
    browser.ask("fetch('http://127.0.0.1:9/').catch(() => 0)")
    assert any("Content Security Policy" in words for words in browser.complaints)
    browser.ask(
        "const s = document.createElement('script'); s.textContent = 'x = 1';"
        "document.body.append(s)"
    )
    assert browser.ask("typeof x") == "undefined"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_at_the_side(browser, tmp_path: Path, width: int) -> None:
    labels = [f"a_rather_long_name_of_a_class_{i}" for i in range(40)]
    browser.open(run_page.write(made.run(tmp_path / "run", labels)), width)
    assert browser.ask("document.documentElement.scrollWidth") <= width


def test_ink_can_be_read_in_light_and_dark(browser, tmp_path: Path) -> None:
    browser.open(run_page.write(made.run(tmp_path / "run", ["a", "b"])))
    grounds = []
    for scheme in ("light", "dark"):
        browser.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        style = "getComputedStyle(document.querySelector('{}')).{}"
        ground = luminance(browser.ask(style.format("body", "backgroundColor")))
        grounds.append(ground)
        for words in ("body", ".soft", "svg .xtick text", "svg .legend text"):
            name = "fill" if "svg" in words else "color"
            ink = luminance(browser.ask(style.format(words, name)))
            high, low = max(ink, ground), min(ink, ground)
            # What WCAG 2 asks for, level AA.
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, words)
    assert grounds[0] > 0.8 and grounds[1] < 0.05


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour that is written as rgb(r, g, b)."""
    parts = np.array([int(part) for part in colour[4:-1].split(",")]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_on_paper_nothing_is_hidden_in_a_box(browser, tmp_path: Path) -> None:
    browser.open(run_page.write(made.run(tmp_path / "run", ["a", "b"])))
    browser.call("Emulation.setEmulatedMedia", media="print")
    style = "getComputedStyle(document.querySelector('{}')).{}"
    assert browser.ask(style.format("nav", "display")) == "none"
    assert browser.ask(style.format(".table", "maxHeight")) == "none"


def test_many_classes_and_predictions_open_at_once(browser, tmp_path: Path) -> None:
    labels = [f"class_{i:04d}" for i in range(1000)]
    folder = made.run(tmp_path / "run", labels, splits=("test",), count=4000)
    made.predictions(folder, [i % 5 > 0 for i in range(100_000)])
    file = run_page.write(folder)
    assert file.stat().st_size < 3e6 < folder.predictions.stat().st_size * 2
    assert browser.open(file) < 3
    assert len(column(browser, "per-class", 0)) == 1000
    assert (
        browser.ask("document.querySelectorAll('svg.matrix .right path').length") <= 30
    )
    assert browser.complaints == []


def test_every_chart_has_its_words(tmp_path: Path) -> None:
    text = run_page.write(made.run(tmp_path / "run", ["a", "b"])).read_text()
    charts = text.count("<svg ")
    assert charts == 5 and text.count('role="img" aria-label="') == charts
    assert text.count("<img ") == text.count(' alt="') > 0


def test_text_of_a_page_is_escaped() -> None:
    assert html.count(1, "image") == "1 image" and html.count(2, "image") == "2 images"
    assert html.number(12345).replace("\u202f", " ") == "12 345"
    assert html.percent(None) == html.percent(float("nan")) == "–"


def test_a_picture_is_inside_and_a_broken_one_is_left_out(tmp_path: Path) -> None:
    image_io.save_png(tmp_path / "p.png", np.zeros((4, 3000, 3), np.uint8))
    found = html.picture(tmp_path / "p.png", widest=100)
    assert found is not None and found.startswith("data:image/jpeg;base64,")
    assert len(found) < 2000
    file_io.write_text(tmp_path / "q.png", "no picture")
    assert html.picture(tmp_path / "q.png") is None
    assert html.picture(tmp_path / "none.png") is None


def test_seconds_are_told_in_words() -> None:
    told = [html.seconds(s).replace("\u202f", " ") for s in (1.26, 150, 7300)]
    assert told == ["1.3 s", "2 min 30 s", "2 h 1 min"]


def test_a_thumbnail_keeps_to_its_limit() -> None:
    data = image_io.to_png(np.zeros((4, 5, 3), np.uint8))
    assert html.thumbnail(data, 4, max_pixels=20) is not None
    assert html.thumbnail(data, 4, max_pixels=19) is None


@pytest.mark.parametrize("size", [(6, 8), (3, 1500)])
def test_a_picture_that_was_just_written_is_shown_as_one_that_is_read(
    size: tuple[int, int], tmp_path: Path
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    html.save_picture(tmp_path / "old.png", image)
    (tmp_path / "old.png").rename(tmp_path / "new.png")
    first = html.picture(tmp_path / "new.png")
    assert first is not None and first == html.picture(tmp_path / "new.png")
    # What is not the same file any more is read.
    html.save_picture(tmp_path / "new.png", image)
    image_io.save_png(tmp_path / "new.png", image // 2)
    assert html.picture(tmp_path / "new.png") != first
    html.save_picture(tmp_path / "gone.png", image)
    (tmp_path / "gone.png").unlink()
    assert html.picture(tmp_path / "gone.png") is None
