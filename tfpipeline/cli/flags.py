"""From a command line and its config file to settings, and back to YAML."""

import dataclasses
import json
import os
import re
from argparse import SUPPRESS
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

import yaml
from jsonargparse import ArgumentParser, Namespace

from tfpipeline.config import RunSettings
from tfpipeline.core.errors import UserError, suggest

Settings = TypeVar("Settings")

# Phrases of jsonargparse in which a key that nobody knows is named.
_UNKNOWN_KEY = (
    re.compile(r"unrecognized arguments: --([\w.]+)"),
    re.compile(r"Group '(?P<group>[\w.]+)' does not accept option '([\w.]+)'"),
    re.compile(r"(?:Key|Parser key|option) ['\"]([\w.]+)['\"] is not expected"),
)


class _Parser(ArgumentParser):
    """A parser whose errors are one sentence, with the nearest known name."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message as an error that the user can mend."""
        text = _plainly(" ".join(str(message).split()))
        stop = "" if text.endswith((".", "?")) else "."
        raise UserError(f"{text}{stop}{self._suggestion(text)} See --help.")

    def _suggestion(self, text: str) -> str:
        known = [
            option
            for action in self._actions
            for option in action.option_strings
            if option.startswith("--")
        ]
        for pattern in _UNKNOWN_KEY:
            found = pattern.search(text)
            if found:
                group = found.groupdict().get("group")
                key = found.groups()[-1]
                return suggest(f"--{group}.{key}" if group else f"--{key}", known)
        return ""


# What jsonargparse calls the kinds of values, and what users call them.
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list like [256, 64]",
}
_WRONG_KIND = re.compile(
    r"Parser key \"([\w.]+)\":.*?Expected a <class '(\w+)'>\. Got value: (.*?)\.?$"
)


_NO_KIND = re.compile(
    r"Parser key \"([\w.]+)\": Does not validate against any of the Union subtypes "
    r"Subtypes: \[(.*?)\] Errors: .*Given value: (.*?)\.?$"
)
_NESTED = re.compile(r"NestedArg\(key='([\w.]+)', val=(.*?)\)")
_SUBTYPE = re.compile(r"<class '(\w+)'>|Literal\['(\w+)'\]")


def _plainly(text: str) -> str:
    """Return an error of jsonargparse in the words of this project, where known."""
    text = _NESTED.sub(r"\2", text)
    found = _NO_KIND.search(text)
    if found is not None:
        kinds = [_KINDS.get(k, k) or word for k, word in _SUBTYPE.findall(found[2])]
        expected = " or ".join(kind for kind in kinds if kind != "NoneType")
        return f"--{found[1]}: expected {expected}. Received: {found[3]}."
    found = _WRONG_KIND.search(text)
    if found is None or found[2] not in _KINDS:
        return text
    return f"--{found[1]}: expected {_KINDS[found[2]]}. Received: {found[3]}."


@dataclasses.dataclass(frozen=True)
class Switches:
    """What every command can be told besides its settings.

    Args:
        quiet: Print nothing but errors, and what was asked for.
        json: Print the result to stdout as one JSON document, all else to stderr.
    """

    quiet: bool = False
    json: bool = False


QUIET = "Print nothing but errors, and what was asked for."
JSON = "Print the result as one JSON document; everything else goes to stderr."


def parse(
    settings: type[Settings], argv: Sequence[str], *, prog: str, description: str
) -> Settings:
    """Return the settings that a command line and its ``--config`` file ask for.

    Args:
        settings: A frozen dataclass; nested dataclasses become dotted flags.
        argv: The words of the command line, without the program's name.
        prog: How the command is called, for ``--help``.
        description: What it does, for ``--help``.

    Returns:
        An instance of `settings`; flags win over the file, the file over defaults.

    Raises:
        UserError: An unknown key, or a value of the wrong type.
        SystemExit: After ``--help`` or ``--print_config``.
    """
    return read(settings, argv, prog=prog, description=description)[0]


