"""Several runs in one: a run like any other, measured on what none has trained on."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.attack.command import attack
from tfpipeline.combine import member_runs
from tfpipeline.combine.command import combine
from tfpipeline.config import EvaluateSettings, PredictSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import file_io, run_dir
from tfpipeline.demo import world
from tfpipeline.evaluate.command import evaluate
from tfpipeline.export.command import export
from tfpipeline.models import classifier, saving
from tfpipeline.predict.command import predict

pytestmark = pytest.mark.slow


@pytest.fixture()
def members(small_run: Trained, tmp_path: Path) -> list[Path]:
    """Return the run, the same again, and one whose head is worse."""
    found = [Path(shutil.copytree(small_run.path, tmp_path / n)) for n in "abc"]
    file = run_dir.RunFolder(found[2]).model
    model, labels = saving.load_classifier(file)
    _, head = classifier.split_classifier(model)
    rng = np.random.default_rng(0)
    noisy = [w + rng.normal(scale=0.3, size=w.shape) for w in head.get_weights()]
    head.set_weights(noisy)
    saving.save_classifier(file, model, labels)
    return found


def start(*folders: Path, how: str, to: Path) -> int:
    argv = ["--runs", *map(str, folders), "--how", how, "--workdir", str(to)]
    return cli.main(combine, CombineSettings, argv)


def said(folder: Path, file: str = "metrics.json") -> dict:
    return json.loads((folder / file).read_text())


@pytest.mark.parametrize("how", ["ensemble", "soup"])
def test_equal_runs_are_what_they_were(
    members: list[Path], tmp_path: Path, how: str
) -> None:
    assert start(*members[:2], how=how, to=tmp_path / "both") == 0
    for split in ("test", "validation"):
        one, both = (said(path)[split] for path in (members[0], tmp_path / "both"))
        assert both["accuracy"] == one["accuracy"] and both["n"] == one["n"]
        for told in (one, both):
            told |= told["calibration"]
        for key in ("loss_calibrated", "coverage", "error"):
            assert both[key] == pytest.approx(one[key], abs=1e-4)


def test_an_ensemble_is_a_run_that_other_commands_take(
    members: list[Path], tmp_path: Path
) -> None:
    both = tmp_path / "both"
    assert start(members[0], members[2], how="ensemble", to=both) == 0
    found = said(both)
    losses = [one["test"]["loss"] for one in found["combined"]["members"]]
    assert found["test"]["loss"] < np.mean(losses)
    assert found["combined"]["kept"] == [str(members[0]), str(members[2])]
    assert said(both, "manifest.json")["dropped_classes"] == {}
    assert cli.main(evaluate, EvaluateSettings, ["--run", str(both)]) == 0
    again = said(both, "evaluation.json")
    assert again["loss"] == pytest.approx(found["test"]["loss"], abs=1e-4)
    argv = ["--model", str(both), "--images", str(members[0] / "figures/batch.png")]
    out = tmp_path / "found.csv"
    assert cli.main(predict, PredictSettings, [*argv, "--output", str(out)]) == 0
    assert [row["error"] for row in file_io.read_csv(out)] == [""]
    page = (both / "report.html").read_text()
    assert "The mean of the probabilities of 2 runs" in page
    assert str(members[2]) in page and "Learning curves" not in page
    assert "Grad-CAM" in page, "they have one backbone"
    rows = file_io.read_csv(both / "predictions.csv")
    right = [row["label"] == row["predicted"] for row in rows if row["split"] == "test"]
    assert np.mean(right) == pytest.approx(found["test"]["accuracy"])


def test_an_ensemble_is_published_once_its_answers_are_proven_equal(
    members: list[Path], tmp_path: Path
) -> None:
    both, base = tmp_path / "both", tmp_path / "base"
    assert start(members[0], members[2], how="ensemble", to=both) == 0
    argv = ["--run", str(both), "--output", str(base), "--parity_images", "20"]
    assert cli.main(export, ExportSettings, [*argv, "--batch_sizes", "[1]"]) == 0
    parity = said(base / "1", "parity.json")
    assert parity["passed"] and parity["n"] == 20 and parity["max_difference"] < 1e-4


def test_an_ensemble_protects_from_an_attack_on_a_member_and_not_from_its_own(
    members: list[Path], tmp_path: Path
) -> None:
    both, pictures = tmp_path / "both", tmp_path / "pictures"
    assert start(members[0], members[2], how="ensemble", to=both) == 0
    world.write_folder(pictures, ["rocket", "teapot"], 6, seed=5)
    how = ["--images", str(pictures), "--epsilon", "4/255", "--figures", "0"]
    how += ["--adversary.attack", "pgd", "--adversary.steps", "10"]
    fooled = []
    for attacked in (members[2], both):
        words = ["--run", str(attacked), "--judges", str(both), *how]
        output = tmp_path / f"of_{attacked.name}"
        words += ["--output", str(output)]
        assert cli.main(attack, AttackSettings, words) == 0
        summary = said(output, "attack.json")["summary"]
        transferred = summary["transfer"][str(both)]
        fooled.append(summary["success_rate"] if attacked == both else transferred)
    assert fooled[0] <= fooled[1] > 0


def test_a_greedy_soup_leaves_out_what_makes_it_worse(
    members: list[Path], tmp_path: Path
) -> None:
    assert start(*members, how="greedy_soup", to=tmp_path / "soup") == 0
    found = said(tmp_path / "soup")
    one = max(m["validation"]["accuracy"] for m in found["combined"]["members"])
    assert found["validation"]["accuracy"] >= one
    assert str(members[2]) not in found["combined"]["kept"]
    assert len(found["combined"]["kept"]) == 2


def test_a_greedy_soup_weighs_the_images_as_the_accuracy_of_its_members_does(
    members: list[Path],
) -> None:
    folders = [run_dir.RunFolder(path) for path in members[:2]]
    opened = member_runs.open_members(folders, CombineSettings(how="greedy_soup"))
    examples, chosen = opened.examples, opened.examples.of("validation")
    label = examples.source.label.copy()
    predicted = opened.logits(opened.models[0], ["validation"])["validation"].argmax(1)
    # Half of the images are answered right, and these count most.
    right = np.arange(len(chosen)) % 2 == 0
    label[chosen] = np.where(right, predicted, 1 - np.minimum(predicted, 1))
    weight = np.ones(len(label))
    weight[chosen[right]] = 9
    source = dataclasses.replace(examples.source, label=label, weight=tuple(weight))
    examples = dataclasses.replace(examples, source=source)
    weighed = dataclasses.replace(opened, examples=examples)
    _, told = member_runs.merge(weighed, "greedy_soup")
    assert told["members"][0]["validation"]["accuracy"] == pytest.approx(0.9, abs=0.02)
    assert len(told["kept"]) == 2, "the mean of equal weights is no worse"


def test_other_classes_sizes_networks_and_splits_are_refused(
    members: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, _ = members

    def error(how: str = "ensemble") -> str:
        assert start(one, two, how=how, to=tmp_path / "x") == 2
        assert not (tmp_path / "x").exists()
        return capsys.readouterr().err

    config = (two / "config.yaml").read_text()
    (two / "config.yaml").write_text(config.replace("hidden: []", "hidden: [16]"))
    assert "--model.hidden []" in error("soup")
    (two / "config.yaml").write_text(config.replace("squash", "crop"))
    assert "resize squash" in error()
    (two / "config.yaml").write_text(config)
    rows = (two / "splits.csv").read_text().replace(",test,", ",train,")
    (two / "splits.csv").write_text(rows)
    assert "of the test images" in error()
    chosen_by = rows.replace(",train,", ",validation,")
    (two / "splits.csv").write_text(chosen_by)
    assert "of the test images" in error()
    model, labels = saving.load_classifier(two / "model.keras")
    saving.save_classifier(two / "model.keras", model, labels[::-1])
    assert "number 0" in error()
    assert start(one, how="ensemble", to=tmp_path / "x") == 2
    assert "at least two" in capsys.readouterr().err
    assert "soup" in error("suop")


def test_a_combined_run_knows_what_its_members_learned_from_and_is_no_soup(
    members: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, _ = members
    rows = file_io.read_csv(two / "splits.csv")
    # The second run has learned from images of its own.
    other = [("train", "f" * 64), ("validation", "e" * 64)]
    text = "".join(f"x,x,teapot,{split},{digest}\n" for split, digest in other)
    assert list(rows[0]) == ["id", "path", "label", "split", "sha256"]
    with open(two / "splits.csv", "a") as file:
        file.write(text)
    both = tmp_path / "both"
    assert start(one, two, how="ensemble", to=both) == 0
    told = file_io.read_csv(run_dir.RunFolder(both).learned)
    mine = {(r["split"], r["sha256"]) for r in rows if r["split"] != "test"}
    assert {(r["split"], r["sha256"]) for r in told} == mine | set(other)
    capsys.readouterr()
    assert start(one, both, how="soup", to=tmp_path / "soup") == 2
    assert "say --how ensemble" in capsys.readouterr().err


def test_an_unfinished_training_is_replaced_only_where_that_is_said(
    members: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_dir.RunFolder(tmp_path / "both")
    file_io.write_json(folder.manifest, {"finished": False})
    for file in (folder.history, folder.checkpoints / "x", folder.figures / "x.png"):
        file_io.write_text(file, "old")
    assert start(*members[:2], how="soup", to=folder.path) == 2
    assert "unfinished" in capsys.readouterr().err and folder.history.is_file()
    argv = ["--runs", *map(str, members[:2]), "--workdir", str(folder.path)]
    for _ in range(2):
        assert cli.main(combine, CombineSettings, [*argv, "--overwrite", "true"]) == 0
        assert folder.is_finished() and not folder.history.exists()
        assert not folder.checkpoints.exists()
        assert not (folder.figures / "x.png").exists()
        # As a training that was whole leaves them.
        for file in (folder.history, folder.figures / "x.png"):
            file_io.write_text(file, "old")
