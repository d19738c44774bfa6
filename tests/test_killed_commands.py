"""Commands that are killed at any operation on files, and given again: nothing is lost.

The first time a command does all of its work, and every moment at which it could be
killed is kept. Given again from each of them, its files are written by the same code,
but what it computes is remembered from the first time: else this would take hours.
"""

import contextlib
import copy
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from tests import fault_injection
from tests.conftest import PLAIN, Trained
from tfpipeline import cli, distribute
from tfpipeline.attack import experiment, plots, survey
from tfpipeline.attack.command import attack
from tfpipeline.attack.engine import sanity_checks
from tfpipeline.combine import member_runs
from tfpipeline.combine.command import combine
from tfpipeline.config import RunSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import disk, run_dir
from tfpipeline.core.errors import UserError
from tfpipeline.data import pipeline
from tfpipeline.demo import world
from tfpipeline.models import load_network
from tfpipeline.report import run_page, run_report
from tfpipeline.train import measurement, setup, tensorboard
from tfpipeline.train.checkpoints import Checkpoints
from tfpipeline.train.command import train
from tfpipeline.train.course import Course

# A run can be used when it has these.
WHOLE = (
    *("config.yaml", "labels.txt", "splits.csv", "quarantine.csv", "model.keras"),
    *("history.csv", "metrics.json", "calibration.json", "manifest.json"),
)

# What tells of the time at which it was written.
TIMED = {
    ".attack.json.files",
    "attack.json",
    "metrics.json",
    "manifest.json",
    "report.html",
    "model.keras",
    "logs",
}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder; of those that tell the time, their names."""
    found = {}
    for path in (p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        timed = name.parts[0] in TIMED
        if name.parts[0] != "logs":
            found[str(name)] = b"" if timed else path.read_bytes()
    return found


def remembering(
    patch: pytest.MonkeyPatch, owner: Any, name: str, again: Callable[..., Any] | None
) -> None:
    """Let a function be called in earnest once; what it returned is returned again.

    Args:
        patch: Undoes it.
        owner: Module or class.
        name: Of the function.
        again: Is called from then on with what was returned, and the arguments.
    """
    real, known = getattr(owner, name), []

    def call(*arguments: Any, **keywords: Any) -> Any:
        if not known:
            known.append(real(*arguments, **keywords))
            return known[0]
        return known[0] if again is None else again(known[0], *arguments, **keywords)

    patch.setattr(owner, name, call)


@pytest.fixture()
def training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second training, and those after it, compute nothing."""
    states: list[Any] = []
    after: dict[str, dict[str, Any]] = {}
    real = Checkpoints.save

    def save(self: Checkpoints, state: Any) -> bool:
        if len(after) < 4:
            states.append(copy.deepcopy(state))
        return real(self, state)

    monkeypatch.setattr(Checkpoints, "save", save)
    for name in ("extract", "train_head", "fine_tune"):
        _remember_stage(monkeypatch, Course, name, after, states)
    _remember_stage(monkeypatch, measurement, "measure", after, states)
    remembering(monkeypatch, distribute, "start", None)
    remembering(monkeypatch, setup, "prepare", None)
    remembering(monkeypatch, measurement, "predict_training", None)
    remembering(monkeypatch, tensorboard, "confusion", None)
    batches = pipeline.Batches.augmented
    monkeypatch.setattr(
        pipeline.Batches, "augmented", lambda *given: [next(iter(batches(*given)))]
    )
    remembering(monkeypatch, pipeline.Batches, "augmented", None)
    monkeypatch.setattr(run_report, "_explainer", lambda *_: lambda rows: None)
    remembering(monkeypatch, run_page, "drawn", None)
    _remember_saved(monkeypatch)
    monkeypatch.setattr(run_report, "LOSSES", 1)
    monkeypatch.setattr(run_report, "SUSPECTS", 1)


def _remember_stage(
    patch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    after: dict[str, Any],
    states: list[Any],
) -> None:
    kept = ("history", "seconds", "task", "kept_epoch", "undone", "search", "logits")
    real = getattr(owner, name)

    def stage(self: Course) -> Any:
        if name not in after:
            result = real(self)
            values = {key: getattr(self, key) for key in (*kept, "calibration", "work")}
            after[name] = {**values, "history": list(self.history)}, result
            return copy.deepcopy(result)
        if name == "train_head":
            for state in list(states):
                self.checkpoints.save(state)
        values, result = after[name]
        for key, value in values.items():
            setattr(self, key, list(value) if key == "history" else value)
        return copy.deepcopy(result)

    patch.setattr(owner, name, stage)


