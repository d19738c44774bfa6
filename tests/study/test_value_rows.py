"""Studies of several labels and of numbers, as a user gives them."""

import html
import json
import math
import shlex
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.core import file_io
from tfpipeline.study import plots, value_rows
from tfpipeline.study.command import study
from tfpipeline.study.heads.space import Head
from tfpipeline.train.command import train

pytestmark = pytest.mark.slow

NETWORKS = ("demo", "MobileNetV2:0.35:none@96")
SMALL = (
    *("--seeds", "2", "--shots", "1,all", "--heads", "3"),
    *("--data.demo_per_class", "20"),
)
METRIC = {"multi": "mean_average_precision", "number": "r2"}
NAME = {"multi": "mAP", "number": "R2"}


def run(folder: Path, *words: str, networks: tuple[str, ...] = NETWORKS) -> int:
    argv = ["--backbones", *networks, *SMALL, "--output", str(folder / "out")]
    argv += ["--cache_dir", str(folder / "cache"), *words]
    return cli.main(study, StudySettings, argv)


def result(folder: Path) -> dict:
    return json.loads((folder / "out" / "study.json").read_text())


@pytest.fixture(scope="module", params=["multi", "number"])
def done(request, tmp_path_factory) -> tuple[str, Path, str]:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        from tfpipeline.core import console

        close = console.close
        patch.setattr(console, "close", lambda c: (said.append(str(c)), close(c)))
        assert run(folder, "--sources", f"demo:{request.param}") == 0
    return request.param, folder, said[0]


def test_rows_are_named_by_the_figure_of_the_target(done) -> None:
    target, folder, _ = done
    key, found = METRIC[target], result(folder)
    rows = file_io.read_csv(folder / "out" / "study.csv")
    kinds = {(r["backbone"], r["method"], r["shots"], r["seed"]) for r in rows}
    assert len(rows) == len(kinds) == 2 * 3 * 2 * 2
    assert {row["method"] for row in rows} == {"probe", "neighbours", "head"}
    own = {key, f"validation_{key}"} | ({"mae"} if target == "number" else set())
    assert own <= rows[0].keys() and "accuracy" not in rows[0]
    for row, kept in zip(rows, found["rows"]):
        assert all(float(row[name]) == pytest.approx(kept[name]) for name in own)
        assert kept[key] <= 1
    summary = found["summary"]
    assert (summary["target"], summary["metric"]) == (target, key)
    assert key in " ".join(summary["selection"]) and summary["means"][0]["seeds"] == 2
    assert ("logme" in summary["pairs"][0]) == (target == "number")
    assert summary["pairs"][0]["target"] == target
    table = (folder / "out" / "table.md").read_text()
    assert f"probe, {NAME[target]}" in table
    assert ("LogME" in table) == ("probe, MAE" in table) == (target == "number")


def test_the_embedded_features_transfer(done) -> None:
    target, folder, _ = done
    (entry,) = (
        entry
        for entry in result(folder)["summary"]["means"]
        if (entry["backbone"], entry["method"], entry["shots"])
        == ("demo", "probe", "all")
    )
    assert entry["gain"] > 0.1 and entry["gain_against"] == NETWORKS[1]
    heads = [row for row in result(folder)["rows"] if row["method"] == "head"]
    best = [row[METRIC[target]] for row in heads if row["backbone"] == "demo"]
    worst = [row[METRIC[target]] for row in heads if row["backbone"] != "demo"]
    assert max(best) > max(worst)
    if target == "number":
        assert {row["head"]["label_smoothing"] for row in heads} == {0.0}


def test_what_is_not_defined_is_said_at_the_end_and_on_the_page(done) -> None:
    target, folder, said = done
    page = (folder / "out" / "report.html").read_text()
    told = f"not defined for --data.target {target}"
    assert told in said and html.escape(told) in page
    assert value_rows.not_defined(target) == result(folder)["summary"]["not_defined"]
    name = NAME[target]
    assert f"{name} on test images" in said and f"{name} on test images by" in page
    assert f"For demo:{target}, take demo: {name} " in page


