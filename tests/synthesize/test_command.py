"""`synthesize`, as a user gives it: pictures, figures, refusals."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.core import image_io
from tfpipeline.core.checks import failed
from tfpipeline.synthesize.command import synthesize
from tfpipeline.train.command import train

pytestmark = pytest.mark.slow


def run(output: Path, *words: str) -> int:
    return cli.main(synthesize, SynthesizeSettings, ["--output", str(output), *words])


def result(output: Path) -> dict:
    return json.loads((output / "synthesis.json").read_text())


@pytest.fixture(scope="module")
def made(demo_run, tmp_path_factory) -> tuple[Path, dict]:
    """Two classes of the embedded default's run, both presets, judged by itself."""
    output = tmp_path_factory.mktemp("ideal") / "out"
    words = ["--run", str(demo_run.path), "--classes", "teapot", "0"]
    words += ["--compare", "true", "--gif", "true", "--judges", str(demo_run.path)]
    words += ["--synthesis.steps", "48"]
    assert run(output, *words) == 0
    return output, result(output)


def test_what_the_network_thinks_of_is_recognised_by_it(made, demo_run) -> None:
    output, found = made
    labels = (demo_run.path / "labels.txt").read_text().split("\n")
    assert [i["class"] for i in found["images"]] == ["teapot", labels[0]]
    for item in found["images"]:
        assert item["end_score"] > item["start_score"] and item["rose"]
        assert item["probability"] > 0.95 > item["start_probability"]
        assert item["steps"] == 48 and item["seconds"] > 0
        assert set(item["judges"]) == {str(demo_run.path)} and item["recognised"]
        picture = image_io.decode(output / item["image"])
        assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
    assert set(failed(found["checks"])) <= {"natural_path"}
    assert found["summary"]["recognised"] == 2
    # How it goes through the layers is compared with photographs of the run.
    assert isinstance(found["checks"]["natural_path"]["value"], float)
    assert all(len(item["natural_path"]) == 8 for item in found["images"])
    assert (output / found["summary"]["natural_path_chart"]).is_file()
    # It was judged by itself, which is said.
    assert not found["summary"]["judges"][str(demo_run.path)]["took_no_part"]


def test_probabilities_are_those_of_the_file_on_the_disk(made, demo_run) -> None:
    from tfpipeline.models import saving

    output, found = made
    model, _ = saving.load_classifier(demo_run.path / "model.keras")
    for item in [*found["images"], *found["compared"][0]["images"]]:
        picture = image_io.decode(output / item["file"]).astype(np.float32)[None] / 255
        logits = np.asarray(model(picture, training=False))[0].astype(np.float64)
        share = np.exp(logits - logits.max())[item["index"]]
        share /= np.exp(logits - logits.max()).sum()
        assert item["probability"] == pytest.approx(share, abs=1e-4)
        verdict = item["judges"][str(demo_run.path)]
        assert verdict["probability"] == pytest.approx(share, abs=1e-4)
        assert verdict["rank"] == int((logits >= logits[item["index"]]).sum())


def test_sheets_charts_and_animations_can_be_opened(made) -> None:
    output, found = made
    for name in ("sheet.png", "compare.png", "lesson/sheet.png"):
        assert image_io.decode(output / name).shape[1] > 96
    for item in found["images"]:
        height, width, _ = image_io.decode(output / "charts" / item["image"]).shape
        assert width > 2 * height
        with Image.open(output / item["gif"]) as animation:
            assert animation.n_frames > 10


def test_the_lesson_is_named_with_its_defects(made) -> None:
    (other,) = made[1]["compared"]
    assert other["summary"]["preset"] == "lesson"
    names = {"finite", "score_rose", "gradient", "recognised", "natural_path"}
    assert set(other["checks"]) == names
    assert len(other["summary"]["defects"]) >= 4
    assert other["images"][0]["steps"] == 1000
    assert {"probability", "least", "largest"} <= set(other["images"][0]["raw"])


def test_two_replicas_make_the_same_pictures_and_another_seed_others(
    small_run, tmp_path
) -> None:
    words = ["--run", str(small_run.path), "--classes", "teapot", "0", "1"]
    words += ["--synthesis.steps", "8", "--distribute.strategy"]
    # As many at a time as each replica has: on some processors a convolution rounds
    # otherwise for another number, which steps enlarge.
    alone = [*words, "one_device", "--synthesis.batch_size", "1"]
    both = [*words, "mirrored", "--distribute.devices", "2"]
    both += ["--synthesis.batch_size", "2"]
    named = {"one": alone, "two": both, "other": [*alone, "--seed", "1"]}
    for name, given in {**named, "again": alone}.items():
        assert run(tmp_path / name, *given) == 0
    for item in result(tmp_path / "one")["images"]:
        one, two, other = (
            image_io.decode(tmp_path / name / item["image"]).astype(int)
            for name in named
        )
        assert np.abs(one - two).max() <= 1 < np.abs(one - other).max()
        same = (tmp_path / name / item["image"] for name in ("one", "again"))
        assert next(same).read_bytes() == next(same).read_bytes()


