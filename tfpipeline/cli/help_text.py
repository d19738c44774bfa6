"""What `--help` prints: the settings that matter first, then all others by section."""

import argparse
import re
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any, get_args

from tfpipeline.cli.values import kinds_of
from tfpipeline.cli.words import Words

# Wider lines are harder to read.
_WIDEST = 96

# What every command has, in plainer words than its parser's, and last.
_GENERAL = {
    "help": "Print this and exit.",
    "config": "YAML file of settings; flags override it.",
    "print_config": "Print all settings as such a file and exit.",
    "quiet": "",
    "json": "",
}

_KINDS = {int: "INT", float: "NUMBER", bool: "true|false", str: "TEXT"}


def text(parser: argparse.ArgumentParser, words: Words) -> str:
    """Return the help of a command.

    Args:
        parser: Has every setting as an action, and sections as groups.
        words: Which of them come first, which may stand without a flag, and their
            other names.
    """
    width = min(_WIDEST, shutil.get_terminal_size((80, 24)).columns - 1)
    actions = {
        action.dest: action
        for action in parser._actions
        # Those of the parser's own are for other programs.
        if action.option_strings and action.help != argparse.SUPPRESS
    }
    bare = f" [{_bare(words.positional)}]" if words.positional else ""
    lines = [f"usage: {parser.prog}{bare} [--FLAG VALUE ...]", ""]
    lines += [*textwrap.wrap(parser.description or "", width)]
    main = [actions.pop(name) for name in words.main]
    lines += _section("Most used", main, words, width)
    for alias in words.aliases:
        actions.pop(alias, None)
    general = [actions.pop(name) for name in _GENERAL if name in actions]
    for group in parser._action_groups:
        left = [a for a in group._group_actions if actions.pop(a.dest, None)]
        # A whole section from a file: rare, and the same for each.
        left = [a for a in left if a.metavar != "CONFIG"]
        title = f"{group.title} ({_prefix(left)}*)"
        title = "More" if group.title == "options" else title
        lines += _section(title, left, words, width) if left else []
    lines += _section("Every command", general, words, width)
    return "\n".join(lines) + "\n"


def _bare(setting: str) -> str:
    """Return what stands for words without a flag: `SOURCE`, `IMAGES ...`."""
    name = setting.rpartition(".")[2].upper()
    return f"{name} ..." if name.endswith("S") else name


def _prefix(actions: Iterable[argparse.Action]) -> str:
    """Return how the flags of a section begin: `--data.`"""
    return next((f"--{a.dest.rpartition('.')[0]}." for a in actions), "--")


def _section(
    title: str, actions: Iterable[argparse.Action], words: Words, width: int
) -> list[str]:
    lines = ["", *textwrap.wrap(f"{title}:", width)]
    for action in actions:
        names = [f"--{a}" for a, name in words.aliases.items() if name == action.dest]
        names += [o for o in action.option_strings if not o.endswith("+")]
        flags = ", ".join(names)
        if action.dest == words.positional:
            flags = f"{_bare(action.dest)}, {flags}"
        lines.append(f"  {flags} {_kind(action)}".rstrip() + _default(action))
        said = " ".join((_GENERAL.get(action.dest) or action.help or "").split())
        lines += textwrap.wrap(
            said, width, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return lines


def _kind(action: argparse.Action) -> str:
    """Return what a setting takes, e.g. `INT`, or `INT|auto`."""
    hint: Any = getattr(action, "_typehint", None)
    if hint is None:
        return "FILE" if action.dest == "config" else ""
    if hint in (list[str], list[int]):
        return "TEXT ..." if hint == list[str] else "[INT, ...]"
    kinds = [_KINDS.get(h) or "|".join(map(str, get_args(h))) for h in kinds_of(hint)]
    return "|".join(dict.fromkeys(filter(None, kinds)))


def _default(action: argparse.Action) -> str:
    value = action.default
    if value is None or value == argparse.SUPPRESS or value == []:
        return ""
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"  (default: {value})" if re.search(r"\S", str(value)) else ""