def _remember_saved(patch: pytest.MonkeyPatch) -> None:
    """Write the bytes of a model that was saved once: that takes half a second."""
    real, known = keras.Model.save, []

    def save(self: keras.Model, file: Path) -> None:
        if not known:
            real(self, file)
            known.append(file.read_bytes())
        file.write_bytes(known[0])

    patch.setattr(keras.Model, "save", save)


SMALL = (
    *PLAIN,
    *("--train.epochs", "2", "--data.batch_size", "32", "--seed", "7"),
    *("--checkpoint.every_steps", "5", "--train.learning_rate", "0.001"),
)


def half(moments: fault_injection.Moments) -> Iterator[str]:
    """Put back every second moment: each takes a second, and neighbours are alike."""
    return itertools.islice(moments, 0, None, 2)


def holds(folder: Path, expected: dict[str, bytes]) -> bool:
    """Tell whether everything that is expected below a folder is there, as it was."""
    found = contents(folder)
    return all(found.get(name) == data for name, data in expected.items())


@pytest.mark.slow
def test_a_training_replaces_a_run_wherever_it_is_killed(
    demo_run: Trained, memory_path: Path, training: None
) -> None:
    place = memory_path / "w"
    run = run_dir.RunFolder(place / "run")
    shutil.copytree(demo_run.path, run.path)
    shutil.rmtree(run.figures / "top_losses")
    (run.path / "notes.txt").write_text("mine")
    header, first, *rows = run.cleaning.read_text().splitlines()
    assert header.endswith("action,new_label") and first.endswith(",,")
    handwork = "\n".join([header, f"{first[:-2]},drop,", *rows, ""])
    run.cleaning.write_text(handwork)
    shutil.copyfile(run.cleaning, memory_path / "fixes.csv")
    before = contents(run.path)
    argv = [*SMALL, "--workdir", str(run.path), "--cache_dir", str(demo_run.cache)]
    argv += [
        "--overwrite",
        "true",
        "--data.corrections",
        str(memory_path / "fixes.csv"),
    ]
    settings = cli.parse(RunSettings, argv, prog="train", description="")
    with fault_injection.watched(place, memory_path / "kept") as moments:
        train(settings)
    end = contents(run.path)
    assert end["notes.txt"] == b"mine" and b",drop," in end["corrections.csv"]
    assert not [name for name in end if "checkpoints" in name or name.startswith(".")]
    new = {name: end[name] for name in WHOLE}
    for moment in half(moments):
        staged = run.next.path if run.is_half_published() else run.path
        replaced = run.read_manifest().get("seed") == 7
        if run.is_half_published():
            kept = {"notes.txt": b"mine", "cleaning.csv": before["cleaning.csv"]}
            ended = contents(run.path) | contents(run.next.path)
            assert holds(run.path, kept) and new.items() <= ended.items(), moment
        else:
            assert holds(staged, new if replaced else before), moment
        train(settings)
        assert contents(run.path) == end, moment
    assert len(moments.states) > 80


@pytest.mark.slow
def test_a_new_run_is_whole_wherever_its_training_is_killed(
    demo_run: Trained, memory_path: Path, training: None
) -> None:
    place = memory_path / "w"
    run = run_dir.RunFolder(place / "run")
    place.mkdir()
    argv = [*SMALL, "--workdir", str(run.path), "--cache_dir", str(demo_run.cache)]
    settings = cli.parse(RunSettings, argv, prog="train", description="")
    with fault_injection.watched(place, memory_path / "kept") as moments:
        train(settings)
    end = contents(run.path)
    seen = set()
    for moment in half(moments):
        finished = run.is_finished()
        seen.add(finished)
        if finished:
            assert holds(run.path, {name: end[name] for name in WHOLE}), moment
        # One that is whole is refused, as ever; any other comes to its end.
        refused = pytest.raises(UserError, match="contains a finished run")
        with refused if finished else contextlib.nullcontext():
            train(settings)
        assert finished or contents(run.path) == end, moment
    assert seen == {True, False} and len(moments.states) > 60


