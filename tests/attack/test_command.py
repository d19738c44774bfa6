"""`attack`, as a user gives it: on a run of the embedded default and on real photos."""

import json
from pathlib import Path

import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.attack.command import attack
from tfpipeline.config.attack import AttackSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.demo import world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "new"
    world.write_folder(folder, ["rocket", "teapot"], 3, seed=77)
    (folder / "rocket" / "broken.jpg").write_text("no image")
    return folder


def run(output: Path, *words: str) -> int:
    return cli.main(attack, AttackSettings, ["--output", str(output), *words])


def result(output: Path) -> dict:
    return json.loads((output / "attack.json").read_text())


@pytest.fixture(scope="module")
def attacked(small_run, pictures, tmp_path_factory) -> tuple[Path, dict]:
    output = tmp_path_factory.mktemp("attack") / "out"
    words = ["--run", str(small_run.path), "--images", str(pictures)]
    words += ["--epsilon", "8/255", "--minimal", "true", "--full_size", "true"]
    words += ["--judges", str(small_run.path), "--matrix", "true"]
    words += ["--defences", "bit_depth:3", "--jpeg", "90"]
    assert run(output, *words) == 0
    return output, result(output)


def test_what_is_told_is_true_of_the_files(attacked, small_run) -> None:
    """Everything is computed again, from the files alone, by plain Keras."""
    from tfpipeline.models import saving

    output, outcome = attacked
    model, labels = saving.load_classifier(small_run.path / "model.keras")
    assert len(outcome["images"]) + len(outcome["left_out"]) == 6
    for item in outcome["images"]:
        file = image_io.decode(output / item["adversarial"])
        clean = image_io.read(Path(item["image"]), 32, 32, "squash")
        logits = np.asarray(model(file[None].astype(np.float32) / 255))[0]
        assert labels[int(logits.argmax())] == item["final_class"]
        assert item["success_8bit"] is (item["final_class"] != item["label"])
        delta = (file.astype(np.float64) - clean) / 255
        assert np.abs(delta).max() == pytest.approx(item["linf"], abs=1e-9)
        assert item["linf"] <= 8 / 255 + 1e-6
        assert np.sqrt((delta**2).sum()) == pytest.approx(item["l2"])
        assert item["psnr"] == pytest.approx(-10 * np.log10((delta**2).mean()))
        assert 0 < item["ssim"] < 1
        assert image_io.decode(output / item["figure"]).shape[1] > 900


def test_a_table_tells_what_the_result_does(attacked) -> None:
    output, outcome = attacked
    rows = file_io.read_csv(output / outcome["summary"]["table"])
    for row, item in zip(rows, outcome["images"], strict=True):
        for name in ("image", "adversarial", "figure", "label", "final_class"):
            assert row[name] == item[name]
        assert float(row["l2"]) == item["l2"]
        assert row["success_jpeg.90"] == str(item["success_jpeg"]["90"])


def test_labels_come_from_the_folders(attacked) -> None:
    _, outcome = attacked
    for item in outcome["images"]:
        assert item["label_from"] == "folder"
        assert item["label"] == Path(item["image"]).parent.name


def test_the_smallest_perturbation_is_not_larger_than_the_one_that_was_made(
    attacked,
) -> None:
    _, outcome = attacked
    for item in outcome["images"]:
        if item["success_8bit"]:
            assert 0 < item["least"] <= item["linf"] + 1e-6


def test_every_check_is_made_and_says_what_it_means(attacked) -> None:
    _, outcome = attacked
    expected = {"threat_model", "only_right_ones", "survives_8_bits", "in_the_ball"}
    expected |= {"gradients_not_zero", "logits_not_saturated", "deterministic"}
    expected |= {"iterated_beats_single_step", "random_noise_fails", "monotone"}
    expected |= {"unbounded_succeeds", "more_steps_change_nothing"}
    expected |= {"gradient_free_not_better", "clean_accuracy_plausible"}
    assert set(outcome["checks"]) == expected
    for name, check in outcome["checks"].items():
        assert check["meaning"] and "value" in check
        failed = check["passed"] is False
        assert name == "random_noise_fails" or not failed, (name, check)
        assert (check["outcome"] == "not asked") is (check["passed"] is None)
    left = sum(not item["success"] for item in outcome["images"])
    for name in ("more_steps_change_nothing", "gradient_free_not_better"):
        assert (outcome["checks"][name]["passed"] is None) is (left == 0)


