"""The second stage and what surrounds it, end to end."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml

from tests.conftest import PLAIN, Trained
from tests.train.test_command import SMALL, pictures, start
from tfpipeline import cli
from tfpipeline.config import EvaluateSettings
from tfpipeline.core import file_io, run_dir, run_replacement
from tfpipeline.evaluate.command import evaluate
from tfpipeline.models import classifier, saving, unfreezing
from tfpipeline.train import checkpoints, fit, run_writer, setup

pytestmark = pytest.mark.slow

TINY = (*PLAIN, "--data.demo_per_class", "12")
# The same by the embedded weights, whose features are worth something.
DEMO = ("--data.demo_per_class", "12", "--model.image_size", "32")


def history(run: Path) -> list[dict[str, str]]:
    return file_io.read_csv(run / "history.csv")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose top layers have learnt, from the embedded weights."""
    folder = tmp_path_factory.mktemp("tuned")
    argv = ("--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache"))
    argv += ("--train.epochs", "4", "--fine_tune.epochs", "3", *DEMO)
    argv += ("--fine_tune.unfreeze", "block_13", "--fine_tune.learning_rate", "1e-3")
    assert start(*argv, "--data.validation_fraction", "0") == 0
    return folder / "run"


def test_both_stages_are_in_one_history(tuned: Path) -> None:
    rows = history(tuned)
    assert [row["stage"] for row in rows] == ["head"] * 4 + ["fine_tune"] * 3
    assert [row["epoch"] for row in rows] == list("1234567")
    assert float(rows[-1]["loss"]) < float(rows[3]["loss"])
    assert not (tuned / "checkpoints").exists()


def test_only_the_top_has_moved_and_no_statistic_of_batch_norm(tuned: Path) -> None:
    from tfpipeline.config import ModelSettings
    from tfpipeline.demo import world
    from tfpipeline.models import backbones

    model, _ = saving.load_classifier(tuned / "model.keras")
    found = classifier.backbone_of(model)
    settings = ModelSettings(weights="demo", alpha=0.35, image_size=32)
    first = backbones.build_backbone(settings, world.WEIGHTS_FILE)
    unfrozen = unfreezing.unfreeze(first, "block_13")
    free = {id(v) for _, layers in unfrozen.blocks for x in layers for v in x.weights}
    moved = []
    for old, new in zip(first.weights, found.weights, strict=True):
        if id(old) in free:
            moved.append(not np.array_equal(old, new))
        else:
            np.testing.assert_array_equal(old, new, err_msg=old.path)
    assert all(moved) and len(moved) == sum(len(x) for _, x in unfrozen.blocks)
    for old, new in zip(
        unfreezing.moving_statistics(first), unfreezing.moving_statistics(found)
    ):
        np.testing.assert_array_equal(old, new)


def test_the_result_is_that_of_the_saved_classifier(tuned: Path) -> None:
    from tfpipeline import cli
    from tfpipeline.config import EvaluateSettings
    from tfpipeline.evaluate.command import evaluate

    assert cli.main(evaluate, EvaluateSettings, ["--run", str(tuned)]) == 0
    again = json.loads((tuned / "evaluation.json").read_text())
    told = json.loads((tuned / "metrics.json").read_text())["test"]
    assert again["loss"] == pytest.approx(told["loss"], abs=1e-5)
    assert again["n"] == told["n"] and again["accuracy"] == told["accuracy"]


@pytest.mark.parametrize("averaging", ["none", "ema", "swa"])
def test_what_does_not_help_is_undone_and_told(
    tmp_path: Path, demo_run: Trained, averaging: str, capsys
) -> None:
    argv = ("--cache_dir", str(demo_run.cache), "--train.epochs", "3", *TINY)
    argv += ("--fine_tune.epochs", "1", "--fine_tune.learning_rate", "3.0")
    argv = (*argv, "--fine_tune.optimizer", "sgd", "--train.averaging", averaging)
    assert start(*argv, "--workdir", str(tmp_path / "r")) == 0
    assert "undone" in capsys.readouterr().out
    only_head = (*argv, "--fine_tune.epochs", "0")
    assert start(*only_head, "--workdir", str(tmp_path / "head")) == 0
    models = [
        saving.load_classifier(tmp_path / name / "model.keras")[0]
        for name in ("head", "r")
    ]
    for one, two in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, two)


def test_gradual_unfreezing_lets_lower_blocks_join_later(tmp_path: Path) -> None:
    argv = ("--train.epochs", "1", "--fine_tune.epochs", "1", *DEMO)
    argv += ("--fine_tune.gradual_epochs", "1", "--data.validation_fraction", "0")
    argv += ("--train.weight_decay", "0.1", "--cache_dir", str(tmp_path / "c"))
    assert start(*argv, "--workdir", str(tmp_path / "r")) == 0
    model, _ = saving.load_classifier(tmp_path / "r" / "model.keras")
    from tfpipeline.config import ModelSettings
    from tfpipeline.demo import world
    from tfpipeline.models import backbones

    settings = ModelSettings(weights="demo", alpha=0.35, image_size=32)
    first = backbones.build_backbone(settings, world.WEIGHTS_FILE)
    moved = {
        old.path.split("/")[0]
        for old, new in zip(first.weights, classifier.backbone_of(model).weights)
        if not np.array_equal(old, new)
    }
    assert moved == {"Conv_1"}, "in its first epoch only the topmost block learns"


