"""Settings given in Python, as the words of the command that says the same."""

import dataclasses
import json
import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args

from tfpipeline import cli
from tfpipeline.cli import words
from tfpipeline.config import presets
from tfpipeline.core.errors import UserError, suggest

Settings = TypeVar("Settings")

# What a user may give: a file, settings by their dotted or nested names, or the
# dataclass itself.
Config = str | os.PathLike[str] | Mapping[str, Any] | object | None


def read(
    verb: str, kind: type[Settings], config: Config, given: Mapping[str, Any]
) -> tuple[Settings, str]:
    """Return the settings of a command that is called in Python, and how it is typed.

    They become flags and are read as the command reads them, so that both know the same
    names, and refuse the same values in the same words.

    Args:
        verb: The command, e.g. `train`.
        kind: Its dataclass.
        config: A YAML file, a mapping of settings, an instance of `kind`, which is
            taken as it is whatever its preset, or None.
        given: More settings, which win over `config`. Names are dotted
            (`"train.epochs"`) or nested (`train={"epochs": 3}`).

    Raises:
        UserError: An unknown name, a setting under two names in `config` or in `given`,
            or a value of the wrong kind.
    """
    line: list[str] = []
    values: dict[str, Any] = {}
    if isinstance(config, (str, os.PathLike)):
        line = ["--config", os.fspath(config)]
    elif isinstance(config, kind):
        default, values = flat(kind()), flat(config)
        # It holds every setting: nothing is left to a preset.
        own = presets.of(kind, values)
        values = {n: v for n, v in values.items() if n in own or v != default.get(n)}
        values = _named(kind, values.items())
    elif isinstance(config, Mapping):
        values = _named(kind, _flat(config))
    elif config is not None:
        raise UserError(
            f"config: expected a YAML file, a mapping of settings, or {kind.__name__}. "
            f"Received: {type(config).__name__}."
        )
    values |= _named(kind, _flat(given))
    known = dict(words.hints(kind))
    prog = f"python -m tfpipeline.{verb}"
    for name, value in values.items():
        # A setting may be a number, or one for each name.
        above = get_args(known.get(name.rpartition(".")[0]))
        if name not in known and dict[str, float] not in above:
            raise UserError(
                f"{name}: no such setting of {verb}.{suggest(name, known)} See "
                f"`{prog} --help`."
            )
        if known.get(name) == list[str] and isinstance(value, (str, os.PathLike)):
            value = [value]
        line.append(f"--{name}={_as_word(value)}")
    settings = cli.parse(kind, line, prog=prog, description="")
    return settings, f"{prog} {shlex.join(line)}".rstrip()


def _named(kind: type, given: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return settings under their own names, each given under one name alone."""
    aliases, under, values = words.of(kind).aliases, dict[str, str](), {}
    for name, value in given:
        setting = aliases.get(name, name)
        if under.setdefault(setting, name) != name:
            raise words.twice(under[setting], name)
        values[setting] = value
    return values


def flat(settings: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Return settings by their dotted names.

    Args:
        settings: The dataclass of a command.
        without: Names of settings and of sections to skip.
    """
    return {
        name: value
        for name, value in _flat(vars(settings))
        if not {name, name.partition(".")[0]} & {*without}
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings by their dotted names."""
    for name, value in values.items():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = vars(value)
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _as_word(value: Any) -> str:
    """Return a value as it is written behind a flag."""
    plain = _plain(value)
    if isinstance(plain, (list, tuple)):
        return json.dumps([_plain(item) for item in plain], ensure_ascii=False)
    return json.dumps(plain) if plain is None or isinstance(plain, bool) else str(plain)


def _plain(value: Any) -> Any:
    """Return a path as text, and a number of NumPy as one of Python."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "item") else value
