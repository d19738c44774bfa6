"""A run from features is the run from their pictures, and other commands use it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLAIN, Trained
from tests.data.sources.test_base import never
from tests.shards.test_reading import put
from tests.train.test_command import pictures, start
from tfpipeline import cli
from tfpipeline.config import (
    DataSettings,
    EvaluateSettings,
    PredictSettings,
    RunSettings,
)
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core import file_io
from tfpipeline.embed.command import embed
from tfpipeline.evaluate.command import evaluate
from tfpipeline.models import classifier, saving, shard_features
from tfpipeline.predict.command import predict
from tfpipeline.train.embedded.held import open_held

QUICK = ("--train.epochs", "2", "--data.batch_size", "8")
SHARDS = ("--shard_images", "10", "--batch_size", "8", "--quiet")


def head(run: Path) -> list[np.ndarray]:
    model, _ = saving.load_classifier(run / "model.keras")
    return classifier.split_classifier(model)[1].get_weights()


def metrics(run: Path) -> dict[str, object]:
    def rounded(number: str) -> float:
        return round(float(number), 6)

    content = json.loads((run / "metrics.json").read_text(), parse_float=rounded)
    return {name: content[name] for name in ("test", "validation")}


def test_a_run_from_features_is_the_run_from_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = pictures(tmp_path / "in")
    (source / "dark" / "broken.png").write_bytes(b"no picture")
    cache = ("--cache_dir", str(tmp_path / "cache"))
    first, second = tmp_path / "first", tmp_path / "second"
    words = [*PLAIN, *QUICK, *cache, "--data.source", str(source)]
    assert start(*words, "--workdir", str(first)) == 0
    words = [str(source), *PLAIN, *SHARDS, "--output", str(tmp_path / "features")]
    assert cli.main(embed, EmbedSettings, words) == 0
    # The pictures are not there while it trains.
    source.rename(tmp_path / "away")
    own = ["--data.features", str(tmp_path / "features"), *QUICK, *cache]
    capsys.readouterr()
    assert start(*own, "--workdir", str(second)) == 0
    assert "no thumbnails" in capsys.readouterr().err
    for one, two in zip(head(first), head(second), strict=True):
        # Of batches of another size the last bits are others on some processors.
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    assert metrics(first) == metrics(second)
    columns = ("id", "label", "split", "sha256")
    tables = [file_io.read_csv(run / "splits.csv") for run in (first, second)]
    one, two = ([[row[c] for c in columns] for row in table] for table in tables)
    assert one == two
    bad = file_io.read_csv(second / "quarantine.csv")
    assert [row["id"] for row in bad] == ["dark/broken.png"]
    page = (second / "report.html").read_text()
    assert str(tmp_path / "features") in page and "0 pixels" not in page
    manifest = json.loads((second / "manifest.json").read_text())
    assert manifest["fingerprints"] == json.loads(
        (first / "manifest.json").read_text()
    ).get("fingerprints")
    # Where the pictures are, other commands use it as any run.
    (tmp_path / "away").rename(source)
    words = ["--run", str(second), *cache, "--quiet"]
    assert cli.main(evaluate, EvaluateSettings, words) == 0
    evaluated = json.loads((second / "evaluation.json").read_text())
    assert (
        evaluated["accuracy"]
        == json.loads((second / "metrics.json").read_text())["test"]["accuracy"]
    )
    words = ["--model", str(second), "--images", str(source / "light"), "--quiet"]
    words += ["--output", str(tmp_path / "p.csv")]
    assert cli.main(predict, PredictSettings, words) == 0


def test_in_blocks_of_shards_as_much_is_learned_and_a_run_is_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: extra [parquet]")
    source = pictures(tmp_path / "in", 20)
    words = [str(source), *PLAIN, *SHARDS, "--output", str(tmp_path / "features")]
    words += ["--dtype", "float16", "--format", "parquet"]
    assert cli.main(embed, EmbedSettings, words) == 0
    request = json.loads((tmp_path / "features" / "plan.json").read_text())["request"]
    # Two shards of ten rows in float16.
    monkeypatch.setattr(shard_features, "MOST_BYTES", 2 * 10 * 2 * request["width"])
    own = ["--data.features", str(tmp_path / "features"), "--train.epochs", "12"]
    own += ["--data.batch_size", "8", "--train.learning_rate", "0.01"]
    for name in ("one", "two"):
        more = ["--workdir", str(tmp_path / name), "--cache_dir", str(tmp_path / "c")]
        assert start(*own, *more) == 0
        assert "of 4 shards" in capsys.readouterr().err
    for one, two in zip(*(head(tmp_path / n) for n in ("one", "two")), strict=True):
        np.testing.assert_array_equal(one, two)
    assert metrics(tmp_path / "one")["test"]["accuracy"] == 1.0


def test_features_of_a_run_make_a_new_head_on_its_network(
    small_run: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = pictures(tmp_path / "in")
    shutil.copytree(small_run.path, tmp_path / "run")
    words = [str(source), "--run", str(tmp_path / "run"), *SHARDS]
    assert (
        cli.main(embed, EmbedSettings, [*words, "--output", str(tmp_path / "features")])
        == 0
    )
    rows = [f"in/{n}/{i}.png,{n[0]}" for n in ("dark", "light") for i in range(12)]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["path,label", *rows]))
    own = ["--data.features", str(tmp_path / "features"), *QUICK]
    own += ["--data.source", str(labels), "--cache_dir", str(tmp_path / "cache")]
    assert start(*own, "--workdir", str(tmp_path / "new")) == 0
    assert (tmp_path / "new" / "labels.txt").read_text().split() == ["d", "l"]
    old, new = (
        classifier.backbone_of(saving.load_classifier(run / "model.keras")[0])
        for run in (small_run.path, tmp_path / "new")
    )
    for one, two in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    # Another network of that name, and none.
    model, names = saving.load_classifier(tmp_path / "run" / "model.keras")
    weights = model.get_weights()
    model.set_weights([weights[0] + 1, *weights[1:]])
    saving.save_classifier(tmp_path / "run" / "model.keras", model, names)
    capsys.readouterr()
    assert start(*own, "--workdir", str(tmp_path / "other")) == 2
    assert "digest" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run")
    assert start(*own, "--workdir", str(tmp_path / "other")) == 2
    assert "--data.features" in capsys.readouterr().err


@pytest.mark.parametrize("is_sorted", [True, False])
def test_blocks_of_few_classes_are_told(
    is_sorted: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [f"/in/{label}/{i}.jpg" for label in "abcdefgh" for i in range(8)]
    if not is_sorted:
        paths = np.random.default_rng(0).permutation(paths).tolist()
    put(tmp_path, paths, np.ones((64, 2), np.float32), size=8)
    monkeypatch.setattr(shard_features, "MOST_BYTES", 2 * 8 * 2 * 4)
    data = DataSettings(features=str(tmp_path / "out"))
    held = open_held(data)
    held.store(held.examples(RunSettings(data=data), tmp_path, never))
    said = capsys.readouterr().err
    assert ("--shard_images" in said) == is_sorted
    assert "labels: " in said
