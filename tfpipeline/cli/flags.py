"""From a command line and its config file to settings, and back to YAML."""

import dataclasses
import functools
import os
import re
import sys
from argparse import SUPPRESS
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml

from tfpipeline.cli import help_text, values, words, yaml_text
from tfpipeline.cli.yaml_text import Given
from tfpipeline.config import RunSettings, presets
from tfpipeline.core.errors import UserError, suggest

Settings = TypeVar("Settings")

QUIET = "Print nothing but errors, warnings, and what was asked for."
JSON = "Print the result as one JSON document; everything else goes to stderr."
_CONFIG = "YAML file of settings; flags win over it."
_PRINT_CONFIG = "Print all settings as such a file, and do nothing else."

# Flags that stand alone.
_SWITCHES = {"quiet": QUIET, "json": JSON, "print_config": _PRINT_CONFIG}

_SEE = " See --help."


def parse(
    settings: type[Settings], argv: Sequence[str], *, prog: str, description: str
) -> Settings:
    """Return the settings that a command line and its ``--config`` file ask for.

    Nested dataclasses become dotted flags. Flags win over the file, the file over a
    preset, that over defaults. A text means the same in the file and behind its flag.

    Raises:
        UserError: An unknown key or preset, or a value of the wrong type.
        SystemExit: After ``--help`` or ``--print_config``.
    """
    return read(settings, argv, prog=prog, description=description)[0]


def read(
    settings: type[Settings], argv: Sequence[str], *, prog: str, description: str
) -> tuple[Settings, dict[str, bool]]:
    """Return what `parse` does, and the switches `quiet` and `json`."""
    if {"-h", "--help"} & {*argv}:
        sys.stdout.write(_help(settings, prog, description))
        raise SystemExit(0)
    known = dict(words.hints(settings))
    chosen: dict[str, Any] = {}
    flags: dict[str, list[list[str]]] = {}
    for name, texts in _flags(known, words.spell_out(settings, argv)):
        if name == "config":
            _take_file(chosen, known, texts[0])
        elif known.get(name) == list[str]:
            flags.setdefault(name, []).append(texts)
        else:
            flags[name] = [texts]
    _join_names(settings, known, chosen)
    # A section as a whole comes before its parts, which win wherever they stand.
    for name, given in sorted(flags.items(), key=lambda flag: flag[0].count(".")):
        if name not in _SWITCHES:
            _take(chosen, known, name, _joined(given))
    _join_names(settings, known, chosen)
    result = _replace(settings(), {**presets.of(settings, chosen), **chosen})
    if "print_config" in flags:
        sys.stdout.write(dump(result))
        raise SystemExit(0)
    return result, {name: name in flags for name in ("quiet", "json")}


def _join_names(
    settings: type[Any], known: Mapping[str, Any], chosen: dict[str, Any]
) -> None:
    """Take what files say under another name of a setting for that; not both."""
    for other, name in words.of(settings).aliases.items():
        # It is a setting in files, where `--print_config` writes it with its default.
        if other not in known or other not in chosen:
            continue
        default = functools.reduce(getattr, other.split("."), settings())
        if (value := chosen.pop(other)) == default:
            continue
        value = [value] if known[name] == list[str] else value
        if chosen.setdefault(name, value) != value:
            raise words.twice(f"--{name}", f"--{other}")


def _joined(given: Sequence[list[str]]) -> Given:
    """Return what a flag gives that may be there several times."""
    if len(given) > 1:
        return [word for texts in given for word in _listed(texts)]
    # More than one word are those of a list: names of files, and globs.
    (texts,) = given
    return values.of_flag(texts[0]) if len(texts) == 1 else texts


def _listed(texts: list[str]) -> list[Given]:
    """Return the words behind a flag; one in brackets is a list of them."""
    items = yaml_text.structure(texts[0]) if len(texts) == 1 else texts
    return [*items] if isinstance(items, list) else [*texts]


def _hint_of(known: Mapping[str, Any], name: str) -> Any:
    """Return the kind of a setting, or of one of its parts; None of a section."""
    above, _, part = name.rpartition(".")
    if name in known:
        return known[name]
    for kind in values.kinds_of(known.get(above)):
        if get_origin(kind) is dict and part:
            return get_args(kind)[1]
    sections = {other.rpartition(".")[0] for other in known} - {""}
    if name in sections:
        return None
    flags = [f"--{other}" for other in (*known, *sorted(sections), *_SWITCHES)]
    raise UserError(
        f"--{name}: there is no such setting.{suggest(f'--{name}', flags)}{_SEE}"
    )


