"""An evaluation of several labels: its figures, and what its page warns of."""

from pathlib import Path

import numpy as np

from tests.data.sources.test_targets import prepare, several, written
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