def test_a_learning_rate_and_a_batch_size_are_found_and_written_down(
    tmp_path: Path,
) -> None:
    argv = ("--train.learning_rate", "auto", "--data.batch_size", "auto", *TINY)
    argv += ("--train.epochs", "2", "--cache_dir", str(tmp_path / "c"))
    assert start(*argv, "--workdir", str(tmp_path / "r")) == 0
    found = json.loads((tmp_path / "r" / "figures" / "learning_rate.json").read_text())
    assert 1e-6 <= found["rate"] <= 1
    assert (tmp_path / "r" / "figures" / "learning_rate.png").stat().st_size > 5000
    config = yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())
    assert config["train"]["learning_rate"] == pytest.approx(found["rate"])
    assert isinstance(config["data"]["batch_size"], int)
    rates = [float(row["learning_rate"]) for row in history(tmp_path / "r")]
    assert rates == pytest.approx([found["rate"]] * 2)


def test_a_run_that_diverges_names_its_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pictures(tmp_path / "p")
    argv = ("--workdir", str(tmp_path / "r"), "--data.source", str(root), *SMALL)
    argv += ("--train.learning_rate", "1e38", "--train.optimizer", "sgd")
    assert start(*argv, "--train.epochs", "20", "--train.patience", "null") == 2
    error = capsys.readouterr().err
    assert "NaN or infinite" in error and "roll_back" in error
    assert "Its batch: " in error
    rows = file_io.read_csv(tmp_path / "r" / "diverged.csv")
    assert len(rows) == 8 and rows[0]["id"].endswith(".png")
    assert not (tmp_path / "r" / "model.keras").exists()


def test_killed_between_the_stages_it_goes_on_with_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    argv = ("--train.epochs", "2", "--fine_tune.epochs", "2", *TINY)
    argv += ("--cache_dir", str(tmp_path / "c"), "--train.learning_rate", "auto")
    assert start(*argv, "--workdir", str(tmp_path / "whole")) == 0
    again = (*argv, "--workdir", str(tmp_path / "r"))
    real = fit.Fit.run

    def dies(self: fit.Fit) -> None:
        if self.stage.name == "fine_tune":
            raise SystemExit(9)
        real(self)

    with monkeypatch.context() as patched:
        patched.setattr(fit.Fit, "run", dies)
        with pytest.raises(SystemExit):
            start(*again)
    assert list((tmp_path / "r" / "checkpoints").glob("*.npz"))
    assert start(*again) == 0
    assert "resuming fine_tune" in capsys.readouterr().err
    files = [tmp_path / name / "history.csv" for name in ("whole", "r")]
    assert files[0].read_bytes() == files[1].read_bytes()
    # What the features told is known, though they were not read again.
    one, other = (
        json.loads((tmp_path / name / "metrics.json").read_text())["leaks"]
        for name in ("whole", "r")
    )
    assert one == other and one["families"]["compared"] > 0
    models = [
        saving.load_classifier(tmp_path / name / "model.keras")[0]
        for name in ("whole", "r")
    ]
    for one, two in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_checkpoint_that_cannot_be_written_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    write = np.savez

    def full(file: Any, **more: Any) -> None:
        if isinstance(file, io.BytesIO):
            raise OSError(28, "No space left on device")
        write(file, **more)

    monkeypatch.setattr(checkpoints.np, "savez", full)
    argv = ("--train.epochs", "2", "--checkpoint.every_steps", "1", *TINY)
    argv += ("--cache_dir", str(tmp_path / "c"), "--workdir", str(tmp_path / "r"))
    assert start(*argv) == 0
    assert "no checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_fine_tunes(tmp_path: Path, precision: str) -> None:
    argv = ("--train.epochs", "1", "--fine_tune.epochs", "1", *TINY)
    argv += ("--train.precision", precision, "--fine_tune.unfreeze", "3")
    argv += ("--cache_dir", str(tmp_path / "c"), "--workdir", str(tmp_path / "r"))
    try:
        assert start(*argv, "--data.validation_fraction", "0") == 0
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert np.isfinite(float(history(tmp_path / "r")[-1]["loss"]))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--fine_tune.unfreeze", "blok4"), "Did you mean 'block4'"),
        (("--fine_tune.unfreeze", "1000"), "a number of layers from 1 to"),
        (("--fine_tune.optimizer", "adma"), "Did you mean 'adam'"),
        (("--fine_tune.schedule", "cosin"), "Did you mean 'cosine'"),
        (("--fine_tune.learning_rate", "-1"), "--fine_tune.learning_rate"),
        (("--fine_tune.warmup_epochs", "3"), "--fine_tune.warmup_epochs"),
        (("--train.schedule", "plateau", "--data.validation_fraction=0"), "plateau"),
        (("--checkpoint.every_steps", "-1"), "every_steps"),
        (
            (
                *("--train.jit_compile=true", "--distribute.strategy=mirrored"),
                *("--distribute.devices", "2"),
            ),
            "XLA",
        ),
        (
            (
                *("--fine_tune.schedule", "plateau"),
                *("--data.validation_fraction", "0"),
            ),
            "--fine_tune.schedule plateau",
        ),
    ],
)
def test_a_wrong_setting_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv, words: str
) -> None:
    more = ("--fine_tune.epochs", "2", *TINY)
    assert start("--workdir", str(tmp_path / "r"), *more, *argv) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "r" / "manifest.json").exists()