@pytest.mark.slow
def test_a_combination_replaces_a_run_wherever_it_is_killed(
    demo_run: Trained, memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembering(monkeypatch, member_runs, "open_members", None)
    remembering(monkeypatch, member_runs, "merge", None)
    remembering(monkeypatch, member_runs.Members, "logits", None)
    monkeypatch.setattr(run_report, "_gallery", lambda *_: {})
    remembering(monkeypatch, run_page, "drawn", None)
    _remember_saved(monkeypatch)
    place = memory_path / "w"
    run = run_dir.RunFolder(place / "run")
    shutil.copytree(demo_run.path, run.path)
    shutil.copytree(demo_run.path, memory_path / "other")
    shutil.rmtree(run.figures / "top_losses")
    (run.path / "notes.txt").write_text("mine")
    before = contents(run.path)
    argv = ["--runs", str(demo_run.path), str(memory_path / "other")]
    argv += ["--workdir", str(run.path), "--overwrite", "true"]
    settings = cli.parse(CombineSettings, argv, prog="combine", description="")
    with fault_injection.watched(place, memory_path / "kept") as moments:
        combine(settings)
    end = contents(run.path)
    assert end["notes.txt"] == b"mine" and "history.csv" not in end
    assert not [name for name in end if name.startswith((".", "figures"))]
    new = {name: end[name] for name in (*set(WHOLE) - {"history.csv"}, INHERITED)}
    for moment in moments:
        found = contents(run.path)
        if run.is_half_published():
            assert new.items() <= (found | contents(run.next.path)).items(), moment
        else:
            replaced = "combined" in run.read_manifest()
            assert holds(run.path, new if replaced else before), moment
        assert found["notes.txt"] == b"mine"
        combine(settings)
        assert contents(run.path) == end, moment
    assert len(moments.states) > 50


INHERITED = "learned_from.csv"


@pytest.mark.slow
@pytest.mark.parametrize("before", ["nothing", "an earlier result"])
def test_an_attack_comes_to_the_same_end_wherever_it_is_killed(
    demo_run: Trained,
    memory_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: str,
) -> None:
    remembering(monkeypatch, distribute, "start", None)
    remembering(monkeypatch, load_network, "open_network", None)
    remembering(monkeypatch, experiment.Strike, "look", None)
    remembering(monkeypatch, experiment.Strike, "run", None)
    remembering(monkeypatch, sanity_checks, "stronger", None)
    remembering(monkeypatch, plots, "attacked", None)
    monkeypatch.setattr(survey.Survey, "add", lambda *_: None)
    monkeypatch.setattr(survey.Survey, "report", lambda *_: None)
    known: dict[bytes, Any] = {}
    real = load_network.Network.logits

    def logits(self: load_network.Network, pictures: Any) -> Any:
        key = pictures.tobytes()
        return (
            known[key] if key in known else known.setdefault(key, real(self, pictures))
        )

    monkeypatch.setattr(load_network.Network, "logits", logits)
    place, output = memory_path / "w", memory_path / "w" / "out"
    photographs = place / "photographs"
    world.write_folder(photographs, ["rocket", "teapot"], 1, seed=77)
    argv = ["--run", str(demo_run.path), "--images", str(photographs)]
    argv += ["--output", str(output), "--full_size", "true"]
    words = [
        *argv,
        "--figures",
        "1",
        "--adversary.attack",
        "pgd",
        "--adversary.steps",
        "3",
    ]
    words += ["--overwrite", "true"]
    settings = cli.parse(AttackSettings, words, prog="attack", description="")
    if before != "nothing":
        attack(settings)
    output.mkdir(exist_ok=True)
    (output / "notes.txt").write_text("mine")
    given = contents(photographs)
    with fault_injection.watched(place, memory_path / "kept") as moments:
        attack(settings)
    end = contents(output)
    assert {"attack.json", "attack.csv", "notes.txt", "sheet.png"} <= set(end)
    for moment in moments:
        told = output / "attack.json"
        if told.is_file():
            # A result that is told of is there.
            for item in json.loads(told.read_text())["images"]:
                assert (output / item["adversarial"]).is_file(), moment
        assert contents(photographs) == given, moment
        attack(settings)
        found = contents(output)
        assert {n: d for n, d in found.items() if not is_left(n)} == end, moment
    assert len(moments.states) > 20


def is_left(name: str) -> bool:
    """Tell whether a file is one that a killed process has not ended."""
    return disk.is_temporary(Path(name))
