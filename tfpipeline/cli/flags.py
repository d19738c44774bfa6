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

from tfpipeline.cli import help_text, words
from tfpipeline.config import RunSettings
from tfpipeline.core.errors import UserError, suggest

Settings = TypeVar("Settings")

QUIET = "Print nothing but errors, and what was asked for."
JSON = "Print the result as one JSON document; everything else goes to stderr."

# Phrases of jsonargparse: of an unknown key, of a value, and of the kinds it may have.
_UNKNOWN = re.compile(
    r"arguments: --([\w.]+)|Group '([\w.]+)' does not accept option '([\w.]+)'"
    r"|(?:Key|Parser key|[Oo]ption) ['\"]([\w.]+)['\"] is not"
)
_VALUE = re.compile(
    r'.*key "([\w.]+)": .*[nt] value: (?:NestedArg\(.*, val=(.*?)\)|(.*?))\.?$'
)
# It drops what was given from the text, whatever the text: `a` and `Expected` too.
_KIND = re.compile(
    r"(?:Expected a|Expected|- a|-) (?:<class '(\w+)'>|typing\.Literal\['(\w+)'\])"
)

# What users call the kinds.
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list like [256, 64]",
}


class _Parser(ArgumentParser):
    """A parser whose errors are one sentence, with the nearest known name."""

    words = words.Words()

    def format_help(self, formatter: object = None) -> str:
        return help_text.text(self, self.words)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = _rephrase(" ".join(str(message).split()))
        stop = "" if text.endswith((".", "?")) else "."
        near = ""
        if match := _UNKNOWN.search(text):
            known = [
                o for a in self._actions for o in a.option_strings if o[:2] == "--"
            ]
            near = suggest(f"--{'.'.join(filter(None, match.groups()))}", known)
        raise UserError(f"{text}{stop}{near} See --help.")


def _rephrase(text: str) -> str:
    """Return an error of jsonargparse in the words of this project, where known."""
    value = _VALUE.match(text)
    kinds = [_KINDS.get(kind, word) for kind, word in _KIND.findall(text)]
    expected = " or ".join(dict.fromkeys(filter(None, kinds)))
    if value is None or not expected:
        return text
    return f"--{value[1]}: expected {expected}. Received: {value[2] or value[3]}."


def parse(
    settings: type[Settings], argv: Sequence[str], *, prog: str, description: str
) -> Settings:
    """Return the settings that a command line and its ``--config`` file ask for.

    Nested dataclasses become dotted flags. Flags win over the file, the file over
    defaults.

    Raises:
        UserError: An unknown key, or a value of the wrong type.
        SystemExit: After ``--help`` or ``--print_config``.
    """
    return read(settings, argv, prog=prog, description=description)[0]


def read(
    settings: type[Settings], argv: Sequence[str], *, prog: str, description: str
) -> tuple[Settings, dict[str, bool]]:
    """Return what `parse` does, and the switches `quiet` and `json`."""
    parser = _Parser(prog=prog, description=description, allow_abbrev=False)
    parser.words = words.of(settings)
    parser.add_argument(
        "--config", action="config", help="YAML file of settings; flags win over it."
    )
    # Without a default, they are no part of what --print_config prints.
    for name, text in (("quiet", QUIET), ("json", JSON)):
        parser.add_argument(
            f"--{name}", action="store_true", default=SUPPRESS, help=text
        )
    parser.add_class_arguments(settings, as_group=False)
    hints = get_type_hints(settings)
    rest, lists = _take_lists(
        [n for n, hint in hints.items() if hint == list[str]],
        words.spell_out(settings, argv),
    )
    try:
        space = parser.parse_args(rest)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}.") from None
    del space["config"]
    switches = {name: bool(space.pop(name, False)) for name in ("quiet", "json")}
    for name, hint in hints.items():
        if dataclasses.is_dataclass(hint) and not isinstance(space[name], Namespace):
            raise UserError(
                f"--{name}: expected settings by name. Received: {space[name]}."
            )
    return settings(**{**vars(parser.instantiate(space)), **lists}), switches


def _take_lists(
    names: Sequence[str], argv: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Take the flags with several words out of a command line: ``--images a b``.

    Their words are file names and globs, which must not be read as YAML.
    """
    left, rest = list(argv), []
    lists: dict[str, list[str]] = {}
    while left:
        word = left.pop(0)
        flag, equals, value = word.partition("=")
        if flag[:2] != "--" or flag[2:] not in names:
            rest.append(word)
            continue
        values = [value] if equals else []
        while left and not equals and not left[0].startswith("--"):
            values.append(left.pop(0))
        lists.setdefault(flag[2:], []).extend(_as_json(values))
    return rest, lists


def _as_json(values: list[str]) -> list[str]:
    """Return the list that a single word may be: ``--images '["a", "b"]'``."""
    try:
        parsed = json.loads(values[0]) if len(values) == 1 else None
    except ValueError:
        return values
    return [str(value) for value in parsed] if isinstance(parsed, list) else values


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
_PATHS = "workdir cache_dir source splits corrections classes tfds_dir weights".split()
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
    return dataclasses.replace(settings, **changes)


def dump(settings: object) -> str:
    """Return settings as the YAML text that ``--config`` reads, in their order."""
    assert dataclasses.is_dataclass(settings) and not isinstance(settings, type)
    plain = dataclasses.asdict(settings)
    text = yaml.dump(plain, Dumper=_Quoting, sort_keys=False, allow_unicode=True)
    return str(text)
