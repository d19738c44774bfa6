"""From what was given, by a flag or in a file, to a value of the kind of a setting."""

import contextlib
import re
import types
from typing import Any, Literal, Union, get_args, get_origin

from tfpipeline.cli.yaml_text import NULLS, Given, structure

_WHOLE = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_NUMBER = re.compile(
    r"[-+]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
    r"|(?P<word>[-+]?\.inf|\.nan)",
    re.IGNORECASE,
)
_SWITCHES = dict.fromkeys(("true", "yes", "on"), True)
_SWITCHES |= dict.fromkeys(("false", "no", "off"), False)

# What users call the kinds.
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list[str]: "words like [cat, dog]",
    list[int]: "a list like [256, 64]",
    dict[str, float]: "numbers like {onnx: 0.01}",
    types.NoneType: "null",
}


def kinds_of(hint: Any) -> tuple[Any, ...]:
    """Return the kinds that a type hint allows."""
    union = get_origin(hint) in (Union, types.UnionType)
    return get_args(hint) if union else (hint,)


def expected(hint: Any) -> str:
    """Return in words what kind of value a setting has."""
    words = [
        " or ".join(get_args(kind)) if get_origin(kind) is Literal else _WORDS[kind]
        for kind in kinds_of(hint)
    ]
    return " or ".join(words)


def read(hint: Any, given: Given) -> Any:
    """Return a value of the kind of a type hint.

    What may be text is text: `007` stays what it is.

    Raises:
        ValueError: It is of another kind.
    """
    kinds = kinds_of(hint)
    if given is None and types.NoneType in kinds:
        return None
    for kind in sorted(kinds, key=lambda kind: kind is not str):
        with contextlib.suppress(ValueError):
            return _read(kind, given)
    raise ValueError(expected(hint))


def _read(kind: Any, given: Given) -> Any:
    """Return a value of just one kind."""
    if get_origin(kind) in (list, dict):
        return _read_several(kind, given)
    if not isinstance(given, str):
        raise ValueError
    if kind is str or given in get_args(kind):
        return given
    if kind is bool and given.lower() in _SWITCHES:
        return _SWITCHES[given.lower()]
    if kind is int and _WHOLE.fullmatch(given):
        return int(given)
    if kind is float and (match := _NUMBER.fullmatch(given)):
        return float(given.replace(".", "") if match["word"] else given)
    raise ValueError


def _read_several(kind: Any, given: Given) -> Any:
    """Return a list or mapping; a word alone is a list of one."""
    if isinstance(given, str):
        given = structure(given)
    *_, inner = get_args(kind)
    if get_origin(kind) is dict and isinstance(given, dict):
        return {name: read(inner, value) for name, value in given.items()}
    if kind == list[str] and isinstance(given, str):
        given = [given]
    if get_origin(kind) is list and isinstance(given, list):
        return [read(inner, value) for value in given]
    raise ValueError


def of_flag(text: str) -> Given:
    """Return what a flag's text gives: null where it is empty, or a word for that."""
    return None if text in ("", *NULLS) else text
