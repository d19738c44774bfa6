"""`--help` has every setting once, those that matter first, in 80 columns."""

import re

import pytest

from tfpipeline import cli
from tfpipeline.cli import words


@pytest.mark.parametrize("kind", words._WORDS, ids=lambda kind: kind.__name__)
def test_the_help_of_a_command_names_each_setting_once(kind, capsys) -> None:
    with pytest.raises(SystemExit):
        cli.parse(kind, ["--help"], prog="tfpipeline it", description="What it does.")
    said = capsys.readouterr().out
    flags = re.findall(r"^  \S.*$", said, re.MULTILINE)
    for name, _ in words.hints(kind):
        names = re.compile(rf"--{re.escape(name)}[ ,]")
        assert sum(bool(names.search(f"{line} ")) for line in flags) == 1, name
    assert all(len(line) < 80 for line in said.splitlines())
    assert "SUPPRESS" not in said and "What it does." in said
    first = [line.partition("(")[0] for line in flags[: len(words.of(kind).main)]]
    for line, name in zip(first, words.of(kind).main, strict=True):
        assert f"--{name} " in f"{line} "


def test_the_help_says_type_default_and_other_names(capsys) -> None:
    from tfpipeline.config import RunSettings

    with pytest.raises(SystemExit):
        cli.parse(RunSettings, ["--help"], prog="p", description="")
    said = capsys.readouterr().out
    for line in (
        "SOURCE, --source, --data.source TEXT  (default: demo)",
        "--epochs, --train.epochs INT  (default: 30)",
        "--data.batch_size INT|auto  (default: 32)",
        "--overwrite true|false  (default: false)",
        "--model.hidden [INT, ...]",
        "--train.learning_rate NUMBER|auto  (default: 0.001)",
    ):
        assert line in said
