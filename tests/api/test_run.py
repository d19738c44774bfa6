"""A finished training as an object answers as its commands do."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import tfpipeline
from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.predict.command import predict

pytestmark = pytest.mark.slow


@pytest.fixture
def run(demo_run: Trained) -> tfpipeline.Run:
    return tfpipeline.Run.load(demo_run.path)


@pytest.fixture
def small(small_run: Trained) -> tfpipeline.Run:
    """A run of a network that is traced sooner."""
    return tfpipeline.Run.load(small_run.path)


@pytest.fixture
def own(demo_run: Trained, tmp_path: Path) -> tfpipeline.Run:
    """A copy of the run, which may be spoilt."""
    shutil.copytree(demo_run.path, tmp_path / "run")
    return tfpipeline.Run.load(tmp_path / "run")


def test_a_run_knows_its_files(run: tfpipeline.Run) -> None:
    assert run.labels[0] == "bicycle" and len(run.labels) == 6
    assert run.settings.data.source == "demo" and run.metrics["test"]["n"] == 72
    assert [row["epoch"] for row in run.history] == list(range(1, 31))
    accuracy = run.metrics["test"]["accuracy"]
    assert Path(run) == run.path and tfpipeline.Run.load(run).path == run.path
    assert f"6 classes, test accuracy {accuracy:.3f} (0." in repr(run)


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_run_is_told(path: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tfpipeline.UserError, match="expected the folder of a"):
        tfpipeline.Run.load(path)


def test_arrays_files_and_the_command_say_the_same(
    small: tfpipeline.Run, tmp_path: Path
) -> None:
    sample = small.sample(6)
    folder = tmp_path / "pictures"
    for number, picture in enumerate(sample.images):
        image_io.save_png(folder / f"{number}.png", picture)
    files = sorted(folder.iterdir())
    argv = ["--model", str(small.path), "--output", str(tmp_path / "p.csv")]
    assert cli.main(predict, PredictSettings, [*argv, "--images", str(folder)]) == 0
    told = file_io.read_csv(tmp_path / "p.csv")
    for given in (sample, sample.images, list(sample.images), files, folder):
        found = small.predict(given)
        assert found.labels == [row["label"] for row in told]
        shares = [one.probability for one in found]
        expected = [float(row["probability"]) for row in told]
        assert np.allclose(shares, expected, atol=1e-5)
    assert [one.id for one in small.predict(files)] == [str(file) for file in files]
    assert [one.id for one in small.predict(sample)] == ["0", "1", "2", "3", "4", "5"]


def test_a_file_that_is_no_picture_is_an_answer(
    run: tfpipeline.Run, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_text("no image")
    (one,) = run.predict(tmp_path / "broken.jpg", top_k=1)
    assert one.error and one.label == "" and one.top_k == ()


def test_predictions_are_written_where_that_is_asked_for(
    small: tfpipeline.Run, tmp_path: Path
) -> None:
    file = tmp_path / "p.jsonl"
    found = small.predict(small.sample(2), top_k=2, output=str(file))
    assert len(file.read_text().splitlines()) == len(found) == 2
    assert len(found[0].top_k) == 2


def test_the_classifier_is_read_once_and_again_when_it_has_changed(
    own: tfpipeline.Run,
) -> None:
    sample = own.sample(1)
    first = own.predict(sample)
    model = own._ready().model
    own.predict(sample)
    assert own._ready().model is model
    for weight in model.trainable_variables:
        weight.assign(0 * weight)
    model.save(own.files.model)
    with pytest.raises(tfpipeline.UserError, match="cannot be read"):
        own.predict(sample)  # It has no class names.
    assert first[0].label == sample.labels[0]


def test_it_is_measured_as_the_command_measures_it(own: tfpipeline.Run) -> None:
    found = own.evaluate()
    assert found["accuracy"] == own.metrics["test"]["accuracy"]
    assert found["n"] == 72 and found.path == own.path
    assert f"accuracy {found['accuracy']:.4g}" in repr(found)
    assert found._repr_html_() is None


def test_figures_are_drawn_from_its_files(run: tfpipeline.Run) -> None:
    assert len(run.show_curves().axes[0].lines[0].get_xdata()) == 30
    counts = [int(text.get_text()) for text in run.show_confusion().axes[0].texts]
    assert sum(counts) == 72
    validation = run.show_confusion("validation").axes[0].texts
    assert sum(int(text.get_text()) for text in validation) == 36
    shown = [axes for axes in run.show_top_losses(4).axes if axes.images]
    height, width = shown[0].images[0].get_array().shape[:2]
    assert len(shown) == 4 and (height, width) == (96, 192)
    alone = run.show_top_losses(1, grad_cam=False).axes[0].images[0].get_array()
    assert alone.shape[:2] == (96, 96)
    assert run.show_batch().files[0].is_file()
    assert run.show_report().path == run.files.report


def test_what_cannot_be_drawn_is_told(own: tfpipeline.Run) -> None:
    with pytest.raises(tfpipeline.UserError, match="Unknown split 'tset'"):
        own.show_confusion("tset")
    shutil.rmtree(own.files.figures)
    with pytest.raises(tfpipeline.UserError, match="no such images"):
        own.show_top_losses()
    own.files.history.unlink()
    with pytest.raises(tfpipeline.UserError, match="no epoch"):
        own.show_curves()


def test_a_missing_page_is_made_again(own: tfpipeline.Run) -> None:
    own.files.report.unlink()
    assert own.show_report().path.is_file()


def test_what_was_exported_answers_as_the_run(
    small: tfpipeline.Run, tmp_path: Path
) -> None:
    served = small.export(tmp_path / "served", parity_images=6, batch_sizes=[1])
    assert served.version == 1 and served.path == tmp_path / "served" / "1"
    assert str(tmp_path / "served") in served.serve_command
    sample = small.sample(3)
    ours, theirs = small.predict(sample), served.predict(sample)
    assert theirs.labels == ours.labels
    for one, other in zip(ours, theirs):
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
    moved = tfpipeline.export(output=tmp_path / "served", stable=1)
    assert moved.version is None and moved["labels"] == {"stable": 1}


def test_it_is_looked_into_and_attacked(
    small: tfpipeline.Run, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ideal = small.synthesize("teapot", synthesis={"steps": 4})
    assert [one["class"] for one in ideal["images"]] == ["teapot"]
    assert ideal.show().files[0] == Path("ideal_images/sheet.png")
    sample = small.sample(2)
    seen = small.features(sample[:1], output="seen")
    assert seen["images"][0]["class"] == small.predict(sample).labels[0]
    assert [file.name for file in seen.show().files] == [
        *("explained.png", "overview.png")
    ]
    fooled = small.attack(sample, epsilon="8/255", adversary={"attack": "fgsm"})
    items = fooled["images"] + fooled["left_out"]
    assert {Path(one["image"]).parent.name for one in items} == set(sample.labels)
    assert {one["label_from"] for one in fooled["images"]} <= {"folder"}
    command = fooled["summary"]["command"]
    assert command.startswith("python -m tfpipeline.attack --run=")
    # A second one is refused before anything of the first is touched.
    given = Path(fooled["images"][0]["image"])
    before = given.read_bytes()
    with pytest.raises(tfpipeline.UserError, match="--overwrite true"):
        small.attack(1 - sample.images)
    assert given.read_bytes() == before


def test_settings_may_be_a_dataclass(small: tfpipeline.Run) -> None:
    told = PredictSettings(model=str(small.path), top_k=1)
    found = tfpipeline.predict(told, images=small.sample(2))
    assert len(found) == 2 and len(found[0].top_k) == 1
    assert dataclasses.is_dataclass(found[0])
