"""Drift: told where there is some, not where there is none, by whatever is given."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

import tfpipeline
from tests.conftest import Exported, Trained
from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.config.monitoring import MonitorSettings, SimilarSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.demo import world
from tfpipeline.export import warmup
from tfpipeline.models import reference
from tfpipeline.monitor import predictions
from tfpipeline.monitor.command import monitor
from tfpipeline.monitor.drift import WORDS
from tfpipeline.predict.command import predict
from tfpipeline.similar.command import similar

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def held_out(small_run: Trained) -> list[str]:
    """The validation pictures of the run, which it compares nothing with."""
    rows = file_io.read_csv(small_run.path / "splits.csv")
    return [row["path"] for row in rows if row["split"] == "validation"]


@pytest.fixture(scope="module")
def changed(tmp_path_factory, held_out: list[str]) -> Path:
    """A folder of validation pictures, and twenty of one class seen from the side."""
    folder = tmp_path_factory.mktemp("changed")
    for number, path in enumerate(held_out):
        shutil.copy(path, folder / f"same{number:03d}.png")
    world.write_folder(folder / "more", ["teapot"], 20, seed=3)
    for number, file in enumerate(sorted((folder / "more").rglob("*.png"))):
        turned = tf.image.rot90(tf.io.decode_png(file.read_bytes()))
        bright = tf.cast(255 - turned // 3, tf.uint8)
        tf.io.write_file(str(folder / f"odd{number:03d}.png"), tf.io.encode_png(bright))
    shutil.rmtree(folder / "more")
    return folder


def start(run: Trained, output: Path, *argv: str) -> int:
    words = ["--run", str(run.path), "--output", str(output), *argv]
    return cli.main(monitor, MonitorSettings, words)


def read(output: Path) -> dict:
    return json.loads((output / "monitor.json").read_text())


def test_pictures_of_the_same_kind_raise_no_alarm(
    small_run: Trained, held_out: list[str], tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out"
    # One in a thousand is false, whatever the network of this machine makes of them.
    argv = ("--false_alarms", "0.001", "--permutations", "3999")
    argv += ("--fail_on_drift", "true")
    assert start(small_run, out, *held_out, *argv) == 0
    result = read(out)
    assert not result["drift"] and result["p"] > 0.001
    assert set(result["tests"]) == {"features", "novelty", "confidence", "shares"}
    assert result["summary"]["compared"] == len(held_out)
    assert result["summary"]["split"] == "test"
    assert "No drift found" in capsys.readouterr().out
    assert "No drift found" in (out / "monitor.html").read_text()


def test_other_pictures_raise_one_and_are_those_that_changed_most(
    small_run: Trained, changed: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out"
    assert start(small_run, out, str(changed)) == 0
    result = read(out)
    assert result["drift"] and result["tests"]["novelty"]["drift"]
    first = [Path(row["image"]).name[:3] for row in result["changed"][:10]]
    assert first.count("odd") >= 9
    assert "path" not in result["changed"][0]
    assert result["summary"]["unknown"] > 0.2
    page = (out / "monitor.html").read_text()
    assert "differ from the held-out" in page and result["changed"][0]["image"] in page
    again = [str(changed), "--overwrite", "true", "--fail_on_drift", "true"]
    assert start(small_run, out, *again) == 1
    assert "--fail_on_drift" in capsys.readouterr().err
    same = read(out)
    assert [same[key] for key in ("p", "tests")] == [result[k] for k in ("p", "tests")]


def test_of_many_pictures_a_random_part_is_compared(
    small_run: Trained, changed: Path, tmp_path: Path
) -> None:
    run = tfpipeline.Run.load(small_run.path)
    found = run.monitor(changed, output=tmp_path / "out", most=12, permutations=199)
    assert found["summary"]["compared"] == found["summary"]["held_out"] == 12
    assert found["summary"]["arrived"] == len(list(changed.iterdir()))


def test_request_logs_of_a_server_say_what_their_pictures_say(
    small_run: Trained, changed: Path, tmp_path: Path
) -> None:
    contents = [file.read_bytes() for file in sorted(changed.iterdir())]
    parts = [contents[:30], contents[30:], [b"no picture"]]
    for number, part in enumerate(parts):
        warmup.write(tmp_path / str(number), "c", part, [len(part)])
    # Every batch, once, without the requests behind it, which repeat the first picture.
    log = tmp_path / "requests.log"
    with tf.io.TFRecordWriter(str(log)) as writer:
        for number in range(3):
            file = tmp_path / str(number) / warmup.FILE
            writer.write(next(iter(tf.data.TFRecordDataset(str(file)))).numpy())
        writer.write(b"")
    assert start(small_run, tmp_path / "a", "--predictions", str(log)) == 0
    assert start(small_run, tmp_path / "b", str(changed)) == 0
    one, other = read(tmp_path / "a"), read(tmp_path / "b")
    assert one["p"] == other["p"] and one["shares"] == other["shares"]
    assert one["summary"]["requests_without"] == 1
    assert [e["image"] for e in one["errors"]] == [f"{log}#{len(contents)}"]
    assert all(row["image"].startswith(f"{log}#") for row in one["changed"])
    page = (tmp_path / "a" / "monitor.html").read_text()
    assert page.count("data:image/jpeg") >= len(one["changed"])


def test_predictions_alone_are_compared_by_classes_and_probabilities(
    small_run: Trained, changed: Path, tmp_path: Path, capsys
) -> None:
    for ending in ("csv", "jsonl"):
        words = ["--model", str(small_run.path), "--images", str(changed)]
        words += ["--output", str(tmp_path / f"p.{ending}")]
        assert cli.main(predict, PredictSettings, words) == 0
        given = ("--predictions", str(tmp_path / f"p.{ending}"))
        assert start(small_run, tmp_path / ending, *given) == 0
    one, other = read(tmp_path / "csv"), read(tmp_path / "jsonl")
    assert set(one["tests"]) == {"novelty", "confidence", "shares"} and one["drift"]
    assert one["tests"] == other["tests"] and one["shares"] == other["shares"]
    assert not one["changed"] and one["summary"]["unknown"] > 0.2
    assert "predictions alone" in capsys.readouterr().out
    assert start(small_run, tmp_path / "images", str(changed)) == 0
    same = read(tmp_path / "images")
    assert same["shares"] == one["shares"]
    unknown = one["summary"]["unknown"]
    assert same["summary"]["unknown"] == pytest.approx(unknown)
    rows = file_io.read_csv(tmp_path / "p.csv")
    few = [[row[key] for key in ("id", "label", "probability")] for row in rows]
    file_io.write_csv(tmp_path / "few.csv", ("id", "label", "probability"), few)
    words = ("--predictions", str(tmp_path / "few.csv"))
    assert start(small_run, tmp_path / "few", *words) == 0
    least = read(tmp_path / "few")
    assert set(least["tests"]) == {"confidence", "shares"}
    assert least["shares"] == one["shares"] and least["summary"]["unknown"] is None
    given = ("--predictions", str(tmp_path / "p.csv"), "--ignore_shares", "true")
    assert start(small_run, tmp_path / "within", *given) == 0
    assert set(read(tmp_path / "within")["tests"]) == {"novelty", "confidence"}


def test_tables_are_compared_with_an_exported_version_where_the_run_is_not(
    small_run: Trained, exported: Exported, changed: Path, tmp_path: Path, capsys
) -> None:
    argv = ["--model", str(exported.base), "--images", str(changed)]
    argv += ["--output", str(tmp_path / "p.csv")]
    assert cli.main(predict, PredictSettings, argv) == 0
    given = ("--predictions", str(tmp_path / "p.csv"))
    version = exported.base / "1"
    results = []
    for number, folder in enumerate((small_run.path, exported.base, version)):
        words = ["--run", str(folder), "--output", str(tmp_path / str(number)), *given]
        assert cli.main(monitor, MonitorSettings, words) == 0
        results.append(read(tmp_path / str(number)))
    assert results[1]["tests"] == results[2]["tests"]
    for name, own in results[0]["tests"].items():
        served = results[1]["tests"][name]
        assert served["p"] == pytest.approx(own["p"], abs=0.02) and name != "features"
        assert served["drift"] == own["drift"]
    assert results[1]["tests"]["novelty"]["drift"]


def test_pictures_are_compared_with_an_exported_version_as_with_its_run(
    small_run: Trained, exported: Exported, changed: Path, tmp_path: Path, capsys
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    results = []
    for number, folder in enumerate((small_run.path, exported.base / "1")):
        words = ["--run", str(folder), "--output", str(tmp_path / str(number))]
        words += [str(changed), str(broken)]
        assert cli.main(monitor, MonitorSettings, words) == 0
        results.append(read(tmp_path / str(number)))
    own, served = results
    assert set(own["tests"]) == set(served["tests"]) == set(WORDS)
    for name, test in own["tests"].items():
        assert served["tests"][name]["p"] == pytest.approx(test["p"], abs=0.02)
        assert served["tests"][name]["drift"] == test["drift"]
    assert served["summary"]["unknown"] == pytest.approx(own["summary"]["unknown"])
    assert [e["image"] for e in served["errors"]] == [str(broken)]
    most = [{row["image"] for row in r["changed"][:10]} for r in results]
    assert len(most[0] & most[1]) >= 8
    # Its nearest picture is a held-out one: no others are in the version.
    kept = file_io.read_csv(exported.base / "1" / "reference" / "rows.csv")
    assert {row["split"] for row in kept} <= {"validation", "test"}
    assert all(row["path"] == row["id"] for row in kept)
    near = {row["neighbours"][0]["id"] for row in served["changed"]}
    assert near <= {row["id"] for row in kept}
    shutil.rmtree(
        shutil.copytree(exported.base / "1", tmp_path / "v" / "1") / "reference"
    )
    words = ["--run", str(tmp_path / "v"), "--output", str(tmp_path / "x")]
    assert cli.main(monitor, MonitorSettings, [*words, str(changed)]) == 2
    assert "--run" in capsys.readouterr().err


def test_a_folder_of_shards_is_as_good_as_one_table(
    small_run: Trained, changed: Path, tmp_path: Path, capsys
) -> None:
    words = ["--model", str(small_run.path), "--images", str(changed), "--output"]
    for output in ("p.csv", "p[1]"):
        given = [*words, str(tmp_path / output), "--shard_images", "20"]
        assert cli.main(predict, PredictSettings, given) == 0
    assert len(list((tmp_path / "p[1]").glob("shard-*.csv"))) > 1
    for name, output in (("one", "p.csv"), ("many", "p[1]")):
        given = ("--predictions", str(tmp_path / output))
        assert start(small_run, tmp_path / name, *given) == 0
    one, many = read(tmp_path / "one"), read(tmp_path / "many")
    assert one["shares"] == many["shares"] and len(one["tests"]) == 3
    for name, test in one["tests"].items():
        # A picture's last bits may depend on how many are predicted with it.
        arrived = many["tests"][name].pop("arrived", None)
        assert test.pop("arrived", None) == pytest.approx(arrived)
        assert test == many["tests"][name]
    capsys.readouterr()
    given = ("--predictions", str(tmp_path / "nope.csv"))
    assert start(small_run, tmp_path / "out", *given) == 2
    told = capsys.readouterr().err
    assert "--predictions " in told and "--images" not in told


def test_a_page_says_why_packed_training_pictures_are_not_on_it(
    small_run: Trained, changed: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(small_run.path, tmp_path / "run"))
    run = dataclasses.replace(small_run, path=path)
    packed = tmp_path / "packed" / "00000.tfrecord"
    rows = reference.read(RunFolder(run.path))
    assert rows is not None
    elsewhere = dataclasses.replace(rows, path=[str(packed)] * len(rows.path))
    for kept, told in ((rows, False), (elsewhere, True)):
        shutil.rmtree(RunFolder(run.path).reference)
        reference.write(RunFolder(run.path), kept)
        out = tmp_path / str(told)
        assert start(run, out, str(changed), "--permutations", "999") == 0
        more = ["--run", str(run.path), str(next(changed.iterdir()))]
        assert cli.main(similar, SimilarSettings, [*more, "--output", f"{out}s"]) == 0
        for page in (out / "monitor.html", tmp_path / f"{told}s" / "similar.html"):
            assert ("packed in TFRecords" in page.read_text()) == told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("id,label\na,teapot\n", "expected id, label and probability"),
        ("id,label,probability\na,teapod,0.5\n", "Did you mean 'teapot'?"),
        ("id,label,probability\na,teapot,1.5\n", "expected a probability"),
        ("id,label,probability\n", "found none"),
        ("id,label,probability,error\na,,,broken\n", "found none"),
    ],
)
def test_other_tables_are_refused(
    small_run: Trained, tmp_path: Path, capsys, content: str, told: str
) -> None:
    (tmp_path / "p.csv").write_text(content)
    given = ("--predictions", str(tmp_path / "p.csv"))
    assert start(small_run, tmp_path / "out", *given) == 2
    said = capsys.readouterr().err
    assert told in said and "p.csv" in said and not (tmp_path / "out").exists()


def test_what_is_no_log_and_what_is_both_is_refused(
    small_run: Trained, tmp_path: Path, capsys
) -> None:
    (tmp_path / "p.csv").write_text("id,label,probability\n")
    (tmp_path / "p.log").write_text("GET /v1/models 200 and so on and so forth")
    log, table = str(tmp_path / "p.log"), str(tmp_path / "p.csv")
    for given, told in (((log,), "cannot be read as one"), ((table, log), "not both")):
        assert start(small_run, tmp_path / "out", "--predictions", *given) == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "expected one of them"),
        (("x.png", "--predictions", "y.csv"), "expected one of them"),
        (("x.png", "--false_alarms", "1"), "--false_alarms: expected a share"),
        (
            ("x.png", "--false_alarms", "0.0001"),
            "--permutations: expected at least 39999",
        ),
        (("x.png", "--most", "1"), "--most: expected at least 2"),
    ],
)
def test_settings_that_say_nothing_are_refused(
    small_run: Trained, tmp_path: Path, capsys, words: tuple[str, ...], told: str
) -> None:
    assert start(small_run, tmp_path / "out", *words) == 2
    assert told in capsys.readouterr().err


def test_in_python_an_alarm_can_be_an_error(
    small_run: Trained, changed: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="fail_on_drift"):
        tfpipeline.monitor(
            run=small_run.path,
            images=changed,
            output=tmp_path / "out",
            fail_on_drift=True,
        )


def test_a_novelty_of_nought_in_json_is_a_number(tmp_path: Path) -> None:
    row = {"id": "a.png", "label": "cat", "probability": 0.5, "novelty": 0.0}
    file = tmp_path / "p.jsonl"
    for novelty, kept in ((0.0, [0.0, 0.0]), (None, None)):
        rows = [row, {**row, "novelty": novelty}]
        file.write_text("".join(f"{json.dumps(each)}\n" for each in rows))
        seen = predictions.arrived([file], ["cat", "dog"]).seen
        assert (None if seen.novelty is None else seen.novelty.tolist()) == kept
