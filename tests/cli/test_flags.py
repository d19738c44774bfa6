"""A text means the same behind a flag and in a file, for every setting there is."""

import importlib
import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

import tfpipeline
from tfpipeline import cli
from tfpipeline.cli import values, words
from tfpipeline.config import PredictSettings, RunSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.core.errors import UserError


def settings_of(verb: str) -> type[Any]:
    """Return the dataclass that a command takes."""
    command = getattr(importlib.import_module(f"tfpipeline.{verb}.command"), verb)
    return get_type_hints(command)["settings"]


VERBS = sorted(tfpipeline.COMMANDS)
SETTINGS = {verb: settings_of(verb) for verb in VERBS}
FIELDS = [(v, *field) for v in VERBS for field in words.hints(SETTINGS[v])]
# One of each kind; a property of kinds needs no more.
KINDS = list({repr(hint): (v, name, hint) for v, name, hint in FIELDS}.values())

TEXTS = (
    *("5", "010", "+5", "-3", "1_000", "0x1f", "0o7", "1:30", "1e3", "5.0", ".5", "5."),
    *("inf", ".inf", "-.inf", "nan", ".nan", "4/255", "1,2", "2024-01-01", "12:30:45"),
    *("true", "True", "yes", "no", "on", "off", "y", "n", "null", "Null", "~", "none"),
    *("auto", "all", "a b", "caf\u00e9", "<<", "=", "[]", "[0, 1]", "[no, yes]"),
    *("[95, 75, 50]", '["a", "b"]', "[256, 64]", "{onnx: 0.1, savedmodel: 1e-3}"),
    *("{onnx: much}", "[[1]]", "[null]", "[1, two]", ""),
)


def parse(kind: type[Any], *argv: str) -> Any:
    return cli.parse(kind, argv, prog="p", description="")


def value_of(settings: Any, name: str) -> Any:
    for part in name.split("."):
        settings = getattr(settings, part)
    return settings


def written(name: str, text: str) -> str:
    """Return a file with one setting, as it is typed: its text as it is."""
    *above, last = name.split(".")
    lines = [f"{'  ' * depth}{part}:" for depth, part in enumerate(above)]
    return "\n".join([*lines, f"{'  ' * len(above)}{last}: {text}\n"])


def by_either(tmp_path: Path, kind: type[Any], name: str, text: str) -> list[Any]:
    """Return what a text gives as a flag and in a file; of a refusal, the class."""
    file = tmp_path / "c.yaml"
    file.write_text(written(name, text), encoding="utf-8")
    found: list[Any] = []
    for argv in ((f"--{name}={text}",), ("--config", str(file))):
        try:
            found.append(value_of(parse(kind, *argv), name))
        except UserError as error:
            assert f"--{name}" in str(error), error
            found.append(UserError)
    return found


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


@pytest.mark.parametrize(("verb", "name", "hint"), KINDS, ids=[k[1] for k in KINDS])
def test_a_text_means_the_same_as_a_flag_and_in_a_file(
    verb: str, name: str, hint: Any, tmp_path: Path
) -> None:
    plain_text = not any(getattr(k, "__origin__", None) for k in values.kinds_of(hint))
    accepted = 0
    for text in TEXTS:
        flag, file = by_either(tmp_path, SETTINGS[verb], name, text)
        if text[:1] in ("[", "{") and str in values.kinds_of(hint) and plain_text:
            # In a file, brackets are a list unless they are quoted.
            assert flag == text and file is UserError
            quoted = json.dumps(text)
            file = by_either(tmp_path, SETTINGS[verb], name, quoted)[1]
        assert same(flag, file), (text, flag, file)
        accepted += flag is not UserError
    assert 0 < accepted <= len(TEXTS)


@pytest.mark.parametrize("verb", VERBS)
def test_an_empty_entry_is_null_where_that_may_be_and_else_named(
    verb: str, tmp_path: Path
) -> None:
    kind = SETTINGS[verb]
    sections = {
        n[:i] for n, _ in words.hints(kind) for i, c in enumerate(n) if c == "."
    }
    hints = dict.fromkeys(sections) | dict(words.hints(kind))
    for name, hint in hints.items():
        may = hint is not None and type(None) in values.kinds_of(hint)
        for text in ("", "null", "~", " # nothing"):
            file = tmp_path / "c.yaml"
            file.write_text(written(name, text))
            if may:
                assert value_of(parse(kind, "--config", str(file)), name) is None
                continue
            with pytest.raises(UserError, match=f"c.yaml: --{name}: .*: null"):
                parse(kind, "--config", str(file))