def _flags(
    known: Mapping[str, Any], argv: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the flags of a command line and the words behind each."""
    rest = list(argv)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        if not re.match(r"--\w", flag):
            raise UserError(f"{flag}{equals}{value}: expected a flag.{_SEE}")
        name, texts = flag[2:], [value] if equals else []
        switch = name in _SWITCHES
        several = not switch and name != "config" and _hint_of(known, name) == list[str]
        most = 0 if equals or switch else len(rest) if several else 1
        while rest and len(texts) < most and not rest[0].startswith("--"):
            texts.append(rest.pop(0))
        if bool(texts) == switch and not several:
            what = "a value" if not switch else "no value"
            raise UserError(f"{flag}: expected {what}.{_SEE}")
        yield name, texts


def _take_file(
    chosen: dict[str, Any], known: Mapping[str, Any], file: str, section: str = ""
) -> None:
    """Note the settings of a config file, or of one that holds just a section."""
    flag = f"--{section or 'config'} {file}: expected"
    try:
        content = Path(file).read_bytes()
        given = yaml_text.load(content)
    except OSError as error:
        raise UserError(f"--{section or 'config'} {file}: {error.strerror}.") from None
    except ValueError as error:
        raise UserError(f"{flag} YAML. {error}") from None
    if not content.strip():
        raise UserError(f"{flag} settings. The file is empty.")
    if not isinstance(given, dict | None):
        text = yaml_text.show(given)[:60]
        raise UserError(f"{flag} settings by name, e.g. `seed: 1`. Received: {text}.")
    try:
        for name, value in (given or {}).items():
            _take(chosen, known, f"{section}.{name}".lstrip("."), value)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None


def _take(
    chosen: dict[str, Any], known: Mapping[str, Any], name: str, given: Given
) -> None:
    """Note what was given for a setting, or for those of a section."""
    hint = _hint_of(known, name)
    if hint is None:
        parts = yaml_text.structure(given) if isinstance(given, str) else given
        if isinstance(parts, str) and Path(parts).is_file():
            return _take_file(chosen, known, parts, name)
        if not isinstance(parts, dict):
            raise UserError(
                f"--{name}: expected settings by name. Received: "
                f"{yaml_text.show(given)}.{_SEE}"
            )
        for part, value in parts.items():
            _take(chosen, known, f"{name}.{part}", value)
        return
    try:
        value = values.read(hint, given)
    except ValueError as error:
        raise UserError(
            f"--{name}: expected {error}. Received: {yaml_text.show(given)}.{_SEE}"
        ) from None
    if name not in known:
        # A part of a setting that has names of its own.
        name, _, part = name.rpartition(".")
        before = chosen.get(name)
        value = {**(before if isinstance(before, dict) else {}), part: value}
    chosen[name] = value


def _replace(settings: Any, chosen: Mapping[str, Any], prefix: str = "") -> Any:
    """Return settings in which those by their dotted names are replaced."""
    changes = {}
    for entry in dataclasses.fields(settings):
        name, value = f"{prefix}{entry.name}", getattr(settings, entry.name)
        if dataclasses.is_dataclass(value):
            changes[entry.name] = _replace(value, chosen, f"{name}.")
        elif name in chosen:
            changes[entry.name] = chosen[name]
    return dataclasses.replace(settings, **changes)


def _help(settings: type[Any], prog: str, description: str) -> str:
    """Return the help of a command."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=prog, description=description)
    for name, text in {"config": _CONFIG, **_SWITCHES}.items():
        action = "store_true" if name in _SWITCHES else "store"
        parser.add_argument(f"--{name}", action=action, default=SUPPRESS, help=text)
    parser.add_class_arguments(settings, as_group=False)
    return help_text.text(parser, words.of(settings))


class _Quoting(yaml.SafeDumper):
    """Writes every text in quotes that could be read as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = re.fullmatch(r"[A-Za-z/][\w./ -]*", text) is not None
    style = None if plain and text.lower() not in ("inf", "nan") else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Quoting.add_representer(str, _represent_text)


def of_run(file: Path) -> RunSettings:
    """Return the settings in the `config.yaml` of a run."""
    return parse(RunSettings, ["--config", str(file)], prog="train", description="")


# Settings that may name a file or folder, and words that name none, whatever a file
# here is called.
_PATHS = (
    *("workdir", "cache_dir", "source", "features", "splits", "corrections"),
    *("classes", "tfds_dir", "weights"),
)
_WORDS = (None, "demo", "imagenet", "none")


def anchored(settings: Settings) -> Settings:
    """Return settings in which paths no longer depend on the current folder.

    Fields that name something that exists below it become absolute paths.
    """
    assert dataclasses.is_dataclass(settings) and not isinstance(settings, type)
    changes: dict[str, Any] = {}
    for entry in dataclasses.fields(settings):
        value = getattr(settings, entry.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            changes[entry.name] = anchored(value)
        elif entry.name in _PATHS and value not in _WORDS and os.path.exists(value):
            changes[entry.name] = os.path.abspath(value)
        elif entry.name == "backbone":
            changes[entry.name] = _anchored_backbone(value)
    return dataclasses.replace(settings, **changes)


def _anchored_backbone(name: str) -> str:
    """Return a backbone, where it is a file or a folder by its whole path."""
    scheme = "kerashub:" if name.startswith("kerashub:") else ""
    path = name.removeprefix(scheme)
    if not (scheme or path.endswith(".keras")) or not os.path.exists(path):
        return name
    return scheme + os.path.abspath(path)


def dump(settings: object) -> str:
    """Return settings as the YAML text that ``--config`` reads, in their order."""
    assert dataclasses.is_dataclass(settings) and not isinstance(settings, type)
    plain = dataclasses.asdict(settings)
    text = yaml.dump(plain, Dumper=_Quoting, sort_keys=False, allow_unicode=True)
    return str(text)
