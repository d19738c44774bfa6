"""`features`, as a user gives it: sheets, maps, channels, refusals."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.combine.command import combine
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import image_io
from tfpipeline.demo import world
from tfpipeline.features.command import features
from tfpipeline.models import classifier, saving


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    world.write_folder(folder / "new", ["rocket", "teapot"], 3, seed=77)
    (folder / "new" / "rocket" / "broken.jpg").write_text("no image")
    return folder / "new"


def run(output: Path, *words: str) -> int:
    return cli.main(features, FeaturesSettings, ["--output", str(output), *words])


def result(output: Path) -> dict:
    return json.loads((output / "features.json").read_text())


@pytest.fixture(scope="module")
def looked(small_run, pictures, tmp_path_factory) -> tuple[Path, dict]:
    output = tmp_path_factory.mktemp("features") / "out"
    words = ["--run", str(small_run.path), "--images", str(pictures)]
    words += ["--channels", "block4_relu:7", "block2_relu:1", "--steps", "24"]
    assert run(output, *words, "--top", "5") == 0
    return output, result(output)


def test_layers_are_evenly_chosen_and_their_strongest_channels_shown(looked) -> None:
    output, found = looked
    assert len(found["images"]) == 6
    for item in found["images"]:
        assert len(item["layers"]) == 6
        assert item["layers"][-1]["layer"] == "block4_pool"
        for told in item["layers"]:
            means = [c["mean"] for c in told["channels"]]
            assert means == sorted(means, reverse=True) and len(means) == 5
            assert image_io.decode(output / told["sheet"]).shape[1] > 5 * 100
        assert image_io.decode(output / item["overview"]).shape[1] > 800


def test_the_channels_told_are_the_strongest_of_the_layer(looked, small_run) -> None:
    _, found = looked
    model, _ = saving.load_classifier(small_run.path / "model.keras")
    backbone = classifier.backbone_of(model)
    item = found["images"][0]
    told = item["layers"][2]
    inner = keras.Model(backbone.input, backbone.get_layer(told["layer"]).output)
    picture = image_io.read(Path(item["image"]), 32, 32, "squash").astype(np.float32)
    maps = np.asarray(inner(picture[None] / 127.5 - 1))[0]
    means = maps.mean((0, 1))
    best = np.argsort(np.where(np.ptp(maps, (0, 1)) > 0, -means, 0))[:5]
    assert [c["channel"] for c in told["channels"]] == best.tolist()
    np.testing.assert_allclose(
        [c["mean"] for c in told["channels"]], means[best], rtol=1e-3
    )


def test_what_speaks_for_the_first_class_is_drawn(looked, small_run) -> None:
    output, found = looked
    labels = (small_run.path / "labels.txt").read_text().split()
    for item in found["images"]:
        (told,) = item["explained"]
        assert told["grad_cam_layer"] == "block4_pool"
        assert told["class"] == item["class"] == item["top"][0][0] in labels
        for kind in ("grad_cam", "smooth_grad"):
            assert image_io.decode(output / told[kind]).shape == (32, 32, 3)
        assert image_io.decode(output / item["explained_sheet"]).shape[1] > 600


def test_a_channel_has_an_ideal_and_photographs_in_order(looked) -> None:
    output, found = looked
    assert [c["layer"] for c in found["channels"]] == [
        "block4_relu",
        "block2_relu",
    ]
    for channel in found["channels"]:
        assert channel["rose"] and channel["end_score"] > channel["start_score"]
        scores = [p["score"] for p in channel["photographs"]]
        assert scores == sorted(scores, reverse=True) and len(scores) == 6
        assert channel["end_score"] > scores[0]
        assert image_io.decode(output / channel["ideal"]).shape == (32, 32, 3)
        assert image_io.decode(output / channel["sheet"]).shape[1] > 200


def test_how_much_a_photograph_excites_a_channel_is_what_its_layer_answers(
    looked, small_run
) -> None:
    model, _ = saving.load_classifier(small_run.path / "model.keras")
    backbone = classifier.backbone_of(model)
    for channel in looked[1]["channels"]:
        layer = backbone.get_layer(channel["layer"])
        inner = keras.Model(backbone.input, layer.output)
        for told in channel["photographs"]:
            picture = image_io.read(Path(told["image"]), 32, 32, "squash")
            maps = np.asarray(inner(picture[None].astype(np.float32) / 127.5 - 1))
            own = maps[..., channel["channel"]].mean()
            assert told["score"] == pytest.approx(own, rel=1e-3, abs=1e-5)


def test_channels_of_a_layer_climb_together_as_each_does_alone(
    looked, small_run, pictures, tmp_path
) -> None:
    words = ["--run", str(small_run.path), "--images", str(pictures / "teapot")]
    words += ["--channels", "block4_relu:3", "block4_relu:7", "--steps", "24"]
    assert run(tmp_path / "o", *words, "--layer_count", "1") == 0
    alone = looked[1]["channels"][0]
    together = result(tmp_path / "o")["channels"][1]
    for key in ("start_score", "end_score"):
        # But for rounding, which grows over the steps.
        assert together[key] == pytest.approx(alone[key], rel=0.02)


def test_a_channel_that_did_not_rise_is_told(
    small_run, pictures, tmp_path, capsys
) -> None:
    words = ["--run", str(small_run.path), "--images", str(pictures / "teapot")]
    words += ["--channels", "block4_relu:3", "--steps", "0", "--layer_count", "1"]
    assert run(tmp_path / "o", *words) == 0
    check = result(tmp_path / "o")["checks"]["score_rose"]
    assert not check["passed"] and check["value"] == ["block4_relu:3"]
    printed = capsys.readouterr()
    assert "block4_relu:3: the score did not rise" in printed.out + printed.err


@pytest.fixture()
def ensemble(small_run, tmp_path) -> Path:
    """A run with two backbones of one family."""
    other = Path(shutil.copytree(small_run.path, tmp_path / "other"))
    model, labels = saving.load_classifier(other / "model.keras")
    rng = np.random.default_rng(0)
    weights = [w * (1 + 0.05 * rng.random(w.shape)) for w in model.get_weights()]
    model.set_weights(weights)
    saving.save_classifier(other / "model.keras", model, labels)
    argv = ["--runs", str(small_run.path), str(other), "--how", "ensemble"]
    both = tmp_path / "both"
    assert cli.main(combine, CombineSettings, [*argv, "--workdir", str(both)]) == 0
    return both


def test_an_ensemble_is_looked_into_by_the_names_of_its_members(
    ensemble, pictures, tmp_path, capsys
) -> None:
    last = ["member_0/block4_pool", "member_1/block4_pool"]
    words = ["--run", str(ensemble), "--images", str(pictures / "teapot")]
    assert run(tmp_path / "o", *words, "--layers", *last) == 0
    for item in result(tmp_path / "o")["images"]:
        assert [told["layer"] for told in item["layers"]] == last
        first, second = (told["channels"] for told in item["layers"])
        assert first != second
        assert item["explained"][0]["grad_cam_layer"] == ", ".join(last)
    assert "Grad-CAM" in (ensemble / "report.html").read_text()
    capsys.readouterr()
    assert run(tmp_path / "no", *words, "--layers", "block4_relu") == 2
    assert "Did you mean 'member_" in capsys.readouterr().err


def test_the_layer_that_explains_can_be_chosen(small_run, pictures, tmp_path) -> None:
    words = ["--run", str(small_run.path), "--images", str(pictures / "teapot")]
    words += ["--layer_count", "1", "--grad_cam_layer"]
    found = []
    for name in ("block2_relu", "block4_relu"):
        assert run(tmp_path / name, *words, name) == 0
        (told,) = result(tmp_path / name)["images"][0]["explained"]
        assert told["grad_cam_layer"] == name
        found.append(image_io.decode(tmp_path / name / told["grad_cam"]))
    assert not np.array_equal(*found)


def test_a_broken_photograph_is_told_and_the_others_are_looked_at(looked) -> None:
    (error,) = looked[1]["errors"]
    assert error["image"].endswith("broken.jpg") and error["error"]


def test_layers_and_classes_can_be_named(small_run, pictures, tmp_path) -> None:
    words = ["--run", str(small_run.path), "--images", str(pictures / "teapot")]
    words += ["--layers", "block1_relu", "block4_relu", "--classes", "teapot", "rocket"]
    assert run(tmp_path / "o", *words) == 0
    for item in result(tmp_path / "o")["images"]:
        assert [told["layer"] for told in item["layers"]] == [
            "block1_relu",
            "block4_relu",
        ]
        assert [told["class"] for told in item["explained"]] == ["teapot", "rocket"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layers", "block1_rell"], "Did you mean 'block1_relu'"),
        (["--layers", "features"], "a map with a height"),
        (["--channels", "block4_relu"], "expected LAYER:NUMBER"),
        (["--channels", "block4_relu:128"], "128 channels, from 0 to 127"),
        (["--classes", "rokket"], "'rocket'"),
        (["--resize", "squish"], "'squash'"),
        (["--grad_cam_layer", "features"], "a map with a height"),
        (["--layer_count", "0"], "--layer_count: expected at least 1"),
        (["--images", "nowhere/*.jpg"], "no such file"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    small_run, pictures, tmp_path, capsys, words, said
) -> None:
    given = ["--run", str(small_run.path), *words]
    if "--images" not in words:
        given += ["--images", str(pictures / "teapot")]
    assert run(tmp_path / "o", *given) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_only_broken_photographs_are_an_error(
    small_run, pictures, tmp_path, capsys
) -> None:
    words = ["--images", str(pictures / "rocket" / "broken.jpg")]
    assert run(tmp_path / "o", "--run", str(small_run.path), *words) == 2
    assert "broken.jpg" in capsys.readouterr().err


@pytest.mark.assets
@pytest.mark.slow
def test_grad_cam_finds_the_animal_on_a_photograph(
    assets, imagenet, tmp_path: Path
) -> None:
    """A network that saw only a black picture with a dog in one corner looks there."""
    dog = image_io.read(assets / "images" / "dog.jpg", 112, 112, "crop")
    for place, (top, left) in {"first": (0, 0), "last": (112, 112)}.items():
        canvas = np.full((224, 224, 3), 128, np.uint8)
        canvas[top : top + 112, left : left + 112] = dog
        image_io.save_png(tmp_path / f"{place}.png", canvas)
    words = ["--images", str(tmp_path / "first.png"), str(tmp_path / "last.png")]
    assert run(tmp_path / "o", *words, "--layer_count", "2") == 0
    first, last = (item["explained"][0] for item in result(tmp_path / "o")["images"])
    assert max(first["grad_cam_peak"]) < 112 <= min(last["grad_cam_peak"])


def test_a_run_is_asked_about_the_pixels_that_it_was_trained_on(demo_run) -> None:
    from tfpipeline.config import ModelSettings
    from tfpipeline.models import load_network

    opened = load_network.open_network(str(demo_run.path), ModelSettings())
    assert opened.resize in (demo_run.path / "config.yaml").read_text()


def test_photographs_of_any_name_have_a_folder_of_their_own() -> None:
    from tfpipeline.core.result_dir import own_name

    taken = {"channels"}
    names = ["...jpg", "a.png", "b/a.jpg", "channels.png", "..png"]
    folders = [own_name(Path(name), taken) for name in names]
    assert folders == ["image", "a", "a_2", "channels_2", "image_2"]