@pytest.mark.parametrize("parameterization", ["phases", "pixels"])
def test_other_things_can_be_changed_than_waves(
    demo_run, tmp_path, parameterization: str
) -> None:
    words = ["--run", str(demo_run.path), "--classes", "teapot", "0"]
    words += ["--synthesis.parameterization", parameterization]
    assert run(tmp_path / "o", *words, "--synthesis.steps", "64") == 0
    found = result(tmp_path / "o")
    assert (
        found["checks"]["finite"]["passed"] and found["checks"]["eight_bit"]["passed"]
    )
    for item in found["images"]:
        assert item["rose"] and item["probability"] > 2 * item["start_probability"]


def test_a_network_in_half_precision_can_be_climbed(tmp_path) -> None:
    """Its gradients are small numbers: none may be taken for nought."""
    words = ["--data.examples_per_class", "5", "--train.epochs", "40"]
    words += [
        "--train.precision",
        "mixed_float16",
        "--cache_dir",
        str(tmp_path / "cache"),
    ]
    trained = ["--workdir", str(tmp_path / "run"), *words]
    try:
        assert cli.main(train, RunSettings, trained) == 0
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    words = ["--run", str(tmp_path / "run"), "--classes", "teapot", "0"]
    assert run(tmp_path / "o", *words, "--synthesis.steps", "64") == 0
    found = result(tmp_path / "o")
    assert set(failed(found["checks"])) <= {"natural_path"}
    for item in found["images"]:
        assert item["probability"] > 0.9 and not item["woken"]


def test_a_score_that_did_not_rise_is_told(small_run, tmp_path, capsys) -> None:
    words = ["--run", str(small_run.path), "--classes", "teapot"]
    assert run(tmp_path / "o", *words, "--synthesis.steps", "0") == 0
    assert not result(tmp_path / "o")["checks"]["score_rose"]["passed"]
    assert "Careful: teapot" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--classes"], "--classes: expected names or numbers"),
        (["--classes", "teapott"], "Did you mean 'teapot'"),
        (["--classes", "6"], "from 0 to 5"),
        (["--classes", "0", "--preset", "bets"], "'best'"),
        (["--classes", "0", "--model.backbone", "VGG16"], "--run with --model"),
        (["--classes", "0", "--judges", "VGG161"], "'VGG16'"),
        (["--classes", "0", "--synthesis.start", "nowhere.png"], "nowhere.png"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    small_run, tmp_path, capsys, words, said
) -> None:
    output = tmp_path / "o"
    assert run(output, "--run", str(small_run.path), *words) == 2
    assert said in capsys.readouterr().err
    assert not output.exists()


def test_an_earlier_result_is_not_replaced_unasked(small_run, tmp_path, capsys) -> None:
    words = ["--run", str(small_run.path), "--classes", "0", "--synthesis.steps", "1"]
    assert run(tmp_path, *words) == 0
    first = result(tmp_path)["summary"]["seed"]
    assert run(tmp_path, *words, "--seed", "5") == 2
    assert "--overwrite true" in capsys.readouterr().err
    assert result(tmp_path)["summary"]["seed"] == first
    assert run(tmp_path, *words, "--seed", "5", "--overwrite", "true") == 0
    assert result(tmp_path)["summary"]["seed"] == 5
    # What the earlier result named and the new one does not is gone.
    (old,) = tmp_path.glob("0_*.png")
    words[3] = "1"
    assert run(tmp_path, *words, "--overwrite", "true") == 0
    assert not old.exists() and not (tmp_path / "charts" / old.name).exists()


@pytest.mark.parametrize("backbone", ("VGG16", "MobileNet"))
def test_an_untrained_network_can_be_climbed_without_a_network(
    backbone: str, tmp_path
) -> None:
    """The real weights are one flag away: leave out --model.weights."""
    words = ["--model.backbone", backbone, "--model.weights", "none", "--classes"]
    words += ["284", "340", "--model.image_size", "64", "--synthesis.steps", "48"]
    # A gentle climb: the preset's own needs more steps on what answers at random.
    words += ["--synthesis.learning_rate", "0.05", "--synthesis.fading", "0"]
    words += ["--synthesis.relu_gradient", "0"]
    assert run(tmp_path / "o", *words) == 0
    found = result(tmp_path / "o")
    # Of weights at random, the transforms may hide the rise of one picture.
    assert sum(i["end_score"] - i["start_score"] for i in found["images"]) > 0
    assert found["images"][0]["index"] == 284


@pytest.mark.assets
def test_a_network_that_took_no_part_recognises_what_is_made(
    assets, imagenet, tmp_path: Path
) -> None:
    """In half of the steps; of a judge that names 6 of 10 photographs, the first 5."""
    words = ["--classes", "zebra", "lawn mower"]
    words += ["--judges", "MobileNet:0.25", "--synthesis.steps", "256"]
    assert run(tmp_path / "o", *words) == 0
    found = result(tmp_path / "o")
    assert set(failed(found["checks"])) <= {"natural_path"}
    for item in found["images"]:
        assert item["probability"] >= 0.99
        assert item["end_score"] > item["start_score"] + 20
    ranks = [item["judges"]["MobileNet:0.25"]["rank"] for item in found["images"]]
    assert max(ranks) <= 5, ranks
