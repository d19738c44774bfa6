"""Attacks in blocks: what comes out does not depend on how many are in memory."""

import json
from pathlib import Path

import pytest

from tfpipeline import cli, images
from tfpipeline.attack import attack
from tfpipeline.config_attack import AttackSettings
from tfpipeline.demo import world
from tfpipeline.workflow import attacking


def run(output: Path, demo_run, pictures: Path) -> dict:
    words = ["--run", str(demo_run.path), "--images", str(pictures)]
    words += ["--output", str(output), "--epsilon", "3/255"]
    words += ["--adversary.attack", "pgd", "--adversary.steps", "10"]
    words += ["--adversary.batch_size", "4", "--judges", str(demo_run.path)]
    words += ["--matrix", "true", "--defences", "bit_depth:5"]
    assert cli.main(attack, AttackSettings, words) == 0
    return json.loads((output / "attack.json").read_text())


@pytest.mark.slow
def test_blocks_make_what_one_block_makes(demo_run, tmp_path, monkeypatch) -> None:
    pictures = tmp_path / "new"
    world.write_folder(pictures, ["rocket", "teapot"], 4, seed=78)
    (pictures / "rocket" / "broken.jpg").write_text("no image")
    one = run(tmp_path / "one", demo_run, pictures)
    # Of the chosen photographs four fit.
    monkeypatch.setattr(attacking, "_MOST", 4)
    some = run(tmp_path / "some", demo_run, pictures)
    assert len(one["images"]) >= 6
    for a, b in zip(one["images"], some["images"], strict=True):
        made = [
            images.decode(tmp_path / name / item["adversarial"])
            for name, item in (("one", a), ("some", b))
        ]
        # Other batches add up in another order: a value may round differently.
        assert (made[0] != made[1]).mean() < 0.05
        for name in ("image", "adversarial", "success", "success_8bit", "final_class"):
            assert a[name] == b[name]
    for told in ("left_out", "errors"):
        assert one[told] == some[told]
    for name in ("curve", "matrix", "transfer", "success_rate", "clean_accuracy"):
        assert one["summary"][name] == some["summary"][name], name
    for word, worth in one["defences"].items():
        again = some["defences"][word]
        for name in ("clean_accuracy", "fooled_unaware", "fooled_adaptive"):
            assert worth[name] == pytest.approx(again[name], abs=0.08)
    assert one["checks"].keys() == some["checks"].keys()
