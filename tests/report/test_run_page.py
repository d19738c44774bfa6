"""The page of a run tells what is there, and does without what is not."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Trained
from tests.report import made
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.report import run_data, run_page


def words(file: Path) -> str:
    """Return the text of a page, without markup."""
    text = re.sub(r"<(style|script)>.*?</\1>", "", file.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("\u202f", " ").split())


@pytest.mark.parametrize("labels", [["a", "b"], [f"c{i}" for i in range(40)]])
@pytest.mark.parametrize("splits", [("test", "validation"), ("test",), ("validation",)])
def test_any_number_of_classes_and_splits_has_a_page(
    tmp_path: Path, labels: list[str], splits: tuple[str, ...]
) -> None:
    text = words(run_page.write(made.run(tmp_path / "run", labels, splits)))
    assert "Confusion matrix" in text and "None" not in text
    assert ("optimistic" in text) == ("test" not in splits)
    assert ("top-3 accuracy" in text) == (len(labels) > 3)


def test_without_any_measuring_the_page_says_so(tmp_path: Path) -> None:
    folder = made.run(tmp_path / "run", ["a", "b"], splits=())
    text = words(run_page.write(folder))
    assert "neither test nor validation images" in text and "Learning curves" in text


def test_a_bare_run_of_an_earlier_version_has_a_page(tmp_path: Path) -> None:
    folder = made.run(tmp_path / "run", ["a", "b"])
    for file in (folder.diagnosis, folder.calibration, folder.quarantine):
        file.unlink()
    shutil.rmtree(folder.figures)
    assert "Result" in words(run_page.write(folder))


@pytest.mark.parametrize("count", [3, 120, 400])
def test_the_page_promises_what_the_validation_images_show_and_no_more(
    tmp_path: Path, count: int
) -> None:
    folder = made.run(tmp_path / "run", ["a", "b", "c"], count=count)
    fitted = json.loads(folder.calibration.read_text())
    page = run_page.write(folder)
    assert (fitted["threshold"] is None) == bool(fitted["reason"])
    assert (fitted["reason"] in words(page)) and "None" not in words(page)
    # The bound is a line where there are points to join.
    assert (">bound</text>" in page.read_text()) == (len(fitted["curve"]) > 1)
    rows = re.findall(r"<tr>(?:(?!</tr>).)*</tr>", page.read_text())
    shown = [row for row in rows if re.search(r"\D0\.\d+", row)]
    assert len(shown) >= len(fitted["curve"])


def test_a_threshold_without_a_bound_is_shown_as_no_promise(tmp_path: Path) -> None:
    folder = made.run(tmp_path / "run", ["a", "b"])
    old = {"temperature": 1.5, "target_error": 0.05, "threshold": 0.0, "n": 3}
    old |= {"coverage": 1.0, "loss": [1.0, 1.0], "ece": [0.1, 0.1]}
    folder.calibration.write_text(json.dumps(old))
    text = words(run_page.write(folder))
    assert "without a bound" in text and "An answer is accepted" not in text


def test_the_demo_has_a_page_with_everything_on_it(demo_run: Trained) -> None:
    folder = RunFolder(demo_run.path)
    text = words(folder.report)
    for title in (
        *("Data, network and stages", "Result", "Learning curves"),
        *("Confusion matrix", "Per-class metrics", "Most confused pairs"),
        *("Calibration", "Abstention"),
        *("Highest losses", "Suspected label errors", "The data"),
        *("A batch as the network sees it", "Time", "Reproduce"),
    ):
        assert title in text, title
    assert "python -m tfpipeline.train" in text or "pytest" in text
    assert folder.report.read_text().count("data:image/jpeg") >= 25
    (right,) = re.findall(r"([\d.]+) % right \([^)]*\) on 72", text)
    assert 0.88 <= float(right) / 100 <= 1


def test_f1_is_the_harmonic_mean(tmp_path: Path) -> None:
    folder = made.run(tmp_path / "run", ["a", "b", "c"])
    run = run_data.read(folder)
    for row in run_page.content(run)["classes"]:
        mean = 2 / (1 / row["precision"] + 1 / row["recall"])
        assert row["f1"] == pytest.approx(mean)