def read(
    settings: type[Settings], argv: Sequence[str], *, prog: str, description: str
) -> tuple[Settings, Switches]:
    """Return what `parse` does, and the switches that every command has.

    Args:
        settings: As for `parse`.
        argv: Likewise.
        prog: Likewise.
        description: Likewise.

    Raises:
        UserError: As `parse`.
        SystemExit: As `parse`.
    """
    parser = _Parser(prog=prog, description=description)
    parser.add_argument(
        "--config", action="config", help="YAML file of settings; flags win over it."
    )
    # Without a default, they are no part of what --print_config prints.
    for name, words in (("quiet", QUIET), ("json", JSON)):
        parser.add_argument(
            f"--{name}", action="store_true", default=SUPPRESS, help=words
        )
    parser.add_class_arguments(settings, as_group=False)
    rest, lists = _take_lists(settings, argv)
    try:
        space = parser.parse_args(rest)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}.") from None
    del space["config"]
    switches = Switches(**{n: space.pop(n, False) for n in ("quiet", "json")})
    made = parser.instantiate(space)
    fields = dict(made.items() if isinstance(made, Namespace) else made)
    return settings(**{**fields, **lists}), switches


def _take_lists(
    settings: type, argv: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Take the flags with several words out of a command line: ``--images a b``.

    Their words are file names and globs, which must not be read as YAML.
    """
    names = {
        f"--{name}": name
        for name, kind in get_type_hints(settings).items()
        if kind == list[str]
    }
    words, rest = list(argv), []
    lists: dict[str, list[str]] = {}
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        if flag not in names:
            rest.append(word)
            continue
        values = [value] if equals else []
        while words and not equals and not words[0].startswith("--"):
            values.append(words.pop(0))
        lists.setdefault(names[flag], []).extend(_as_json(values))
    return rest, lists


def _as_json(values: list[str]) -> list[str]:
    """Return the list that a single word may be: ``--images '["a", "b"]'``."""
    try:
        found = json.loads(values[0]) if len(values) == 1 else None
    except ValueError:
        return values
    return [str(value) for value in found] if isinstance(found, list) else values


class _Quoting(yaml.SafeDumper):
    """Writes every text in quotes that could be read as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = re.fullmatch(r"[A-Za-z/][\w./ -]*", text) is not None
    style = None if plain and text.lower() not in ("inf", "nan") else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Quoting.add_representer(str, _represent_text)


def of_run(file: Path) -> RunSettings:
    """Return what a run was told.

    Args:
        file: Its `config.yaml`.

    Raises:
        UserError: It cannot be read, or holds what no run is told.
    """
    argv = ["--config", str(file)]
    return parse(RunSettings, argv, prog="train", description="")


def anchored(settings: Settings) -> Settings:
    """Return settings in which paths no longer depend on the current folder.

    Args:
        settings: An instance of a dataclass; fields that name something that exists
            below the current folder become absolute paths.
    """
    assert dataclasses.is_dataclass(settings) and not isinstance(settings, type)
    changes: dict[str, Any] = {}
    for entry in dataclasses.fields(settings):
        value = getattr(settings, entry.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            changes[entry.name] = anchored(value)
        elif entry.name in _PATHS and value not in _WORDS and os.path.exists(value):
            changes[entry.name] = os.path.abspath(value)
    return dataclasses.replace(settings, **changes)


# Settings that may name a file or folder.
_PATHS = "workdir cache_dir source splits corrections tfds_dir weights".split()

# What they name is no file, whatever a file here is called.
_WORDS = (None, "demo", "imagenet", "none")


def dump(settings: object) -> str:
    """Return settings as the YAML text that ``--config`` reads.

    Args:
        settings: An instance of a dataclass.

    Returns:
        YAML, in the order of the fields.
    """
    assert dataclasses.is_dataclass(settings) and not isinstance(settings, type)
    plain = dataclasses.asdict(settings)
    text = yaml.dump(plain, Dumper=_Quoting, sort_keys=False, allow_unicode=True)
    return str(text)
