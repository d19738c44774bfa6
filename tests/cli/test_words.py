"""Every command is asked in the same words, and nothing stands under two names."""

from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.cli import from_python, words
from tfpipeline.config import (
    AuditSettings,
    EvaluateSettings,
    PackSettings,
    PredictSettings,
    RunSettings,
)
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.core.errors import UserError

KINDS = sorted(words._WORDS, key=lambda kind: kind.__name__)


def parse(kind: type, *argv: str):
    return cli.parse(kind, argv, prog="p", description="")


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_stands_for_a_setting_that_there_is(kind: type) -> None:
    known, mine = dict(words.hints(kind)), words.of(kind)
    assert {mine.positional, *mine.main, *mine.aliases.values()} <= known.keys()
    # Where a command has a source of its own, that is what both names mean.
    assert mine.aliases.keys() & known.keys() <= {"data.source"}
    assert len(mine.main) <= 10
    assert mine.positional in mine.main


@pytest.mark.parametrize("kind", KINDS)
def test_an_alias_says_what_the_setting_itself_says(kind: type) -> None:
    for alias, setting in words.of(kind).aliases.items():
        value = "7"
        by_alias = parse(kind, f"--{alias}", value)
        assert by_alias == parse(kind, f"--{setting}={value}") != kind()
        read, line = from_python.read("p", kind, None, {alias: value})
        assert read == by_alias and f"--{setting}=" in line


def test_words_without_a_flag_belong_to_what_a_command_is_about() -> None:
    assert parse(RunSettings, "pets", "--seed", "3").data.source == "pets"
    assert parse(RunSettings, "--seed", "3", "pets").data.source == "pets"
    assert parse(RunSettings, "--quiet", "pets").data.source == "pets"
    settings = parse(PredictSettings, "a.jpg", "b c.jpg", "--run", "runs/x")
    assert (settings.images, settings.model) == (["a.jpg", "b c.jpg"], "runs/x")
    assert parse(PredictSettings, "--model", "m", "a.jpg").images == ["a.jpg"]
    assert parse(AttackSettings, "dog.jpg", "--target", "cat").target == "cat"
    assert parse(StudySettings, "a", "b").sources == ["a", "b"]
    assert parse(EvaluateSettings, "new", "--run", "r").source == "new"


@pytest.mark.parametrize(
    ("kind", "argv"),
    [
        (RunSettings, ("a", "b")),
        (RunSettings, ("a", "--data.source", "b")),
        (RunSettings, ("--source", "b", "--data.source", "b")),
        (RunSettings, ("--workdir", "b", "--output", "b")),
        (PredictSettings, ("a.jpg", "--images", "b.jpg")),
        (AuditSettings, ("a", "--data.source", "b")),
        (StudySettings, ("--sources", "a", "--data.source", "b")),
    ],
)
def test_a_setting_is_given_once(kind: type, argv: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=argv[1] if argv[1][:2] == "--" else "a"):
        parse(kind, *argv)


def test_the_source_of_a_command_is_one_setting_by_either_name(tmp_path: Path) -> None:
    for kind in (AuditSettings, BenchmarkSettings, PackSettings):
        assert parse(kind, "--data.source", "b").source == "b"
    assert parse(StudySettings, "--data.source", "b").sources == ["b"]
    file = tmp_path / "c.yaml"
    file.write_text("data: {source: c}\n")
    assert parse(StudySettings, "--config", str(file)).sources == ["c"]
    assert parse(AuditSettings, "b", "--config", str(file)).source == "b"
    file.write_text("data: {source: c}\nsource: b\n")
    with pytest.raises(UserError, match="--source and --data.source"):
        parse(AuditSettings, "--config", str(file))


def test_a_flag_without_a_value_is_named_and_takes_no_other_flag() -> None:
    with pytest.raises(UserError, match="^--overwrite: "):
        parse(RunSettings, "pets", "--overwrite", "--seed", "3")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("--split", "--data.splits"),
        ("--data.split", "--data.splits"),
        ("--sed", "--seed"),
        ("--epoch", "--train.epochs"),
        ("--bakbone", "--model.backbone"),
        ("--train.learning_rat", "--train.learning_rate"),
        ("--over_write", "--overwrite"),
    ],
)
def test_a_wrong_flag_is_refused_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UserError, match=f"'{near}'"):
        parse(RunSettings, wrong, "x")
