"""The page of an evaluation: what came out, what is worst, what could not be read."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.browser import browsing
from tfpipeline.core import image_io, run_dir
from tfpipeline.data import scan
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources import image_folder
from tfpipeline.evaluate import page, summary
from tfpipeline.metrics import calibration
from tfpipeline.metrics.calibration import Calibration

EVIL = "<b>evil & class"


def make_examples(tmp_path: Path) -> Examples:
    """Return four pictures of each of three classes, and two files that are none."""
    for name in ("a", EVIL, "zebra"):
        for i in range(4):
            picture = np.full((30, 40, 3), 60 * i, np.uint8)
            image_io.save_png(tmp_path / "in" / name / f"{i}<i>.png", picture)
    source = image_folder.open_folder(tmp_path / "in")
    rows = tuple(scan.audit(source.paths, cache=None))
    bad = [dataclasses.replace(rows[0], reason=f"broken & {i}") for i in range(2)]
    named = tuple((f"x{i}<i>.png", row) for i, row in enumerate(bad))
    return Examples(source, rows, np.array([""] * 12, object), named)


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    return make_examples(tmp_path)


def write(
    examples: Examples, folder: Path, fitted: Calibration = Calibration()
) -> tuple[str, dict[str, Any]]:
    """Write the page where one class is never recognised and the others always."""
    labels, label = examples.source.labels, examples.source.label
    called = np.where(label == labels.index(EVIL), labels.index("a"), label)
    logits = 5 * np.eye(3, dtype=np.float32)[called]
    result = {
        **{"source": "in", "split": "all", "seen_in_training": 3, "quarantined": 2},
        **summary.metrics(logits, label, labels),
        "calibration": calibration.told(fitted, logits, label),
        **{"seconds": {"total": 1.5}, "cached_features": 12},
    }
    answers = page.answers(examples, np.arange(12), logits, fitted)
    run = run_dir.RunFolder(folder)
    given = result, answers, logits, fitted
    assert page.attempt(run, lambda: page.write(run, *given)) == run.evaluation_page
    return run.evaluation_page.read_text(), result


def test_the_worst_class_is_in_the_headline_and_first(
    examples: Examples, tmp_path: Path
) -> None:
    text, result = write(examples, tmp_path / "run")
    escaped = "&lt;b&gt;evil &amp; class"
    headline = text[text.index("<h1>") : text.index("</h1>")]
    assert "66.7" in headline and "12 images" in headline and escaped in headline
    assert result["worst_class"]["name"] == EVIL
    table = text[text.index('id="per-class"') :]
    names = [table.index(f"<td>{name}<") for name in (escaped, "a", "zebra")]
    assert names[0] < min(names[1:])
    low, high = result["interval"]
    assert f"{100 * low:.1f}" in text and f"{100 * high:.1f}" in text


def test_errors_have_their_pictures_and_broken_files_their_reasons(
    examples: Examples, tmp_path: Path
) -> None:
    text, _ = write(examples, tmp_path / "run")
    errors = text[text.index('id="errors"') : text.index('id="sure"')]
    assert errors.count("data:image/jpeg") == 4 and EVIL not in text
    broken = text[text.index('id="data"') :]
    assert "broken &amp; 1" in broken and "x1&lt;i&gt;.png" in broken
    Path(examples.files[0].path).unlink()
    text, _ = write(examples, tmp_path / "again")
    assert text.count("data:image/jpeg") == 3, "one is gone"


@pytest.mark.parametrize("temperature, charts", [(1.0, 1), (2.0, 2)])
def test_without_a_temperature_there_is_one_reliability_chart(
    examples: Examples, tmp_path: Path, temperature: float, charts: int
) -> None:
    fitted = Calibration(temperature=temperature, reason="too few")
    text, _ = write(examples, tmp_path / "run", fitted)
    assert text.count("reliability, ") == charts and "too few" in text


def test_a_page_that_cannot_be_made_costs_nothing(
    examples: Examples, tmp_path: Path, capsys
) -> None:
    run = run_dir.RunFolder(tmp_path)
    answers = page.answers(examples, np.arange(12), np.eye(3)[[0] * 12], Calibration())
    given = {}, answers, np.zeros((12, 3)), Calibration()
    assert page.attempt(run, lambda: page.write(run, *given)) is None
    assert str(run.evaluation_page) in capsys.readouterr().err


def test_in_a_browser_it_is_quiet_and_fits(examples: Examples, tmp_path: Path) -> None:
    write(examples, tmp_path / "run")
    with browsing(tmp_path / "profile") as browser:
        browser.open(tmp_path / "run" / "evaluation.html", 400)
        assert browser.ask("document.documentElement.scrollWidth") <= 400
        assert browser.complaints == [] and browser.requests == []
