"""What a finished training tells, end to end, and that telling costs it nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.train.test_command import pictures, start
from tfpipeline import cli
from tfpipeline.config import EvaluateSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.evaluate.command import evaluate
from tfpipeline.report import run_page, run_report

pytestmark = pytest.mark.slow

# The embedded weights: labels are suspected by features that are worth something.
SMALL = (
    *("--model.weights", "demo", "--model.image_size", "32", "--train.epochs", "2"),
    *("--data.batch_size", "8"),
)
PLANTED = ("dark/wrong_0.png", "dark/wrong_1.png", "light/wrong.png")


def arguments(tmp_path: Path, name: str, *more: str) -> tuple[str, ...]:
    """Return the flags of a short training below a folder."""
    where = (
        "--data.source",
        str(tmp_path / "images"),
        "--workdir",
        str(tmp_path / name),
    )
    return (*where, "--cache_dir", str(tmp_path / "cache"), *SMALL, *more)


def planted(tmp_path: Path) -> None:
    """Write pictures of two classes, three of them in the folder of the other."""
    root = pictures(tmp_path / "images", 30)
    for name in PLANTED:
        right = "light" if name.startswith("dark") else "dark"
        taken = sorted((root / right).glob("[0-9]*.png"))[-1]
        taken.rename(root / name)


def corrected(file: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows of `cleaning.csv` as somebody would who has edited them."""
    file_io.write_csv(file, list(rows[0]), [list(row.values()) for row in rows])
    return file


def test_wrong_labels_come_first_and_their_corrections_are_taken(tmp_path) -> None:
    planted(tmp_path)
    more = ("--train.epochs", "40", "--train.learning_rate", "0.01")
    assert start(*arguments(tmp_path, "one", *more)) == 0
    one = RunFolder(tmp_path / "one")
    rows = file_io.read_csv(one.cleaning)
    assert {row["id"] for row in rows[:3]} == set(PLANTED)
    assert len(rows) == 60 and not any(row["action"] for row in rows)
    suspicion = [float(row["suspicion"]) for row in rows]
    assert suspicion == sorted(suspicion, reverse=True) and suspicion[0] > 0
    assert rows[0]["new_label"] not in ("", rows[0]["label"])
    for row in rows[:2]:
        row["new_label"] = "light" if row["label"] == "dark" else "dark"
        row["action"] = "relabel"
    rows[2]["action"], rows[3]["action"] = "drop", "keep"
    file = corrected(tmp_path / "edited.csv", rows)
    told = run_page.write(one).read_text()
    assert str(one.cleaning) in told and PLANTED[0] in told

    more += ("--data.corrections", str(file))
    assert start(*arguments(tmp_path, "two", *more)) == 0
    two = RunFolder(tmp_path / "two")
    counts = two.read_manifest()["corrections"]
    assert counts == {"keep": 1, "relabel": 2, "drop": 1}
    assert "2 labels changed and 1 image dropped by hand" in two.report.read_text()
    before, after = (
        {
            row["id"]: (row["label"], row["split"])
            for row in file_io.read_csv(run.splits)
        }
        for run in (one, two)
    )
    assert before.keys() - after.keys() == {rows[2]["id"]}
    for row in rows[:2]:
        split = before[row["id"]][1]
        assert after.pop(row["id"]) == (row["new_label"], split)
    assert all(after[name] == before[name] for name in after)
    # The file may be gone: the run has a copy of what was done.
    file.unlink()
    argv = ["--run", str(two.path), "--cache_dir", str(tmp_path / "cache")]
    assert cli.main(evaluate, EvaluateSettings, argv) == 0
    measured = json.loads(two.evaluation.read_text())
    assert (
        measured["accuracy"] == json.loads(two.metrics.read_text())["test"]["accuracy"]
    )


