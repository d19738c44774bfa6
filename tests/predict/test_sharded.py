"""Predictions in shards are those of one file."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Exported, Trained
from tests.shards.test_work import files
from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.core import stores
from tfpipeline.core.errors import UserError
from tfpipeline.predict import answers, batching, sharded
from tfpipeline.predict.command import predict
from tfpipeline.shards import joining, plan


def start(*words: object) -> int:
    given = [*map(str, words), "--quiet"]
    return cli.main(predict, PredictSettings, given)


@pytest.mark.parametrize("kind", ["run", "saved model"])
def test_shards_hold_what_one_file_holds(
    kind: str, small_run: Trained, exported: Exported, tmp_path: Path, capsys
) -> None:
    for number, picture in enumerate(exported.pictures):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(picture, tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "3.5.png").write_bytes(b"no picture")
    model = small_run.path if kind == "run" else exported.base
    words = [tmp_path / "in", "--model", model, "--output"]
    assert start(*words, tmp_path / "one.csv") == 0
    shards = tmp_path / "shards"
    again = [*words, shards, "--shard_images", 3]
    assert start(*again) == 0
    before = files(shards)
    joining.write(plan.read(shards), tmp_path / "joined.csv")
    joined = (tmp_path / "joined.csv").read_text()
    one = (tmp_path / "one.csv").read_text()
    # Rounding differs by what is in a batch with a picture; nothing else does.
    assert [row.split(",")[:2] for row in joined.splitlines()] == [
        row.split(",")[:2] for row in one.splitlines()
    ]
    # Given again, nothing is computed and nothing changes, and that is said.
    assert "nothing was computed" not in capsys.readouterr().err
    assert cli.main(predict, PredictSettings, [*map(str, again)]) == 0
    assert files(shards) == before
    assert "nothing was computed" in capsys.readouterr().err


def test_predictions_behind_a_url_have_the_bytes_of_local_ones(
    far: str, small_run: Trained, exported: Exported, tmp_path: Path, capsys
) -> None:
    words = [*exported.pictures, "--model", small_run.path, "--shard_images", 4]
    assert start(*words, "--output", tmp_path / "out") == 0
    for _ in range(2):
        assert start(*words, "--output", far) == 0
        for name, data in files(tmp_path / "out").items():
            assert stores.Place(f"{far}/{name}").read_bytes() == data
    assert start(*words, "--top_k", 2, "--output", far) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert start(*words, "--output", f"{far}/all.csv") == 2
    assert "Mount" in capsys.readouterr().err


def test_other_settings_or_another_model_do_not_go_on_with_the_shards(
    small_run: Trained, exported: Exported, tmp_path: Path, capsys
) -> None:
    picture, out = exported.pictures[0], tmp_path / "shards"
    assert start(picture, "--model", small_run.path, "--output", out) == 0
    before = files(out)
    for more in (
        ["--model", exported.base],
        ["--model", small_run.path, "--top_k", 2],
    ):
        assert start(picture, *more, "--output", out) == 2
        assert "--overwrite" in capsys.readouterr().err
    assert files(out) == before


@pytest.mark.parametrize(
    ("cause", "code"),
    [(UserError("server: it is gone."), 2), (KeyboardInterrupt(), 130)],
)
def test_where_a_server_goes_away_the_cause_is_told_and_no_shard_is_half(
    cause: BaseException, code: int, exported: Exported, tmp_path: Path, monkeypatch
) -> None:
    def ended(*_: object) -> None:
        raise batching.Incomplete([], cause)

    monkeypatch.setattr(answers, "rows_of", ended)
    words = [exported.pictures[0], "--model", "http://127.0.0.1:9/v1/models/m"]
    assert start(*words, "--output", tmp_path / "shards") == code
    assert not list((tmp_path / "shards").glob("shard-*"))


def test_what_is_secret_in_the_address_of_a_server_is_in_no_plan() -> None:
    given = "http://me:word@host:8501/v1/models/m"
    assert sharded.fingerprint(given) == "http://host:8501/v1/models/m"