def test_accuracy_falls_with_epsilon(attacked) -> None:
    _, outcome = attacked
    accuracies = [point["accuracy"] for point in outcome["summary"]["curve"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] == outcome["summary"]["clean_accuracy"]
    radii = [point["epsilon"] * 255 for point in outcome["summary"]["curve"]]
    assert radii == pytest.approx([0, 4, 8, 16])


def test_a_judge_that_is_the_network_itself_is_fooled_as_often(attacked) -> None:
    _, outcome = attacked
    (rate,) = outcome["summary"]["transfer"].values()
    assert rate == outcome["summary"]["success_rate"]
    rows = outcome["summary"]["matrix"]
    assert all(row == rows[next(iter(rows))] for row in rows.values())


def test_an_attack_that_knows_of_a_defence_is_at_least_as_good(attacked) -> None:
    _, outcome = attacked
    worth = outcome["defences"]["bit_depth:3"]
    assert worth["fooled_adaptive"] >= worth["fooled_unaware"]
    assert worth["fooled_adaptive"] > 0.5


def test_perturbations_are_carried_back_to_the_photographs(attacked) -> None:
    output, outcome = attacked
    for item in outcome["images"]:
        photograph = image_io.decode(Path(item["image"]))
        if item["full_size"] is None:
            assert min(photograph.shape[:2]) < 32
            continue
        assert image_io.decode(output / item["full_size"]).shape == photograph.shape


def test_what_cannot_be_read_is_listed(attacked) -> None:
    _, outcome = attacked
    (error,) = outcome["errors"]
    assert error["image"].endswith("broken.jpg") and error["error"]


def test_the_same_command_makes_the_same_pictures(
    attacked, small_run, pictures, tmp_path
) -> None:
    output, _ = attacked
    words = ["--run", str(small_run.path), "--images", str(pictures)]
    assert run(tmp_path / "again", *words, "--epsilon", "8/255") == 0
    for item in result(tmp_path / "again")["images"]:
        one, two = (
            image_io.decode(folder / item["adversarial"])
            for folder in (output, tmp_path / "again")
        )
        assert np.array_equal(one, two)


def test_two_devices_make_what_one_makes(small_run, pictures, tmp_path, capsys) -> None:
    outcome = []
    for name, more in (("one", []), ("two", ["--distribute.devices", "2"])):
        words = ["--run", str(small_run.path), "--images", str(pictures / "teapot")]
        words += ["--epsilon", "6/255", "--adversary.attack", "pgd", *more]
        assert run(tmp_path / name, *words) == 0
        outcome.append(result(tmp_path / name)["images"])
    for one, two in zip(*outcome):
        assert one["success"] == two["success"] and one["steps"] == two["steps"]


def test_the_lesson_is_measured_beside_the_right_attack(
    small_run, pictures, tmp_path, capsys
) -> None:
    words = ["--run", str(small_run.path), "--images", str(pictures / "rocket")]
    words += ["--target", "teapot", "--preset", "lesson", "--epsilon", "16/255"]
    assert run(tmp_path / "out", *words) == 0
    outcome = result(tmp_path / "out")
    assert len(outcome["summary"]["lesson_defects"]) == 5
    # What has become another class than the target is not right for that.
    assert outcome["summary"]["robust_accuracy"] is None
    shares = [point["target_not_reached"] for point in outcome["summary"]["curve"]]
    assert shares[0] == 1 and shares == sorted(shares, reverse=True)
    for item in outcome["images"]:
        told = item["lesson"]
        assert set(told["reported"]) == {"clean_on_0_to_255", "attacked_on_0_to_1"}
        assert told["measured"]["clean_right"]["class"] == item["clean_class"]
        assert image_io.decode(tmp_path / "out" / told["shown"]).shape == (32, 32, 3)
        assert image_io.decode(tmp_path / "out" / told["beside"]).shape[1] > 3 * 32
    first = Path(outcome["images"][0]["image"]).name
    assert f"The lesson's attack on {first}: it reports" in capsys.readouterr().out


def test_a_smallest_perturbation_is_asked_for_by_its_attack(
    small_run, pictures, tmp_path
) -> None:
    words = ["--run", str(small_run.path), "--images", str(pictures / "teapot")]
    words += ["--norm", "l2", "--epsilon", "0.7", "--adversary.attack", "fmn"]
    assert run(tmp_path / "out", *words, "--adversary.steps", "40") == 0
    outcome = result(tmp_path / "out")
    for item in outcome["images"]:
        # Only what is small enough counts, whatever was found.
        assert item["final_class"] != item["label"]
        assert item["success_8bit"] is (item["l2"] <= 0.7 + 1e-6)
    assert outcome["checks"]["in_the_ball"]["passed"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--epsilon", "4:255"], "--epsilon: expected a number or a fraction"),
        (["--epsilon", "0"], "--epsilon 0: expected more than 0"),
        (["--epsilon", "4"], "If you meant steps of 8 bits, write 4/255"),
        (["--epsilon", "0.5/255"], "less than one step of an 8-bit picture"),
        (["--epsilons", "0.2/255"], "--epsilons 0.2/255: less than one step"),
        (
            ["--judges", "MobileNet:0.25", "MobileNet:0.25"],
            "expected every network once",
        ),
        (["--judges", "MobileNet:0.25", "--matrix", "true"], "expected the classes of"),
        (["--defences", "noise:0"], "expected a number from 1 to 128"),
        (["--norm", "l3"], "Unknown --norm 'l3'"),
        (["--target", "teapt"], "Did you mean 'teapot'"),
        (["--preset", "lesson"], "expected --target"),
        (["--figures", "-1"], "--figures: expected a number from 0, or null"),
        (["--jpeg", "200"], "expected qualities from 1 to 95"),
        (["--defences", "jpg"], "Did you mean 'jpeg'"),
        (["--defences", "smoothing:4"], "expected a number from 3 to 9 and odd"),
        (["--adversary.attack", "pgdd"], "Did you mean 'pgd'"),
        (["--judges", "nothing"], "Unknown --judges network or run"),
        (["--resize", "squeeze"], "Unknown --resize"),
    ],
)
def test_what_means_nothing_is_refused_with_advice(
    words: list[str], told: str, small_run, pictures, tmp_path, capsys
) -> None:
    given = ["--run", str(small_run.path), "--images", str(pictures), *words]
    assert run(tmp_path / "out", *given) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_to_attack_is_said(small_run, tmp_path, capsys) -> None:
    world.write_folder(tmp_path / "in", ["teapot"], 1, seed=77)
    words = ["--run", str(small_run.path), "--images", str(tmp_path / "in")]
    assert run(tmp_path / "out", *words, "--target", "teapot") == 2
    assert "it is taken for the target already" in capsys.readouterr().err