def test_a_correction_of_nothing_that_exists_stops_before_the_work(
    tmp_path: Path, capsys
) -> None:
    pictures(tmp_path / "images")
    rows = [{"id": "dark/99.png", "action": "drop"}]
    file = corrected(tmp_path / "edited.csv", rows)
    more = ("--data.corrections", str(file))
    assert start(*arguments(tmp_path, "run", *more)) == 2
    told = capsys.readouterr().err
    assert "line 2" in told and "dark/99.png" in told and "Traceback" not in told
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_a_page_that_fails_loses_nothing_and_leaves_no_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    pictures(tmp_path / "images")
    assert start(*arguments(tmp_path, "run")) == 0
    run = RunFolder(tmp_path / "run")
    assert run.report.is_file() and "report.html" in capsys.readouterr().out

    def fail(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(run_page, "write", fail)
    assert start(*arguments(tmp_path, "run", "--overwrite", "true")) == 0
    told = capsys.readouterr()
    assert "no ink" in told.err and "complete" in told.err
    assert f"Look at {run.path}" in told.out and not run.report.exists()
    assert run.is_finished() and "accuracy" in run.metrics.read_text()


def test_predictions_agree_with_the_metrics(demo_run) -> None:
    run = RunFolder(demo_run.path)
    rows = file_io.read_csv(run.predictions)
    measured = json.loads(run.metrics.read_text())
    assert {row["id"]: row["split"] for row in rows} == {
        row["id"]: row["split"] for row in file_io.read_csv(run.splits)
    }
    for split in ("test", "validation"):
        mine = [row for row in rows if row["split"] == split]
        losses = [float(row["loss"]) for row in mine]
        assert np.mean(losses) == pytest.approx(measured[split]["loss"], rel=1e-4)
        right = np.mean([row["label"] == row["predicted"] for row in mine])
        assert right == measured[split]["accuracy"]
        for row in mine:
            top = json.loads(row["top_3"])
            assert top[0][0] == row["predicted"] and len(top) == 3
            own = np.exp(-float(row["loss"]))
            assert float(row["probability_of_label"]) == pytest.approx(own, rel=1e-3)


def test_the_worst_errors_are_shown_with_what_was_looked_at(demo_run) -> None:
    run = RunFolder(demo_run.path)
    shown = json.loads(run.diagnosis.read_text())["top_losses"]
    rows = file_io.read_csv(run.predictions)
    held_out = [float(row["loss"]) for row in rows if row["split"] != "train"]
    worst = sorted(held_out, reverse=True)[:12]
    assert [one["loss"] for one in shown] == pytest.approx(worst, rel=1e-4)
    for one in shown:
        assert (run.path / one["picture"]).is_file()
        assert (run.path / one["grad_cam"]).is_file()
    data = json.loads(run.diagnosis.read_text())["data"]
    assert data["files"] == 360 and data["formats"] == {"png": 360}
    assert data["classes"]["teapot"] == {"train": 42, "validation": 6, "test": 12}


def test_nothing_to_measure_on_is_a_page_too(tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    none = ("--data.validation_fraction", "0", "--data.test_fraction", "0")
    assert start(*arguments(tmp_path, "run", *none)) == 0
    run = RunFolder(tmp_path / "run")
    assert {row["split"] for row in file_io.read_csv(run.cleaning)} == {"train"}
    assert "but not measured" in run.report.read_text()


def test_after_fine_tuning_only_held_out_images_are_told_of(tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    assert start(*arguments(tmp_path, "run", "--fine_tune.epochs", "1")) == 0
    run = RunFolder(tmp_path / "run")
    splits = {row["split"] for row in file_io.read_csv(run.predictions)}
    assert splits == {"test", "validation"}
    text = run.report.read_text()
    assert "fine-tuning" in text and "were not checked" in text


def test_a_sheet_that_cannot_be_drawn_costs_the_run_nothing(capsys) -> None:
    shown = {"top_losses": [{"id": "a"}]}

    def gone() -> None:
        raise UserError("a.png: no such file")

    begun = run_report.Begun(None, lambda: shown)
    settled = run_report.settled(begun, gone)
    assert settled is not None and settled.pictured() == shown
    assert "a.png: no such file" in capsys.readouterr().err
    # Pictures that cannot be drawn are drawn once more by the page, which tells why.
    fails = run_report.Begun(None, lambda: 1 / 0)
    assert run_report.settled(fails, lambda: None) is None
    assert run_report.settled(None, lambda: None) is None
