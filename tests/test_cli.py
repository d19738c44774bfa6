"""Settings come from flags and files, and errors leave by their exit codes."""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.config import PredictSettings, RunSettings
from tfpipeline.errors import UserError


def parse(*argv: str) -> RunSettings:
    return cli.parse(RunSettings, argv, prog="train", description="")


def test_scientific_numbers_in_yaml_are_floats(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("train:\n  learning_rate: 1e-3\n")
    assert parse("--config", str(file)).train.learning_rate == 1e-3


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("seed: 1\ntrain:\n  epochs: 4\n")
    settings = parse("--config", str(file), "--train.epochs", "9")
    assert (settings.seed, settings.train.epochs) == (1, 9)


def test_an_unknown_key_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("train:\n  learning_rat: 1\n")
    with pytest.raises(UserError, match="train.learning_rate"):
        parse("--config", str(file))


@pytest.mark.parametrize(
    "argv",
    [
        ("--seed", "one"),
        ("--train.epochs", "1.5"),
        ("--config", "no/such/file.yaml"),
        ("stray",),
    ],
)
def test_a_wrong_value_is_the_users_to_mend(argv: tuple[str, ...]) -> None:
    with pytest.raises(UserError):
        parse(*argv)


def test_settings_survive_being_written_and_read(tmp_path: Path) -> None:
    settings = parse("--model.hidden", "[8, 4]", "--train.learning_rate", "3e-5")
    file = tmp_path / "c.yaml"
    file.write_text(cli.dump(settings))
    assert parse("--config", str(file)) == settings


def test_a_list_flag_takes_many_words() -> None:
    settings = cli.parse(
        PredictSettings,
        ["--images", "a b.jpg", "c,d.jpg", "--top_k", "2"],
        prog="p",
        description="",
    )
    assert settings.images == ["a b.jpg", "c,d.jpg"] and settings.top_k == 2


@dataclass(frozen=True)
class Nothing:
    """No settings."""

    name: str = "x"
    more: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("mend it"), 2),
        (KeyboardInterrupt(), 130),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "f"), 2),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "f"), 2),
    ],
)
def test_errors_become_exit_codes(error, code, capsys) -> None:
    def command(settings: Nothing) -> None:
        """Fail."""
        raise error

    assert cli.main(command, Nothing, []) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_surprise_keeps_its_traceback() -> None:
    def command(settings: Nothing) -> None:
        """Fail."""
        raise OSError(errno.EIO, "broken disk")

    with pytest.raises(OSError):
        cli.main(command, Nothing, [])


def test_chatter_of_the_start_is_hidden_but_shown_after_a_crash(capfd) -> None:
    with cli.quiet_start():
        os.write(2, b"chatter")
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError), cli.quiet_start():
        os.write(2, b"chatter")
        raise RuntimeError
    assert capfd.readouterr().err == "chatter"