@pytest.mark.parametrize("verb", VERBS)
def test_every_kind_of_setting_has_words_and_defaults_survive_being_printed(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = SETTINGS[verb]
    assert all(values.expected(hint) for _, hint in words.hints(kind))
    with pytest.raises(SystemExit):
        parse(kind, "--print_config")
    file = tmp_path / "c.yaml"
    file.write_text(capsys.readouterr().out)
    assert same(parse(kind, "--config", str(file)), kind())


@pytest.mark.parametrize(("verb", "name", "hint"), KINDS, ids=[k[1] for k in KINDS])
def test_what_is_printed_is_read_again(
    verb: str, name: str, hint: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in TEXTS:
        try:
            given = parse(SETTINGS[verb], f"--{name}={text}")
        except UserError:
            continue
        with pytest.raises(SystemExit):
            parse(SETTINGS[verb], f"--{name}={text}", "--print_config")
        file = tmp_path / "c.yaml"
        file.write_text(capsys.readouterr().out, encoding="utf-8")
        assert same(parse(SETTINGS[verb], "--config", str(file)), given), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("- seed\n", r"settings by name.*\[\"seed\"\]"),
        ("seed\n", "settings by name.*: seed"),
        ("seed: 1\ntrain:\n\tepochs: 3\n", "line 3: .*tabs"),
        ("seed: 1\nseed: 2\n", "line 2: seed is there twice"),
        ("train:\n  epochs: 1\n  epochs: 2\n", "line 3: epochs is there twice"),
        ("seed: [\n", "line 2"),
        ("seed: !!int 3\n", "line 1: .*tag"),
        ("a: &a {b: *a}\n", "too deep|no such"),
        ("[1, 2]: 3\n", "line 1: .*name"),
        ("---\nseed: 1\n---\nseed: 2\n", "line 3"),
        ("seed: [1]\n", r"--seed: expected a whole number. Received: \[\"1\"\]"),
        ("workdir: {a: b}\n", r"--workdir: expected text or null.*\{\"a\": \"b\"\}"),
        ("workdir: [a]\n", "--workdir: expected text or null"),
        ("train:\n  epoch: 3\n", "Did you mean '--train.epochs'"),
        ("trian:\n  epochs: 3\n", "Did you mean '--train'"),
        ("tolerance: 3\n", "--tolerance: there is no such setting"),
        ("model:\n  hidden: 256\n", r"--model.hidden: expected a list like"),
        ("data:\n", "--data: expected settings by name. Received: null"),
    ],
)
def test_a_file_that_is_wrong_says_where(
    text: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=f"(?i)c.yaml.*({expected})"):
        parse(RunSettings, "--config", str(file))


@pytest.mark.parametrize("content", [b"seed: \xff\n", b"seed: 1\x00\n"])
def test_a_file_of_other_bytes_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError, match="c.yaml: expected YAML"):
        parse(RunSettings, "--config", str(file))


@pytest.mark.parametrize("text", ["# nothing yet\n", "---\n# seed: 1\n", "{}\n"])
def test_a_file_of_comments_alone_sets_nothing(text: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    assert parse(RunSettings, "--config", str(file)) == RunSettings()


def test_names_of_classes_are_text_whatever_yaml_takes_them_for(tmp_path: Path) -> None:
    given = ["no", "on", "0", "007", "1e3", "2024-01-01", "null", "~", "1:30", "[a]"]
    file = tmp_path / "c.yaml"
    lines = [f"  - {n if n[0] != '[' else json.dumps(n)}\n" for n in given]
    file.write_text("classes:\n" + "".join(lines))
    assert parse(SynthesizeSettings, "--config", str(file)).classes == given
    assert parse(SynthesizeSettings, "--classes", *given).classes == given
    file.write_text("target: 0123\n")
    assert parse(AttackSettings, "--config", str(file)).target == "0123"
    file.write_text("classes: [cat, ]\n")
    assert parse(SynthesizeSettings, "--config", str(file)).classes == ["cat"]
    file.write_text("classes:\n  - cat\n  -\n")
    with pytest.raises(UserError, match="--classes: expected words"):
        parse(SynthesizeSettings, "--config", str(file))


def test_later_files_and_flags_win_and_parts_add_up(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("tolerance: {onnx: 1, savedmodel: 2}\nimages: [a, b]\n")
    second.write_text("tolerance:\n  savedmodel: 3\n")
    files = ("--config", str(first), f"--config={second}")
    settings = parse(ExportSettings, "--tolerance.litert_int8", "4", *files)
    assert settings.tolerance == {"savedmodel": 3, "litert_int8": 4}
    assert settings.images == ["a", "b"]
    settings = parse(ExportSettings, "--images", "c", *files, "--images=d")
    assert settings.images == ["c", "d"]


def test_a_mapping_may_be_used_again_within_a_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "train: &t\n  schedule: cosine\n  patience: 3\n"
        "fine_tune:\n  <<: *t\n  patience: 4\n"
    )
    settings = parse(RunSettings, "--config", str(file))
    assert settings.fine_tune.schedule == settings.train.schedule == "cosine"
    assert (settings.train.patience, settings.fine_tune.patience) == (3, 4)


def test_a_section_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("backbone: VGG16\nhidden: [8, 4]\n")
    assert parse(RunSettings, "--model", str(file)).model.hidden == [8, 4]
    file.write_text("backbon: VGG16\n")
    with pytest.raises(UserError, match="model.yaml: .*'--model.backbone'"):
        parse(RunSettings, "--model", str(file))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--seed",), "--seed: expected a value"),
        (("--seed", "--overwrite", "true"), "--seed: expected a value"),
        (("--quiet=1",), "--quiet: expected no value"),
        (("-x", "1"), "-x: expected a flag"),
        (("--", "1"), "--: expected a flag"),
        (("--config",), "--config: expected a value"),
        (("--tolerance.onnx", "1"), "--tolerance.onnx: there is no such setting"),
    ],
)
def test_a_command_line_that_is_wrong_names_the_flag(argv, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        parse(RunSettings, *argv)


def test_words_behind_a_list_may_be_a_glob_or_a_list() -> None:
    for argv, expected in (
        (("--images", "[dl]*/0.png"), ["[dl]*/0.png"]),
        (("--images", "[no, yes]"), ["no", "yes"]),
        (('--images=["caf\udce9.png", 3, true]',), ["caf\udce9.png", "3", "true"]),
        (("--images", "[a]", "null"), ["[a]", "null"]),
    ):
        assert parse(PredictSettings, *argv).images == expected


def test_settings_are_yaml_that_any_reader_reads_alike() -> None:
    texts = ["no", "007", "1:30", "null", "~", "2024-01-01", "", "a: b", "1e3"]
    for text in texts:
        settings = parse(SynthesizeSettings, "--output=x", "--classes", text, "x")
        printed = yaml.safe_load(cli.dump(settings))
        assert printed["classes"] == [text, "x"]
