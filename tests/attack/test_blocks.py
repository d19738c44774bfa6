"""Attacks in blocks: what comes out does not depend on how many are in memory."""

import json
import signal
from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.attack import blocks, figures, survey
from tfpipeline.attack.command import attack
from tfpipeline.config.attack import AttackSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.demo import world

pytestmark = pytest.mark.slow


def run(output: Path, small_run, pictures: Path) -> dict:
    words = ["--run", str(small_run.path), "--images", str(pictures)]
    words += ["--output", str(output), "--epsilon", "3/255"]
    words += ["--adversary.attack", "pgd", "--adversary.steps", "10"]
    words += ["--adversary.batch_size", "4", "--judges", str(small_run.path)]
    words += ["--defences", "bit_depth:5"]
    assert cli.main(attack, AttackSettings, words) == 0
    return json.loads((output / "attack.json").read_text())


def test_blocks_make_what_one_block_makes(small_run, tmp_path, monkeypatch) -> None:
    pictures = tmp_path / "new"
    world.write_folder(pictures, ["rocket", "teapot"], 4, seed=78)
    (pictures / "rocket" / "broken.jpg").write_text("no image")
    one = run(tmp_path / "one", small_run, pictures)
    # Of the chosen photographs four fit.
    monkeypatch.setattr(blocks, "_MOST", 4)
    some = run(tmp_path / "some", small_run, pictures)
    assert len(one["images"]) >= 6
    for a, b in zip(one["images"], some["images"], strict=True):
        made = [
            image_io.decode(tmp_path / name / item["adversarial"])
            for name, item in (("one", a), ("some", b))
        ]
        # Other batches add up in another order: a value may round differently.
        assert (made[0] != made[1]).mean() < 0.05
        for name in ("image", "adversarial", "success", "success_8bit", "final_class"):
            assert a[name] == b[name]
    for told in ("left_out", "errors"):
        assert one[told] == some[told]
    for name in ("curve", "transfer", "success_rate", "clean_accuracy"):
        assert one["summary"][name] == some["summary"][name], name
    for word, worth in one["defences"].items():
        again = some["defences"][word]
        for name in ("clean_accuracy", "fooled_unaware", "fooled_adaptive"):
            assert worth[name] == pytest.approx(again[name], abs=0.08)
    assert one["checks"].keys() == some["checks"].keys()


def interrupted(
    module, name: str, call: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a signal come once something was called for the so-manieth time."""
    real, calls = getattr(module, name), []

    def hear(*given, **more):
        calls.append(name)
        answer = real(*given, **more)
        if len(calls) == call:
            signal.raise_signal(number)
        return answer

    monkeypatch.setattr(module, name, hear)


def attack_of_eight(small_run, tmp_path: Path) -> int:
    world.write_folder(tmp_path / "new", ["rocket", "teapot"], 4, seed=78)
    words = ["--run", str(small_run.path), "--images", str(tmp_path / "new")]
    words += ["--output", str(tmp_path / "out"), "--epsilon", "8/255"]
    words += ["--adversary.attack", "iterative_fgsm", "--adversary.batch_size", "4"]
    return cli.main(attack, AttackSettings, words)


def texts(value) -> set[str]:
    """Return all texts that a JSON file holds."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) else set()


def pictures_in(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*.png")}


@pytest.mark.parametrize(
    ("whose", "name", "number", "code"),
    [
        (survey.Survey, "add", signal.SIGTERM, 143),
        (figures.Figures, "draw", signal.SIGINT, 130),
    ],
)
def test_an_interruption_keeps_the_blocks_that_are_whole(
    whose, name, number, code, small_run, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(blocks, "_MOST", 4)
    interrupted(whose, name, 2, number, monkeypatch)
    assert attack_of_eight(small_run, tmp_path) == code
    outcome = json.loads((tmp_path / "out" / "attack.json").read_text())
    assert 0 < outcome["summary"]["attacked"] == len(outcome["images"]) <= 4
    assert outcome["summary"]["stopped"].startswith("Stopped after 4 of 8 photographs.")
    for item in outcome["images"]:
        made = image_io.decode(tmp_path / "out" / item["adversarial"])
        assert made.shape == (32, 32, 3)
    assert pictures_in(tmp_path / "out") <= texts(outcome)
    table = file_io.read_csv(tmp_path / "out" / "attack.csv")
    assert [row["image"] for row in table] == [i["image"] for i in outcome["images"]]
    assert {"in_the_ball", "survives_8_bits"} <= set(outcome["checks"])
    assert "monotone" not in outcome["checks"]
    assert "--overwrite true" in capsys.readouterr().err


def test_an_interruption_of_the_checks_keeps_all_pictures(
    small_run, tmp_path, monkeypatch
) -> None:
    interrupted(blocks.sanity_checks, "stronger", 1, signal.SIGINT, monkeypatch)
    assert attack_of_eight(small_run, tmp_path) == 130
    outcome = json.loads((tmp_path / "out" / "attack.json").read_text())
    assert len(outcome["images"]) + len(outcome["left_out"]) == 8
    assert outcome["summary"]["stopped"].startswith("Stopped before the checks.")


def test_an_interruption_before_anything_is_whole_leaves_no_result(
    small_run, tmp_path, monkeypatch
) -> None:
    interrupted(figures.Figures, "draw", 1, signal.SIGINT, monkeypatch)
    assert attack_of_eight(small_run, tmp_path) == 130
    assert not (tmp_path / "out" / "attack.json").exists()
    assert not pictures_in(tmp_path / "out")
