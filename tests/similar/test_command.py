"""The nearest training pictures of others: found, told, and shown."""

import json
from pathlib import Path

import numpy as np
import pytest

import tfpipeline
from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.config.monitoring import SimilarSettings
from tfpipeline.core import file_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.demo import world
from tfpipeline.models import reference
from tfpipeline.similar.command import similar


def start(run: Trained, output: Path, *argv: str) -> int:
    words = ["--run", str(run.path), "--output", str(output), *argv]
    return cli.main(similar, SimilarSettings, words)


def test_a_training_picture_is_its_own_nearest_and_others_come_behind(
    small_run: Trained, tmp_path: Path, capsys
) -> None:
    rows = file_io.read_csv(small_run.path / "splits.csv")
    own = [row for row in rows if row["split"] == "train"][::100]
    (tmp_path / "no.jpg").write_text("no picture")
    paths = [row["path"] for row in own]
    words = [*paths, str(tmp_path / "no.jpg"), "--count", "4"]
    assert start(small_run, tmp_path / "out", *words) == 0
    result = json.loads((tmp_path / "out" / "similar.json").read_text())
    assert [item["image"] for item in result["images"]] == paths
    for row, item in zip(own, result["images"]):
        first, *others = item["neighbours"]
        assert len(others) == 3 and first["distance"] < 1e-5
        assert first["id"] == row["id"] and first["label"] == row["label"]
        far = [one["distance"] for one in item["neighbours"]]
        assert far == sorted(far) and others[0]["id"] != row["id"]
    assert [Path(e["image"]).name for e in result["errors"]] == ["no.jpg"]
    summary = result["summary"]
    trained = [row for row in rows if row["split"] == "train"]
    assert summary["searched"] == summary["trained_on"] == len(trained)
    said = capsys.readouterr().out
    assert own[0]["label"] in said and "no.jpg could not be read" not in said
    page = (tmp_path / "out" / "similar.html").read_text()
    assert all(item["neighbours"][3]["id"] in page for item in result["images"])
    assert page.count("data:image/jpeg") >= len(own)
    assert start(small_run, tmp_path / "out", *words) == 2
    assert "already contains similar.json" in capsys.readouterr().err


def test_the_distances_are_those_of_the_metric_that_was_asked_for(
    small_run: Trained, tmp_path: Path
) -> None:
    world.write_folder(tmp_path / "new", ["teapot"], 3, seed=5)
    kept = reference.read(RunFolder(small_run.path))
    assert kept is not None
    rows = kept.features[kept.rows("train")].astype(np.float64)
    run = tfpipeline.Run.load(small_run.path)
    near = {}
    for metric in ("cosine", "euclidean"):
        output = tmp_path / metric
        result = run.similar(tmp_path / "new", output=output, metric=metric, count=2)
        near[metric] = result["images"][0]["neighbours"]
        assert result.show_report().path == output / "similar.html"
    place = {name: i for i, name in enumerate(np.array(kept.id)[kept.rows("train")])}
    one, other = (rows[place[n["id"]]] for n in near["euclidean"])
    gap = abs(near["euclidean"][1]["distance"] - near["euclidean"][0]["distance"])
    assert gap <= np.linalg.norm(one - other) + 1e-6
    assert all(0 <= n["distance"] <= 2 for n in near["cosine"])


def test_pixels_are_searched_as_well(small_run: Trained, tmp_path: Path) -> None:
    grey = np.full((40, 30, 3), 0.5)
    found = tfpipeline.similar(
        run=small_run.path, images=[grey], output=tmp_path / "out", count=10**6
    )
    assert len(found["images"][0]["neighbours"]) == found["summary"]["searched"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--count", "0"), "--count: expected at least 1"),
        (("--metric", "cosin"), "Did you mean 'cosine'?"),
        (("--images", "nowhere.jpg"), "nowhere.jpg"),
    ],
)
def test_what_cannot_be_done_is_refused(
    small_run: Trained, tmp_path: Path, capsys, words: tuple[str, ...], told: str
) -> None:
    more = [] if "--images" in words else ["--images", str(small_run.path)]
    assert start(small_run, tmp_path / "out", *more, *words) == 2
    assert told in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_run_that_kept_no_features_is_named(
    small_run: Trained, tmp_path: Path, capsys
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for file in small_run.path.iterdir():
        if file.name != "reference":
            (run / file.name).symlink_to(file)
    picture = next(small_run.path.glob("figures/top_losses/*.png"))
    words = ["--run", str(run), "--output", str(tmp_path / "out"), str(picture)]
    assert cli.main(similar, SimilarSettings, words) == 2
    assert "kept the features of its images" in capsys.readouterr().err
