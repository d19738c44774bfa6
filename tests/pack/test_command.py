"""Packing as a command: shards that train like the files they came from."""

import json
from pathlib import Path

from tfpipeline import cli
from tfpipeline.config import PackSettings, RunSettings
from tfpipeline.demo import world
from tfpipeline.pack.command import pack
from tfpipeline.train.command import train


def test_shards_train_like_the_files_they_were_packed_from(
    tmp_path: Path, capsys
) -> None:
    root = tmp_path / "p"
    world.write_folder(root, ["rocket", "teapot"], 12, seed=0)
    (root / "rocket" / "broken.png").write_text("no image")
    argv = ["--source", str(root), "--output", str(tmp_path / "packed")]
    limit = ["--data.max_bad_fraction", "0.1"]
    assert cli.main(pack, PackSettings, [*argv, *limit]) == 0
    assert "1 unusable files were skipped" in capsys.readouterr().out
    assert cli.main(pack, PackSettings, argv) == 2
    assert "--overwrite true" in capsys.readouterr().err
    losses = []
    for source in (root, tmp_path / "packed"):
        run = tmp_path / f"run-{source.name}"
        words = ["--data.source", str(source), "--workdir", str(run)]
        words += ["--model.weights", "demo", "--train.epochs", "2"]
        assert cli.main(train, RunSettings, words) == 0
        losses.append(json.loads((run / "metrics.json").read_text())["test"]["loss"])
    assert losses[0] == losses[1]


def test_what_cannot_be_packed_is_told(tmp_path: Path, capsys) -> None:
    assert cli.main(pack, PackSettings, []) == 2
    assert "--output" in capsys.readouterr().err
    argv = ["--output", str(tmp_path / "o"), "--shard_megabytes", "0"]
    assert cli.main(pack, PackSettings, argv) == 2
    assert "--shard_megabytes" in capsys.readouterr().err
