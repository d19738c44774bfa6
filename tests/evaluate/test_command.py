"""Evaluation of a run: on its own test images, on other sources, and refusals."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.config import EvaluateSettings
from tfpipeline.core import file_io
from tfpipeline.demo import world
from tfpipeline.evaluate.command import evaluate


@pytest.fixture()
def run(small_run: Trained, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_run.path, tmp_path / "run"))


@pytest.fixture()
def demo(demo_run: Trained, tmp_path: Path) -> Path:
    """A run on features of a frozen network."""
    return Path(shutil.copytree(demo_run.path, tmp_path / "demo"))


def start(*argv: str) -> int:
    return cli.main(evaluate, EvaluateSettings, argv)


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_the_saved_model_reproduces_the_figures_of_its_training(
    run: Path, strategy: str
) -> None:
    argv = ["--run", str(run), "--distribute.strategy", strategy]
    argv += ["--distribute.devices", "2"] if strategy == "mirrored" else []
    assert start(*argv) == 0
    trained = json.loads((run / "metrics.json").read_text())["test"]
    again = json.loads((run / "evaluation.json").read_text())
    assert again["n"] == trained["n"] and again["split"] == "test"
    assert again["accuracy"] == trained["accuracy"]
    assert again["loss"] == pytest.approx(trained["loss"], abs=1e-4)


def test_another_source_with_the_same_classes_is_measured_whole(
    demo: Path, tmp_path: Path
) -> None:
    world.write_folder(tmp_path / "other", world.TRANSFER_CLASSES, 10, seed=99)
    assert start("--run", str(demo), "--source", str(tmp_path / "other")) == 0
    found = json.loads((demo / "evaluation.json").read_text())
    assert found["n"] == 60 and found["accuracy"] > 0.85


def test_other_classes_are_refused_with_the_first_difference(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [*world.TRANSFER_CLASSES[:2], "house"]
    world.write_folder(tmp_path / "other", names, 2, seed=0)
    assert start("--run", str(run), "--source", str(tmp_path / "other")) == 2
    error = capsys.readouterr().err
    assert "number 2" in error and "'house'" in error
    assert not (run / "evaluation.json").exists()


def test_images_of_some_of_the_classes_are_measured_where_that_is_allowed(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write_folder(tmp_path / "other", world.TRANSFER_CLASSES[2:4], 5, seed=99)
    argv = ["--run", str(run), "--source", str(tmp_path / "other")]
    assert start(*argv) == 2
    assert "--allow_missing_classes true" in capsys.readouterr().err
    argv += ["--allow_missing_classes", "true"]
    (tmp_path / "other" / "hous").mkdir()
    shutil.copy(next((tmp_path / "other").rglob("*.png")), tmp_path / "other" / "hous")
    assert start(*argv) == 2
    assert "'hous', at number 1" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "other" / "hous")
    assert start(*argv) == 0
    found = json.loads((run / "evaluation.json").read_text())
    assert found["n"] == 10 and found["accuracy"] > 0.7
    missing = [*world.TRANSFER_CLASSES[:2], *world.TRANSFER_CLASSES[4:]]
    assert found["missing_classes"] == missing
    assert list(found["classes"]) == [*world.TRANSFER_CLASSES]
    shutil.rmtree(tmp_path / "other" / world.TRANSFER_CLASSES[2])
    assert start(*argv) == 0, "one class will do"
    assert json.loads((run / "evaluation.json").read_text())["n"] == 5
    (tmp_path / "other" / world.TRANSFER_CLASSES[3]).rename(tmp_path / "other" / "home")
    renamed = tmp_path / "classes.csv"
    renamed.write_text(f"class,new\nhome,{world.TRANSFER_CLASSES[3]}\n")
    argv += ["--data.classes", str(renamed)]
    assert start(*argv, "--quiet") == 0, "one that has another name as well"
    assert json.loads((run / "evaluation.json").read_text())["n"] == 5
    capsys.readouterr()
    assert start(*argv, "--allow_missing_classes", "false") == 2
    assert "--allow_missing_classes true" in capsys.readouterr().err


def test_broken_files_are_named_and_listed_and_features_are_computed_once(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = demo
    other = tmp_path / "other"
    world.write_folder(other, world.TRANSFER_CLASSES, 2, seed=99)
    broken = other / world.TRANSFER_CLASSES[0] / "broken.png"
    broken.write_text("no image")
    argv = ["--run", str(run), "--source", str(other), "--data.max_bad_fraction", "0.2"]
    argv += ["--cache_dir", str(tmp_path / "cache")]
    losses = []
    for cached in (0, 12):
        assert start(*argv) == 0
        found = json.loads((run / "evaluation.json").read_text())
        assert found["cached_features"] == cached and found["quarantined"] == 1
        losses.append(found["loss"])
    assert losses[0] == losses[1]
    said = capsys.readouterr()
    assert "12 of 12 images were in the cache" in said.err
    assert "broken.png" in said.out and "evaluation_quarantine.csv" in said.out
    assert all(len(line) <= 80 for line in said.out.split("Accuracy")[0].splitlines())
    (row,) = file_io.read_csv(run / "evaluation_quarantine.csv")
    assert row["path"] == str(broken)
    assert "broken.png" in (run / "evaluation.html").read_text()
    listed = (run / "evaluation_quarantine.csv").read_text()
    (run / "evaluation_quarantine.csv").write_text(f"{listed}mine\n")
    assert start(*argv) == 2
    assert "evaluation_quarantine.csv" in capsys.readouterr().err
    assert (run / "evaluation_quarantine.csv").read_text() == f"{listed}mine\n"
    (run / "evaluation_quarantine.csv").write_text(listed)
    broken.unlink()
    assert start(*argv, "--quiet") == 0 and capsys.readouterr().out == ""
    assert not (run / "evaluation_quarantine.csv").exists()


@pytest.mark.parametrize("name", ["evaluation.html", "evaluation_quarantine.csv"])
def test_other_files_of_these_names_are_not_replaced(run: Path, name: str) -> None:
    (run / name).write_text("mine")
    assert start("--run", str(run)) == 2 and (run / name).read_text() == "mine"


def listed(root: Path, names: list[str]) -> Path:
    """Return a TFDS-like source: the same classes in an order that is not sorted."""
    from tfpipeline.data import scan
    from tfpipeline.data.sources import image_folder, tfrecord

    source = image_folder.open_folder(root).in_order(names)
    tfrecord.pack(source, scan.audit(source.paths, cache=None), root / "packed", 10**6)
    return root / "packed"


def test_the_same_classes_in_another_order_are_refused_or_mapped(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write_folder(tmp_path / "other", world.TRANSFER_CLASSES, 10, seed=99)
    turned = listed(tmp_path / "other", list(world.TRANSFER_CLASSES[::-1]))
    assert start("--run", str(demo), "--source", str(turned)) == 2
    assert "--map_labels true" in capsys.readouterr().err
    argv = ("--run", str(demo), "--source", str(turned), "--map_labels", "true")
    assert start(*argv) == 0
    found = json.loads((demo / "evaluation.json").read_text())
    assert found["accuracy"] > 0.85 and list(found["classes"]) == [
        *world.TRANSFER_CLASSES
    ]


def test_images_that_were_trained_on_are_counted(
    demo: Path, demo_run: Trained, tmp_path: Path, capsys
) -> None:
    # Other tests may have drawn other pictures there.
    folders = (demo_run.cache / "demo").iterdir()
    (drawn,) = (f for f in folders if len(list(f.rglob("*.png"))) == 360)
    shutil.copytree(drawn, tmp_path / "copy")
    assert start("--run", str(demo), "--source", str(tmp_path / "copy")) == 0
    found = json.loads((demo / "evaluation.json").read_text())
    assert found["n"] == 360 and found["seen_in_training"] == 252
    assert "252 of these images are training images" in capsys.readouterr().out


def test_the_runs_own_source_by_its_name_is_measured_on_its_test_images(
    run: Path,
) -> None:
    assert start("--run", str(run), "--source", "demo") == 0
    found = json.loads((run / "evaluation.json").read_text())
    assert found["n"] == 108 and found["seen_in_training"] == 0


def test_a_table_with_other_columns_can_be_measured(run: Path, tmp_path: Path) -> None:
    world.write_folder(tmp_path / "p", world.TRANSFER_CLASSES, 2, seed=99)
    lines = [
        f"{f.relative_to(tmp_path)},{f.parent.name}"
        for f in (tmp_path / "p").rglob("*.png")
    ]
    (tmp_path / "list.csv").write_text("file,kind\n" + "\n".join(lines) + "\n")
    argv = ("--run", str(run), "--source", str(tmp_path / "list.csv"))
    columns = ("--data.path_column", "file", "--data.label_column", "kind")
    assert start(*argv) == 2 and start(*argv, *columns) == 0


def test_what_is_no_run_is_told(tmp_path: Path, capsys) -> None:
    assert start() == 2 and "--run" in capsys.readouterr().err
    assert start("--run", str(tmp_path / "gone")) == 2
    assert "found nothing there" in capsys.readouterr().err


def test_accuracy_under_attack_is_measured_where_it_is_asked_for(
    run: Path, capsys
) -> None:
    argv = ["--run", str(run), "--robust", "1/255,4/255", "--adversary.steps", "10"]
    assert start(*argv, "--adversary.attack", "apgd") == 0
    found = json.loads((run / "evaluation.json").read_text())
    rates = list(found["robust"]["accuracy"].values())
    assert found["accuracy"] >= rates[0] >= rates[1]
    assert rates[0] > rates[1] and found["robust"]["n"] == found["n"]
    assert "Under attack (apgd, linf)" in capsys.readouterr().out


def test_a_radius_that_is_none_is_refused(run: Path, capsys) -> None:
    assert start("--run", str(run), "--robust", "1:255") == 2
    assert "--robust: expected a number or a fraction" in capsys.readouterr().err


def test_a_source_with_other_names_is_measured_by_a_map_of_its_classes(
    run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    world.write_folder(other, world.TRANSFER_CLASSES, 2, seed=99)
    (other / world.TRANSFER_CLASSES[0]).rename(other / "zzz")
    argv = ("--run", str(run), "--source", str(other))
    assert start(*argv) == 2
    file = tmp_path / "c.csv"
    file.write_text(f"class,new\nzzz,{world.TRANSFER_CLASSES[0]}\n")
    assert start(*argv, "--data.classes", str(file)) == 0
    found = json.loads((run / "evaluation.json").read_text())
    assert list(found["classes"]) == list(world.TRANSFER_CLASSES)


def test_a_column_weight_of_another_table_can_be_no_weight(
    small_run: Trained, tmp_path: Path, capsys
) -> None:
    rows = [
        (row["id"], row["path"], row["label"], "12 kg")
        for row in file_io.read_csv(small_run.path / "splits.csv")
        if row["split"] == "test"
    ]
    table = tmp_path / "t.csv"
    file_io.write_csv(table, ("id", "path", "label", "weight"), rows)
    run = Path(shutil.copytree(small_run.path, tmp_path / "run"))
    argv = ("--run", str(run), str(table))
    assert start(*argv) == 2
    assert "--data.weight_column null" in capsys.readouterr().err
    assert start(*argv, "--data.weight_column", "null") == 0
    again = json.loads((run / "evaluation.json").read_text())
    trained = json.loads((run / "metrics.json").read_text())["test"]
    assert again["n"] == len(rows) and again["accuracy"] == trained["accuracy"]
