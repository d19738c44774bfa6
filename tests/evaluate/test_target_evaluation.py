"""An evaluation of several labels: its figures, and what its page warns of."""

import shutil
from pathlib import Path

import numpy as np

from tests.data.sources.test_targets import pictures, prepare, several, written
from tfpipeline.core import file_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.evaluate import page, target_evaluation
from tfpipeline.metrics.decision import Decision


def given(folder: Path) -> target_evaluation.Measured:
    examples = prepare(written(folder, ("label",), several([])[:60]), "multi")
    chosen = examples.of("train")
    outputs = np.where(examples.truth(chosen) > 0, 1.0, -1.0)
    one = Decision("multi", examples.source.labels, (0.5,) * 3)
    return target_evaluation.Measured(examples, chosen, outputs, one)


def test_figures_and_page_are_of_what_was_chosen(tmp_path: Path, capsys) -> None:
    measured = given(tmp_path)
    figures = target_evaluation.metrics(measured)
    assert figures["mean_average_precision"] == figures["micro_f1"] == 1
    assert figures["n"] == len(measured.chosen)
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    result = {
        **figures,
        **{"source": "s.csv", "split": "train", "seen_in_training": 3},
        "seconds": {"total": 1.0},
    }
    written = page.attempt(run, lambda: target_evaluation.write(run, result, measured))
    assert written == run.evaluation_page
    shown = run.evaluation_page.read_text()
    assert "3 of them are training images" in shown and "optimistic" in shown
    # What goes wrong with the page costs nothing else.
    written = page.attempt(run, lambda: target_evaluation.write(run, {}, measured))
    assert written is None
    assert "could not be made" in capsys.readouterr().err


def test_intervals_have_the_copies_of_the_run_together(tmp_path: Path) -> None:
    names = pictures(tmp_path, 12)
    rows = [(name, i % 5) for i, name in enumerate(names)]
    for i, name in enumerate(names):
        for number in range(5):
            shutil.copy(tmp_path / name, tmp_path / f"{number}-{name}")
            rows.append((f"{number}-{name}", i % 5))
    file = tmp_path / "s.csv"
    file_io.write_csv(file, ("path", "age"), rows)
    examples = prepare(file, "number", label_column="age")
    chosen = examples.of("train")
    outputs = np.square(examples.truth(chosen))
    one = Decision("number", ("age",), mean=2.0)
    given, width = (examples, chosen, outputs, one), {}
    for group in ("exact", "none"):
        measured = target_evaluation.Measured(*given, group)
        low, high = target_evaluation.metrics(measured)["intervals"]["mae"]
        width[group] = high - low
    assert width["exact"] > 1.5 * width["none"]