def test_a_network_that_is_wrong_about_all_is_told_of_pixel_spaces(
    small_run, tmp_path, capsys
) -> None:
    world.write_folder(tmp_path / "in", ["teapot"], 5, seed=77)
    (tmp_path / "in" / "teapot").rename(tmp_path / "in" / "rocket")
    words = ["--run", str(small_run.path), "--images", str(tmp_path / "in")]
    assert run(tmp_path / "out", *words) == 2
    said = capsys.readouterr().err
    assert "So are all 5: it may expect another pixel space" in said


def test_a_finished_result_is_not_replaced_unasked(attacked, small_run, capsys) -> None:
    output, _ = attacked
    assert run(output, "--run", str(small_run.path), "--images", "x") == 2
    assert "--overwrite true" in capsys.readouterr().err


@pytest.mark.assets
def test_a_real_dog_becomes_a_siamese_cat_at_two_grey_levels(
    imagenet, assets, tmp_path, capsys
) -> None:
    dog = assets / "images" / "dog.jpg"
    words = ["--images", str(dog), "--target", "Siamese cat", "--epsilon", "2/255"]
    assert run(tmp_path / "out", *words, "--minimal", "true") == 0
    (item,) = result(tmp_path / "out")["images"]
    assert item["success_8bit"] and item["final_class"] == "Siamese cat"
    assert item["linf"] <= 2 / 255 + 1e-6
    assert item["least"] <= 2 / 255 + 1e-6
    assert "dog.jpg: Appenzeller" in capsys.readouterr().out


@pytest.mark.assets
def test_no_real_photograph_withstands_four_grey_levels(
    imagenet, assets, tmp_path
) -> None:
    some = assets / "images" / "imagenet_sample" / "n021[012]*.JPEG"
    words = ["--images", str(some), "--target", "Siamese cat", "--epsilon", "4/255"]
    words += ["--epsilons", "4/255"]
    assert run(tmp_path / "out", *words) == 0
    outcome = result(tmp_path / "out")
    assert outcome["summary"]["attacked"] >= 3
    assert outcome["summary"]["success_rate"] == 1
    assert {item["label_from"] for item in outcome["images"]} == {"wordnet number"}
