"""Settings come from flags and files, and errors leave by their exit codes."""

import dataclasses
import errno
import gc
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from tfpipeline import cli
from tfpipeline.config import PredictSettings, RunSettings
from tfpipeline.core import console, startup
from tfpipeline.core.errors import TemporaryError, UserError, suggest
from tfpipeline.demo import world


def without_reader() -> int:
    """Return the end of a pipe that nobody reads: what `| head -1` leaves."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout and stderr"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("audit --source {new} --output {out}", 141),
        ("audit --help", 141),
        ("audit --json --source x", 2),
        ("demo.gallery --sheet {out}/sheet.png --size 16", 141),
    ],
)
def test_what_nobody_reads_ends_quietly_and_keeps_its_result(
    words: str, code: int, both: bool, tmp_path: Path
) -> None:
    world.write_folder(tmp_path / "new", ["rocket", "teapot"], 1, seed=7)
    out, pipe = tmp_path / "out", without_reader()
    verb, *argv = words.format(new=tmp_path / "new", out=out).split()
    done = subprocess.run(
        [sys.executable, "-m", f"tfpipeline.{verb}", *argv],
        stdout=pipe,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
        text=True,
    )
    os.close(pipe)
    # A mistake of the user's is told, where stderr has a reader.
    assert done.returncode == (141 if both and code else code)
    assert "Traceback" not in (said := done.stderr or "") and "Broken" not in said
    if "audit --source" in words:
        assert json.loads((out / "statistics.json").read_text())["files"] == 2


def test_another_pipe_that_broke_is_still_an_error(capfd) -> None:
    with pytest.raises(BrokenPipeError), console.heard():
        os.write(without_reader(), b"to a worker that died")


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


@pytest.mark.parametrize(
    ("word", "near"),
    [
        *(
            ("--eps", "--epsilon"),
            ("--quite", "--quiet"),
            ("--epoch", "--train.epochs"),
        ),
        *(("--split", "--data.splits"), ("--train.epoch", "--train.epochs")),
    ],
)
def test_an_abbreviated_flag_suggests_the_whole_one(word: str, near: str) -> None:
    known = ["--adversary.steps", "--epsilon", "--epsilons", "--quiet", "--seed"]
    known += ["--train.epochs", "--data.splits", "--fine_tune.epochs"]
    assert suggest(word, known) == f" Did you mean '{near}'?"


def test_an_unknown_key_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    for text, near in (
        ("train:\n  learning_rat: 1\n", "'--train.learning_rate'"),
        ("sed: 1\n", "'--seed'"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=f"Did you mean {near}"):
            parse("--config", str(file))


def test_a_section_that_is_none_is_the_users_to_mend(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("train: 3\n")
    with pytest.raises(UserError, match="--train: expected settings.* Received: 3"):
        parse("--config", str(file))


@pytest.mark.parametrize(
    "argv",
    [
        ("--seed", "one"),
        ("--train.epochs", "1.5"),
        ("--config", "no/such/file.yaml"),
        ("stray", "words"),
    ],
)
def test_a_wrong_value_is_the_users_to_mend(argv: tuple[str, ...]) -> None:
    with pytest.raises(UserError):
        parse(*argv)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--train.epochs", "ten"), "--train.epochs: expected a whole number"),
        (("--train.patience", "a"), "--train.patience: expected a whole number"),
        (("--train.clip_norm", "Expected"), "--train.clip_norm: expected a number"),
        (("--train.learning_rate", "low"), "--train.learning_rate: expected a number"),
        (("--overwrite", "maybe"), "--overwrite: expected true or false"),
        (("--model.hidden", "256"), r"a list like \[256, 64\]. Received: 256"),
        (("--data.batch_size", "x.)"), r"number or auto. Received: x\.\)\. See"),
        (("--train", "{epochs: x}"), "--train.epochs: expected a whole number"),
    ],
)
def test_a_value_of_a_wrong_kind_is_told_in_plain_words(argv, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(*argv)


@pytest.mark.parametrize(("error", "code"), [(UserError, 2), (TemporaryError, 75)])
def test_what_may_go_well_the_next_time_has_a_code_of_its_own(
    error: type[UserError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(settings: RunSettings) -> None:
        """Fail."""
        raise error("--flag: in words")

    assert cli.main(command, RunSettings, []) == code
    assert capsys.readouterr().err.count("error: --flag: in words") == 1


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


# What it takes is for another test: a machine may be busy.
@how(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
@example("1e-3")
@example("yes")
@example("null")
@example("~")
@example("")
@example("2026-11-24")
@example("a: b")
@example("[dog]")
@example("inf")
@example("0x1f")
@example(" x ")
@example("a #b")
def test_any_text_survives_being_written_and_read(text: str) -> None:
    settings = dataclasses.replace(RunSettings(), workdir=text)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c.yaml"
        file.write_text(cli.dump(settings), encoding="utf-8")
        assert parse("--config", str(file)) == settings


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--images", "[dl]*/0.png"], ["[dl]*/0.png"]),
        (["--images", "caf\udce9.png", "1e-3"], ["caf\udce9.png", "1e-3"]),
        (["--images=a.png", "--images", "b.png"], ["a.png", "b.png"]),
        (["--images", '["a", "b"]'], ["a", "b"]),
        (["--images"], []),
    ],
)
def test_words_of_a_list_are_taken_as_they_are(words, expected) -> None:
    found = cli.parse(PredictSettings, words, prog="p", description="")
    assert found.images == expected


def test_paths_no_longer_depend_on_the_current_folder(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    settings = parse("--data.source", "pets", "--model.weights", "imagenet")
    anchored = cli.anchored(settings)
    assert anchored.data.source == str(tmp_path / "pets")
    assert anchored.model.weights == "imagenet" and anchored.workdir is None
    (tmp_path / "demo").mkdir()
    assert cli.anchored(parse("--workdir", "demo")).data.source == "demo"


@dataclass(frozen=True)
class Nothing:
    """No settings."""

    name: str = "x"
    more: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("wrong setting"), 2),
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
    with startup.quiet_start():
        os.write(2, b"chatter")
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError), startup.quiet_start():
        os.write(2, b"chatter")
        raise RuntimeError
    assert capfd.readouterr().err == "chatter"


@pytest.mark.parametrize("chosen", (None, "false"))
def test_gpu_memory_is_taken_as_needed_unless_the_user_chose(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", chosen or "")
    if chosen is None:
        monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH")
    with startup.quiet_start():
        assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == (chosen or "true")


def test_garbage_is_looked_for_again_after_the_start() -> None:
    before = gc.get_freeze_count()
    with startup.quiet_start():
        assert not gc.isenabled()
    assert gc.isenabled() and gc.get_freeze_count() == before
    gc.disable()
    try:
        with startup.quiet_start():
            pass
        assert not gc.isenabled(), "as it was before"
    finally:
        gc.enable()


def in_a_process(
    *body: str, first: str = "", argv: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, of these lines, in a process; None is one of its own."""
    lines = [
        *("import sys", "from tfpipeline import cli"),
        *(
            "from tfpipeline.config import PredictSettings",
            "from tfpipeline.core import startup",
        ),
        *(first, "def command(settings):", "    'A command.'"),
        *(f"    {line}" for line in body),
        "sys.argv = ['command']",
        f"sys.exit(cli.main(command, PredictSettings, {argv}))",
    ]
    words = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def test_a_process_of_its_own_is_not_taken_apart_at_its_end() -> None:
    frozen = "print('frozen', gc.get_freeze_count() > 1000)"
    first = f"import atexit, gc\natexit.register(lambda: {frozen})"
    done = in_a_process("print('done')", first=first)
    assert (done.returncode, done.stdout) == (0, "done\nfrozen True\n"), done.stderr


def test_who_asks_a_server_does_without_tensorflow() -> None:
    done = in_a_process(
        "from tfpipeline.config.serving import ServerSettings",
        "from tfpipeline.predict import answers as answering",
        "url = 'http://127.0.0.1:9/v1/models/x'",
        "answering.of_server(url, ServerSettings())",
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)",
    )
    assert (done.returncode, done.stdout) == (0, "False False\n"), done.stderr


@pytest.mark.parametrize("own", (True, False))
def test_only_a_process_of_its_own_hides_from_keras_what_slows_it_down(own) -> None:
    done = in_a_process(
        "with startup.quiet_start():",
        "    import keras",
        "print('matplotlib.pyplot' in sys.modules, keras.ops.add(1, 2).shape)",
        "import matplotlib.pyplot",
        "print(matplotlib.pyplot.figure)",
        argv=None if own else [],
    )
    assert done.stdout.startswith(f"{not own} ()\n<function figure"), done.stderr