def test_the_command_trains_what_is_recommended_by_the_same_figure(
    done, tmp_path: Path
) -> None:
    target, folder, _ = done
    (entry,) = result(folder)["recommendation"]
    _, _, _, *words = shlex.split(entry["command"])
    assert f"--data.target={target}" in words
    assert f"--data.source=demo:{target}" in words
    assert cli.main(train, RunSettings, [*words, f"--workdir={tmp_path / 'run'}"]) == 0
    test = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert entry["trained"] == {key: test[key] for key in entry["trained"]}
    assert METRIC[target] in entry["trained"]
    reached = f"reaches {NAME[target]} {test[METRIC[target]]:.3f} on {test['n']} test"
    assert reached in entry["reason"]


def test_a_second_study_computes_nothing_and_says_the_same(done, monkeypatch) -> None:
    from tfpipeline.study import pairs

    target, folder, _ = done
    before = result(folder)
    monkeypatch.setattr(pairs.Study, "_pair", None)
    monkeypatch.setattr(pairs.from_scratch, "run", None)
    assert run(folder, "--sources", f"demo:{target}", "--overwrite", "true") == 0
    assert result(folder)["rows"] == before["rows"]
    assert result(folder)["recommendation"] == before["recommendation"]


def test_sources_of_different_targets_are_refused(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, "--sources", "demo", "demo:number", "nowhere") == 2
    said = capsys.readouterr().err
    assert "--sources: expected sources of one --data.target" in said
    assert "demo (single), demo:number (number)" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target, cell", [("number", "{0}"), ("multi", "{1}")])
def test_a_csv_of_a_target_and_with_weights_is_studied(
    tmp_path: Path, target: str, cell: str
) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for number in range(40):
        light = 20 + 10 * (number % 20)
        names = "|".join(["light"] * (light > 110) + ["odd"] * (number % 2))
        picture = rng.integers(-15, 15, (48, 48, 3)) + light
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(
            tmp_path / f"{number}.png"
        )
        rows.append((f"{number}.png", cell.format(light, names), 1 + number % 2))
    file_io.write_csv(tmp_path / "images.csv", ("path", "label", "weight"), rows)
    words = ("--sources", str(tmp_path / "images.csv"), "--data.target", target)
    words += ("--shots", "all", "--data.weight_column", "weight")
    assert run(tmp_path, *words, networks=("PlainCNN",)) == 0
    found = result(tmp_path)
    assert not found["summary"]["failed"]
    probe = [row for row in found["rows"] if row["method"] == "probe"]
    assert probe[0]["trained_on"] > 30, "those of weight 2 are there twice"
    assert max(row[METRIC[target]] for row in probe) > 0.5
    assert f"--data.target={target}" in found["recommendation"][0]["command"]


def test_heads_for_a_number_are_not_smoothed_and_others_stay() -> None:
    heads = (Head(0.01), Head(0.02, hidden=4, label_smoothing=0.1))
    assert value_rows.fitting("multi", heads) == heads
    first, second = value_rows.fitting("number", heads)
    assert first == heads[0]
    assert asdict(second) == {**asdict(heads[1]), "label_smoothing": 0.0}


def test_charts_have_the_axis_of_the_figure(monkeypatch) -> None:
    row = {"source": "ages", "backbone": "demo", "method": "probe", "seed": 0}
    row |= {"half_interval": 0.1, "mae": 3.0}
    drawn: list = []
    monkeypatch.setattr(plots, "pixels", lambda figure: drawn.append(figure))

    def axes(key: str, *values: float):
        plots.shots([{**row, "shots": s, key: v} for s, v in zip((1, "all"), values)])
        return drawn[-1].axes[0]

    for key, values, bottom, label in (
        ("r2", (0.4, 0.9), 0.0, "test R2"),
        ("r2", (-0.7, 0.2), -0.75, "test R2"),
        # Of few images R2 may be far below 0, where nothing would be told apart.
        ("r2", (-50.0, 0.2), -1.02, "test R2"),
        ("r2", (math.nan, 0.2), 0.0, "test R2"),
        ("mean_average_precision", (0.1, 0.3), 0.0, "test mAP"),
        ("accuracy", (0.1, 0.3), 0.0, "test accuracy"),
    ):
        one = axes(key, *values)
        assert one.get_ylim() == pytest.approx((bottom, 1.02))
        assert one.get_ylabel() == label
    assert one.get_xlabel() == "training images of each class"
    assert axes("r2", 0.1, 0.2).get_xlabel().endswith("of each tenth of the numbers")