def test_a_batch_size_that_was_found_is_kept_when_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    argv = ("--data.batch_size", "auto", "--train.epochs", "3", *TINY)
    argv += ("--cache_dir", str(tmp_path / "c"), "--workdir", str(tmp_path / "r"))
    argv += ("--checkpoint.every_steps", "1")

    def saves_and_dies(self: fit.Fit) -> None:
        self.save()
        raise SystemExit(9)

    sizes = iter([8, 16])
    monkeypatch.setattr(
        setup.batch_size_finder, "largest_batch", lambda *given, **more: next(sizes)
    )
    with monkeypatch.context() as patched:
        patched.setattr(fit.Fit, "run", saves_and_dies)
        with pytest.raises(SystemExit):
            start(*argv)
    assert start(*argv) == 0
    assert "resuming" in capsys.readouterr().err
    assert "batch_size: 8\n" in (tmp_path / "r" / "config.yaml").read_text()


def half_published(run: run_dir.RunFolder, staged: run_dir.RunFolder) -> None:
    """End after the old manifest is gone."""
    if staged.path != run.path:
        run.manifest.unlink()
    raise SystemExit(9)


def dies(*given: object) -> None:
    raise SystemExit(9)


@pytest.mark.parametrize("place", ["finish", "publish"])
@pytest.mark.parametrize("replaces", [False, True])
def test_nothing_is_lost_by_an_end_while_the_result_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, replaces: bool, capsys
) -> None:
    argv = ("--train.epochs", "2", "--checkpoint.every_steps", "1", *TINY)
    argv += ("--cache_dir", str(tmp_path / "c"), "--workdir", str(tmp_path / "r"))
    more = ("--overwrite", "true", "--seed", "1") if replaces else ()
    if replaces:
        assert start(*argv) == 0
    with monkeypatch.context() as patched:
        if place == "finish":
            patched.setattr(run_writer, "finish", dies)
        else:
            patched.setattr(run_replacement, "publish", half_published)
        with pytest.raises(SystemExit):
            start(*argv, *more)
    capsys.readouterr()
    code = start(*argv, *more)
    told = capsys.readouterr()
    assert code == 0 or "contains a finished run" in told.err
    if place == "finish":
        assert "resuming" in told.err, "the checkpoint was still there"
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    assert manifest["finished"] and manifest["seed"] == int(replaces)
    assert (tmp_path / "r" / "model.keras").is_file()
    assert not (tmp_path / "r" / ".next").exists()


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path: Path) -> None:
    argv = ("--train.epochs", "2", *TINY, "--cache_dir", str(tmp_path / "c"))
    folder = tmp_path / "r" / "checkpoints"
    folder.mkdir(parents=True)
    (tmp_path / "r" / "manifest.json").write_text('{"finished": false}')
    (folder / ".0123456789ab.000007.npz").write_bytes(b"half")
    assert start(*argv, "--workdir", str(tmp_path / "r")) == 0
    assert not folder.exists()


def test_adversarial_training_makes_a_run_that_resists(
    demo_run: Trained, tmp_path: Path
) -> None:
    """As a user gives it, beside the embedded default, which has none."""
    argv = ["--workdir", str(tmp_path / "run"), "--cache_dir", str(demo_run.cache)]
    argv += ["--train.epochs", "1", "--fine_tune.epochs", "2"]
    argv += ["--fine_tune.learning_rate", "5e-4", "--robust.method", "pgd"]
    assert start(*argv, "--robust.steps", "2") == 0
    rates = []
    for run in (Path(shutil.copytree(demo_run.path, tmp_path / "o")), tmp_path / "run"):
        argv = ["--run", str(run), "--robust", "2/255", "--adversary.attack", "apgd"]
        assert cli.main(evaluate, EvaluateSettings, argv) == 0
        found = json.loads((run / "evaluation.json").read_text())
        rates.append(found["robust"]["accuracy"]["2/255"])
    told = json.loads((run / "metrics.json").read_text())["test"]["robust"]
    assert told == found["robust"]
    assert rates[1] > rates[0] + 0.2


def test_views_and_adversarial_training_do_not_go_together(
    tmp_path: Path, capsys
) -> None:
    argv = ["--workdir", str(tmp_path / "run"), "--robust.method", "pgd", *TINY]
    assert start(*argv, "--data.augmentation", "light", "--data.views", "2") == 2
    assert "--robust.method pgd with --data.views" in capsys.readouterr().err
