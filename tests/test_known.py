"""Known or strange: said alike by a run and its SavedModel, and by no earlier run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Exported, Trained
from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics import novelty
from tfpipeline.models import classifier, reference, saving
from tfpipeline.predict.command import answer, predict


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, exported: Exported) -> list[str]:
    """Six drawn objects that the run knows, a blank page and noise, and no picture."""
    folder = tmp_path_factory.mktemp("asked")
    rng = np.random.default_rng(0)
    image_io.save_png(folder / "blank.png", np.full((96, 96, 3), 255, np.uint8))
    noise = rng.integers(0, 256, (96, 96, 3)).astype(np.uint8)
    image_io.save_png(folder / "noise.png", noise)
    (folder / "text.jpg").write_text("no picture")
    return [*map(str, exported.pictures), *map(str, sorted(folder.iterdir()))]


def test_the_threshold_is_that_of_images_that_nothing_was_fitted_to(
    small_run: Trained,
) -> None:
    run = RunFolder(small_run.path)
    score, kept = novelty.load(run), reference.read(run)
    assert score is not None and kept is not None and score.threshold is not None
    train, held_out = kept.rows("train"), kept.rows("validation")
    _, label = np.unique([kept.label[i] for i in train], return_inverse=True)
    again = novelty.fit(kept.features[train], label)
    np.testing.assert_allclose(again.mean, score.mean, rtol=1e-6)
    model, _ = saving.load_classifier(run.model)
    _, head = classifier.split_classifier(model)
    features = kept.features[held_out]
    values = np.sort(np.asarray(score(features, head(features, training=False))))
    # A quarter set the spreads; of the others all but two are known, and one is at 1.
    assert len(held_out) == 54 and score.n == 41
    assert np.isclose(values, 1, atol=1e-3).any() and score.threshold == 1
    assert abs(np.median(values)) < 0.5 and (values < 1.001).sum() >= 40
    about = json.loads(run.novelty.read_text())["test"]
    metrics = json.loads(run.metrics.read_text())["test"]["novelty"]
    assert about.items() >= metrics.items() and about["n"] == metrics["n"] > 0
    named = [row["novelty"] for row in about["strangest"]]
    assert named == sorted(named, reverse=True)
    assert len(named) == min(12, about["n"] - about["known"])
    assert "Unknown images" in run.report.read_text()


def test_a_run_and_its_saved_model_say_the_same(
    small_run: Trained, exported: Exported, pictures: list[str]
) -> None:
    own = answer(PredictSettings(model=str(small_run.path), images=pictures))
    served = answer(PredictSettings(model=str(exported.base), images=pictures))
    assert list(own[0]) == [
        *("id", "label", "probability", "accepted", "accepted_reason"),
        *("novelty", "known", "known_reason", "top_k", "error"),
    ]
    threshold = json.loads((small_run.path / "novelty.json").read_text())["threshold"]
    for mine, theirs in zip(own, served, strict=True):
        assert list(mine) == list(theirs)
        if mine["error"]:
            assert mine["novelty"] is None and mine["known"] is None
            continue
        assert mine["novelty"] == pytest.approx(theirs["novelty"], rel=1e-3, abs=1e-3)
        assert mine["known"] == (mine["novelty"] <= threshold)
        assert theirs["known"] == (theirs["novelty"] <= threshold)
    by_name = {Path(row["id"]).name: row for row in own}
    assert by_name["text.jpg"]["error"]
    parity = json.loads((exported.base / "1" / "parity.json").read_text())
    assert parity["novelty"]["passed"] and parity["novelty"]["max_difference"] < 1e-3


def strict(run: Path, folder: Path, pictures: list[str]) -> Path:
    """Copy a run, with a threshold in the middle of the pictures that are asked."""
    shutil.copytree(run, folder)
    rows = answer(PredictSettings(model=str(run), images=pictures))
    values = sorted(row["novelty"] for row in rows if not row["error"])
    about = json.loads((folder / "novelty.json").read_text())
    middle = len(values) // 2
    about["threshold"] = (values[middle - 1] + values[middle]) / 2
    (folder / "novelty.json").write_text(json.dumps(about))
    return folder


def test_every_output_says_so(
    small_run: Trained, pictures: list[str], tmp_path: Path, capsys
) -> None:
    run = strict(small_run.path, tmp_path / "run", pictures)
    for name in ("a.csv", "a.jsonl", "a.html"):
        argv = ["--model", str(run), "--images", *pictures]
        argv += ["--output", str(tmp_path / name)]
        assert cli.main(predict, PredictSettings, argv) == 0
    table = file_io.read_csv(tmp_path / "a.csv")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    for row, line in zip(table, map(json.loads, lines), strict=True):
        assert row["known"] == (
            "" if line["known"] is None else f"{line['known']}".lower()
        )
        assert float(row["novelty"] or 0) == pytest.approx(line["novelty"] or 0)
    unknown = sum(row["known"] == "false" for row in table)
    page = (tmp_path / "a.html").read_text()
    assert page.count('<span class="no">unknown</span>') == unknown == 4
    assert f"{unknown} unknown" in capsys.readouterr().out
    # What stands there is its own, of whatever version.
    assert (
        cli.main(predict, PredictSettings, argv[:-1] + [str(tmp_path / "a.csv")]) == 0
    )


def test_an_earlier_run_loads_and_says_nothing_of_it(
    small_run: Trained, pictures: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run.path, run)
    for name in ("novelty.json", "novelty.npz"):
        (run / name).unlink()
    shutil.rmtree(run / "reference")
    old = answer(PredictSettings(model=str(run), images=pictures))
    new = answer(PredictSettings(model=str(small_run.path), images=pictures))
    for one, other in zip(old, new, strict=True):
        assert not {"novelty", "known", "known_reason"} & one.keys()
        kept = {key: other[key] for key in one}
        assert kept["label"] == one["label"] and kept["error"] == one["error"]
        if not one["error"]:
            assert kept["probability"] == pytest.approx(one["probability"], rel=1e-4)
