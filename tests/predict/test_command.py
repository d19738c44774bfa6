"""Prediction for files, folders and globs; broken files become rows."""

import csv
import io
import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.demo import world
from tfpipeline.export.protocol import Answer
from tfpipeline.predict import answers, streaming
from tfpipeline.predict.command import predict


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    world.write_folder(folder / "new", ["rocket", "teapot"], 6, seed=77)
    (folder / "new" / "rocket" / "broken.jpg").write_text("no image")
    return folder / "new"


def start(run: Trained, *argv: str) -> int:
    return cli.main(predict, PredictSettings, ["--model", str(run.path), *argv])


def test_a_folder_becomes_a_csv_with_an_error_in_its_row(
    small_run: Trained, pictures: Path, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "p.csv"
    argv = ("--images", str(pictures), "--output", str(output))
    assert start(small_run, *argv) == 0
    rows = file_io.read_csv(output)
    assert len(rows) == 13 and list(rows[0]) == [
        *("id", "label", "probability", "accepted", "accepted_reason"),
        *("novelty", "known", "known_reason", "top_k", "error"),
    ]
    broken = [row for row in rows if row["error"]]
    assert [Path(row["id"]).name for row in broken] == ["broken.jpg"]
    good = [row for row in rows if not row["error"]]
    right = [Path(row["id"]).parent.name == row["label"] for row in good]
    assert sum(right) >= 8
    for row in good:
        ranked = json.loads(row["top_k"])
        assert len(ranked) == 3 and ranked[0][0] == row["label"]
        assert ranked[0][1] == pytest.approx(float(row["probability"]))
    assert "12 of 13 images predicted" in capsys.readouterr().out


def test_json_lines_hold_the_same_as_the_screen(
    small_run: Trained, pictures: Path, tmp_path: Path, capsys
) -> None:
    images = ("--images", str(pictures / "*" / "0000[01].png"), "--top_k", "2")
    output = tmp_path / "p.jsonl"
    assert start(small_run, *images, "--output", str(output)) == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(lines) == 4 and all(len(line["top_k"]) == 2 for line in lines)
    capsys.readouterr()
    assert start(small_run, *images) == 0
    shown = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["label"] for row in shown] == [line["label"] for line in lines]


def test_a_picture_is_predicted_the_same_alone_and_among_others(
    small_run: Trained, pictures: Path, tmp_path: Path
) -> None:
    alone, among = tmp_path / "a.csv", tmp_path / "b.csv"
    one = str(pictures / "teapot" / "00003.png")
    assert start(small_run, "--images", one, "--output", str(alone)) == 0
    assert start(small_run, "--images", str(pictures), "--output", str(among)) == 0
    (first,) = file_io.read_csv(alone)
    second = next(row for row in file_io.read_csv(among) if row["id"] == one)
    assert float(first["probability"]) == pytest.approx(
        float(second["probability"]), abs=1e-5
    )


def test_pictures_are_shown_on_a_page_and_sorted_at_once(
    small_run: Trained, pictures: Path, tmp_path: Path, capsys
) -> None:
    page, folder = tmp_path / "p.html", tmp_path / "sorted"
    argv = ("--images", str(pictures), "--output", str(page))
    for copied, kept in ((12, 0), (0, 12)):
        assert start(small_run, *argv, "--sort_into", str(folder)) == 0
        said = capsys.readouterr().out
        assert f"{copied} files copied, {kept} already there" in said
        # Nothing is named by it that was not in the row of a table.
        assert "broken.jpg" in said and "teapot/00003.png" not in said
    assert page.read_text().count("data:image/jpeg") == 12
    copies = [file for file in folder.rglob("*.png")]
    right = [file for file in copies if file.parent.name in ("rocket", "teapot")]
    assert len(copies) == 12 and len(right) >= 8
    inside = ("--images", str(folder), "--sort_into", str(folder / "again"))
    assert start(small_run, *inside) == 2
    assert "--sort_into" in capsys.readouterr().err and not (folder / "again").exists()


def test_a_picture_that_goes_before_it_is_copied_is_named_however_quiet(
    small_run: Trained, pictures: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    for name in ("00000.png", "00001.png"):
        (tmp_path / name).write_bytes((pictures / "rocket" / name).read_bytes())
    module = import_module("tfpipeline.predict.command")
    rows = module._rows

    def then_one_goes(settings):
        done = rows(settings)
        (tmp_path / "00001.png").unlink()
        return done

    monkeypatch.setattr(module, "_rows", then_one_goes)
    argv = ("--images", str(tmp_path / "*.png"), "--sort_into", str(tmp_path / "out"))
    assert start(small_run, *argv, "--quiet", "--json") == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == 2 and "00001.png" in said.err
    assert [file.name for file in (tmp_path / "out").rglob("*.png")] == ["00000.png"]


def test_a_model_that_is_not_there_is_told(tmp_path: Path, capsys) -> None:
    words = ["--model", str(tmp_path / "gone"), "--images", "."]
    assert cli.main(predict, PredictSettings, words) == 2
    assert "an exported SavedModel, or the address" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--images", "gone*.png"), "gone"),
        ((), "--images"),
        (("--images", ".", "--output", "p.txt"), ".jsonl"),
        (("--images", ".", "--top_k", "0"), "--top_k"),
    ],
)
def test_what_cannot_be_predicted_is_told(small_run, argv, words, capsys) -> None:
    assert start(small_run, *argv) == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cause", "code"),
    [(UserError("the server is gone"), 2), (KeyboardInterrupt(), 130)],
)
def test_what_was_answered_before_it_ended_is_still_one_document(
    cause: BaseException, code: int, tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "0.png").touch()
    monkeypatch.chdir(tmp_path)
    pair = Answer(["cat"], [0.75], ""), Answer((), (), "not asked")
    rows = [answers._row(f"{n}.png", one, 1, False) for n, one in enumerate(pair)]
    monkeypatch.setattr(streaming, "rows", lambda *_: (rows, cause))
    monkeypatch.setattr(
        import_module("tfpipeline.predict.command"), "_open", lambda told: None
    )
    assert cli.main(predict, PredictSettings, ["--images", "*.png", "--json"]) == code
    said = capsys.readouterr()
    assert [row["probability"] for row in json.loads(said.out)] == [0.75, None]
    assert "1 of 2 images predicted" in said.err


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["--workers", "2"], "--workers 2"),
        (["--part", "1"], "--part 1"),
        (["--parts", "3"], "--parts 3"),
        (["--runner", "beam"], "--runner beam"),
        (["--output", "gs://bucket/x.csv"], "--output gs://bucket/x.csv"),
        (["--output", "gs://me:word@bucket/x"], "--output gs://bucket/x"),
    ],
)
def test_flags_without_a_meaning_for_one_file_are_refused(
    words: list[str], flag: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    given = ["a.png", "--model", "http://127.0.0.1:9/v1/models/m"]
    given += [] if "--output" in words else ["--output", "x.csv"]
    assert cli.main(predict, PredictSettings, [*given, *words]) == 2
    assert flag in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_word_that_means_nothing_is_told_before_the_work(
    small_run: Trained, pictures: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(streaming, "rows", lambda *_: pytest.fail("it began"))
    assert start(small_run, "--images", str(pictures), "nowhere.png") == 2
    assert "nowhere.png" in capsys.readouterr().err
