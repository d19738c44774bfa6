"""The study as a user gives it: table, figures, recommendation; what fails is told."""

import html
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.core import file_io
from tfpipeline.study.command import study
from tfpipeline.train.command import train

pytestmark = pytest.mark.slow

NETWORKS = ("demo", "MobileNetV2:0.35:none@96")
# What is traced in a tenth of their time, where any two will do.
PLAIN = ("PlainCNN@32", "PlainCNN@48")
SMALL = (
    *("--seeds", "2", "--shots", "1,all", "--heads", "2"),
    *("--data.demo_per_class", "12"),
)


def run(folder: Path, *words: str, networks: tuple[str, ...] = NETWORKS) -> int:
    argv = ["--backbones", *networks, *SMALL, "--output", str(folder / "out")]
    argv += ["--cache_dir", str(folder / "cache"), *words]
    return cli.main(study, StudySettings, argv)


def result(folder: Path) -> dict:
    return json.loads((folder / "out" / "study.json").read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    assert run(folder) == 0
    return folder


def test_there_is_a_row_a_network_method_number_and_seed(done: Path) -> None:
    rows = file_io.read_csv(done / "out" / "study.csv")
    kinds = {(r["backbone"], r["method"], r["shots"], r["seed"]) for r in rows}
    assert len(rows) == len(kinds) == 2 * 4 * 2 * 2
    assert {r["trained_on"] for r in rows if r["shots"] == "1"} == {"6"}
    found = result(done)
    assert len(found["rows"]) == len(rows)
    for row, kept in zip(rows, found["rows"]):
        assert float(row["accuracy"]) == pytest.approx(kept["accuracy"])
    table = (done / "out" / "table.md").read_text().splitlines()
    assert len(table) == 2 + 2 and table[2].startswith("| demo | `demo` | ")
    assert "over untrained" in table[0] and f"`{NETWORKS[1]}`" in table[2]
    for name in ("shots", "cost"):
        with Image.open(done / "out" / "figures" / f"{name}.png") as picture:
            assert np.asarray(picture).std() > 5


def test_means_and_gains_are_those_of_the_rows(done: Path) -> None:
    found = result(done)

    def of(word: str) -> list[float]:
        return [
            row["accuracy"]
            for row in found["rows"]
            if (row["backbone"], row["method"], row["shots"]) == (word, "probe", "all")
        ]

    (entry,) = (
        entry
        for entry in found["summary"]["means"]
        if (entry["backbone"], entry["method"], entry["shots"])
        == ("demo", "probe", "all")
    )
    assert entry["accuracy"] == pytest.approx(np.mean(of("demo")))
    differences = np.subtract(of("demo"), of(NETWORKS[1]))
    assert entry["gain"] == pytest.approx(differences.mean())
    assert entry["gain_against"] == NETWORKS[1]
    assert entry["gain"] > 0.3, "the embedded features transfer"
    half = 12.706 * differences.std(ddof=1) / 2**0.5
    assert entry["gain_half_interval"] == pytest.approx(half)
    assert found["recommendation"][0]["backbone"] == "demo"
    pair = found["summary"]["pairs"][0]
    assert pair["kernel_distance"] > 0 and pair["statistics_distance"] > 0
    assert pair["milliseconds"] > 0 and pair["bytes"] == 4 * pair["parameters"]


def test_what_it_recommends_is_trained_by_the_command_that_it_says(
    done: Path, tmp_path: Path, capsys
) -> None:
    found = result(done)
    (entry,) = found["recommendation"]
    python, _, module, *words = shlex.split(entry["command"])
    assert (python, module) == ("python", "tfpipeline.train")
    heads = [
        row["head"]
        for row in found["rows"]
        if (row["backbone"], row["method"], row["shots"]) == ("demo", "head", "all")
    ]
    assert cli.main(train, RunSettings, [*words, f"--workdir={tmp_path / 'run'}"]) == 0
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    trained = config["train"], config["model"]
    assert trained[0]["learning_rate"] in {
        float(f"{head['learning_rate']:.2g}") for head in heads
    }
    assert trained[1]["alpha"] == 0.35 and trained[1]["weights"] == "demo"
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    told = {key: metrics["test"][key] for key in ("accuracy", "n")}
    assert entry["trained"] == told, "what the study says that it reaches"
    assert entry["method"] == "head" and told["accuracy"] > 0.5
    assert f"{told['accuracy']:.3f} on {told['n']} test images" in entry["reason"]


def test_the_page_has_charts_means_advice_and_what_to_be_careful_of(
    done: Path,
) -> None:
    page = (done / "out" / "report.html").read_text()
    assert (
        "Recommended" in page
        and html.escape(result(done)["recommendation"][0]["command"]) in page
    )
    assert page.count("<img") >= 2 and "half interval" in page
    checks = result(done)["checks"]
    assert not checks["enough_test_images"]["passed"]
    assert checks["several_seeds"]["passed"] and checks["no_leaks"]["passed"]
    assert html.escape(checks["enough_test_images"]["otherwise"]) in page


def test_a_second_study_computes_nothing_and_says_the_same(
    done: Path, capsys, monkeypatch
) -> None:
    from tfpipeline.study import pairs

    before = result(done)
    assert run(done) == 2, "not without being asked to"
    monkeypatch.setattr(pairs.Study, "_pair", None)
    monkeypatch.setattr(pairs.from_scratch, "run", None)
    assert run(done, "--overwrite", "true") == 0
    assert f"over untrained {NETWORKS[1]}; " in capsys.readouterr().out
    after = result(done)
    assert after["rows"] == before["rows"]
    assert after["summary"]["pairs"] == before["summary"]["pairs"]
    assert after["recommendation"] == before["recommendation"]


def test_two_workers_make_one_study(done: Path, tmp_path: Path, capsys) -> None:
    # Both look into the same cache; another seed is not in it yet.
    words = ("--seed", "5", "--seeds", "1", "--cache_dir", str(done / "cache"))
    words += ("--workers", "2")
    assert run(tmp_path, *words, "--index", "1", networks=PLAIN) == 0
    assert not (tmp_path / "out" / "study.json").exists()
    assert (
        "1 pairs of source and network are still to be computed"
        in capsys.readouterr().out
    )
    assert run(tmp_path, *words, "--index", "0", networks=PLAIN) == 0
    assert len(result(tmp_path)["rows"]) == 2 * 4 * 2


def test_two_processes_side_by_side_leave_one_result(
    done: Path, tmp_path: Path
) -> None:
    words = ["--backbones", *PLAIN, *SMALL]
    words += ["--seed", "6", "--seeds", "1", "--workers", "2"]
    words += ["--output", str(tmp_path / "out"), "--cache_dir", str(done / "cache")]
    start = [sys.executable, "-m", "tfpipeline.study", *words, "--index"]
    processes = [subprocess.Popen([*start, str(index)]) for index in range(2)]
    assert [process.wait(300) for process in processes] == [0, 0]
    found = result(tmp_path)
    assert len(found["rows"]) == 2 * 4 * 2 and not found["summary"]["missing"]


def test_all_is_always_learned_from_and_what_no_class_has_is_left_out(
    done: Path, tmp_path: Path, capsys
) -> None:
    words = ("--cache_dir", str(done / "cache"), "--seeds", "1", "--shots", "2,40")
    assert run(tmp_path, *words, networks=PLAIN) == 0
    said = capsys.readouterr().err
    assert "`all` was added" in said and "demo: skipped 40 examples" in said
    found = result(tmp_path)
    assert {row["shots"] for row in found["rows"]} == {2, "all"}
    assert found["summary"]["shots_left_out"] == {"demo": [40]}
    assert found["recommendation"][0]["backbone"] in PLAIN
    table = (tmp_path / "out" / "table.md").read_text().splitlines()
    assert len(table) == 2 + 2


def test_a_source_that_fails_does_not_sink_the_others(
    done: Path, tmp_path: Path, capsys
) -> None:
    words = ("--cache_dir", str(done / "cache"), "--sources", "demo", "nowhere")
    assert run(tmp_path, *words) == 0
    found = result(tmp_path)
    assert len(found["rows"]) == 32
    assert [entry["source"] for entry in found["summary"]["failed"]] == ["nowhere"] * 2
    assert "Failed: nowhere" in capsys.readouterr().out
    assert run(tmp_path / "b", "--sources", "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, told",
    [
        (("--backbones", "MobileNetV3"), "MobileNetV3Large"),
        (("--backbones", "MobileNetV2:0.35:none:x"), "NAME[:ALPHA][:WEIGHTS][@SIZE]"),
        (("--backbones", "MobileNetV2:0.4"), "0.35"),
        (("--shots", "1,many"), "--shots"),
        (("--shots", "0"), "--shots"),
        (("--seeds", "0"), "--seeds"),
        (("--workers", "2", "--index", "2"), "--index"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    tmp_path: Path, capsys, words: tuple[str, ...], told: str
) -> None:
    argv = [*words, "--output", str(tmp_path / "out")]
    assert cli.main(study, StudySettings, argv) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_from_scratch_is_a_row_of_its_own(done: Path, tmp_path: Path) -> None:
    words = ("--seeds", "1", "--scratch", "true", "--scratch_epochs", "2")
    words += ("--cache_dir", str(done / "cache"))
    assert run(tmp_path, *words, networks=PLAIN[:1]) == 0
    rows = [row for row in result(tmp_path)["rows"] if row["method"] == "scratch"]
    assert [row["backbone"] for row in rows] == ["PlainCNN, from scratch"]
    assert 0 <= rows[0]["accuracy"] <= 1 and rows[0]["trained_on"] == 54


def light_and_dark(folder: Path, count: int = 16) -> Path:
    """Write a CSV whose classes alternate at random; any network tells them apart."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(2 * count):
        label = "light" if number < count else "dark"
        picture = rng.integers(0, 90, (48, 48, 3)) + 160 * (label == "light")
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number}.png")
        rows.append((f"{number}.png", label))
    rng.shuffle(rows)
    file_io.write_csv(folder / "images.csv", ("path", "label"), rows)
    return folder / "images.csv"


def test_fewer_training_images_keep_their_own_labels_for_every_seed(
    tmp_path: Path,
) -> None:
    argv = [
        "--sources",
        str(light_and_dark(tmp_path)),
        "--output",
        str(tmp_path / "out"),
    ]
    argv += ["--backbones", PLAIN[0], "--shots", "all", "--heads", "1", "--seeds", "2"]
    argv += ["--cache_dir", str(tmp_path / "cache"), "--data.examples_per_class", "4"]
    assert cli.main(study, StudySettings, argv) == 0
    rows = result(tmp_path)["rows"]
    probes = {row["seed"]: row["accuracy"] for row in rows if row["method"] == "probe"}
    assert probes == {0: 1.0, 1: 1.0}
