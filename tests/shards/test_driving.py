"""Whoever hands out the shards is asked for by name, and is there."""

import importlib.util
import os
from pathlib import Path

import pytest

from tests.shards.test_plan import pictures
from tests.shards.test_work import content
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core.errors import TemporaryError, UserError
from tfpipeline.shards import driving, processes, work


def settings(folder: Path, **more: object) -> EmbedSettings:
    pictures(folder / "in", 7)
    given = {"images": [str(folder / "in")], "output": str(folder / "out")}
    return EmbedSettings(**given, shard_images=2, **more)  # type: ignore[arg-type]


def job(given: EmbedSettings) -> work.Job:
    return work.Job({"dtype": given.dtype}, content)


def test_this_process_computes_its_share(tmp_path: Path) -> None:
    given = settings(tmp_path)
    plan, counted = driving.run("embed", given, (1, 2), job)
    assert work.summary(plan)["missing"] == [0, 2] and counted == {}
    assert plan.request["dtype"] == "float32"
    plan, _ = driving.run("embed", given, (0, 2), job)
    assert work.summary(plan)["missing"] == []


def test_only_where_nothing_was_computed_is_that_said(tmp_path: Path, capsys) -> None:
    given = settings(tmp_path)
    for said in (False, True):
        plan, _ = driving.run("embed", given, (0, 1), job)
        work.end(plan)
        assert ("nothing was computed" in capsys.readouterr().err) is said
    Path(plan.done(1)).unlink()
    driving.run("embed", given, (0, 1), job)
    assert "nothing was computed" not in capsys.readouterr().err


def test_without_beam_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"\[beam\]"):
        driving.run("embed", settings(tmp_path, runner="beam"), (0, 1), job)
    assert not os.path.exists(tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"runner": "spark"}, "local"),
        ({"runner": "beam", "workers": 2}, "--workers"),
        ({"runner": "beam", "part": "1", "parts": 2}, "--part"),
    ],
)
def test_runners_that_do_not_go_together_are_refused(
    tmp_path: Path, more: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        work.check(settings(tmp_path, **more))


def test_a_job_is_opened_alike_in_any_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    given = settings(tmp_path, run="run")
    monkeypatch.chdir(tmp_path)
    opened: list[EmbedSettings] = []

    def noting(told: EmbedSettings) -> work.Job:
        opened.append(told)
        return job(told)

    plan, _ = driving.run("embed", given, (0, 1), noting)
    assert opened[0].run == str(tmp_path / "run") and plan.folder.is_absolute()
    assert opened[0].model == given.model and given.run == "run"


@pytest.mark.parametrize(
    ("codes", "kind", "said"),
    [
        ([75, 0, 75], TemporaryError, "2 of 3.*log 0"),
        ([75, 2, 0], UserError, "2 of 3.*log 1"),
        ([0, -9, 75], UserError, "2 of 3.*killed"),
    ],
)
def test_what_has_to_be_mended_is_told_before_what_passes(
    codes: list[int], kind: type[UserError], said: str, tmp_path: Path
) -> None:
    logs = [tmp_path / f"{number}" for number in range(3)]
    for number, log in enumerate(logs):
        log.write_text("" if codes[number] < 0 else f"error: log {number}")
    with pytest.raises(UserError, match=said) as raised:
        processes._check(codes, logs)
    assert type(raised.value) is kind
    processes._check([0, 0, 0], logs)
