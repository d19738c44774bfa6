"""YAML whose scalars are texts: what they stand for is for the setting to say.

YAML's own rules depend on its version and its reader: `010` is 8 or 10, `1:30` is 90 or
a text, `no` is false or Norway. Here a text in a file is read as behind a flag.
"""

import json
from collections.abc import Iterator
from typing import Any

import yaml

# What `null` may be written as. An empty entry is null as well.
NULLS = ("null", "Null", "NULL", "~")

# A text, null, or a list or mapping of them.
Given = str | None | list[Any] | dict[str, Any]

# Settings lie in sections, and hold a list or mapping at most.
_DEEPEST = 4


def load(content: bytes | str) -> Given:
    """Return what a YAML document holds, its scalars as they are written.

    Null is what is empty, or one of `NULLS` without quotes; in a list, where names
    stand, only what is empty.

    Raises:
        ValueError: It is no YAML, or has keys twice, or tags; with the line.
    """
    try:
        node = yaml.compose(content, yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError(_reason(error)) from None
    return None if node is None else _plain(node)


def structure(text: str) -> Given:
    """Return the list or mapping that a flag's text is, or else the text."""
    if not text.startswith(("[", "{")):
        return text
    try:
        # Not all that JSON may hold is YAML, as names of files that are no UTF-8.
        items = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
        if isinstance(items, list):
            texts = (str, list, dict)
            return [i if isinstance(i, texts) else json.dumps(i) for i in items]
    except ValueError:
        pass
    try:
        return load(text)
    except ValueError:
        return text


def show(given: Given) -> str:
    """Return what was given as it may be written."""
    if isinstance(given, str):
        return given or "''"
    return json.dumps(given, ensure_ascii=False)


def _reason(error: yaml.YAMLError) -> str:
    """Return in a sentence, with the line, why something is no YAML."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", error))
    advice = " YAML indents by spaces, not by tabs." if r"'\t'" in problem else ""
    return f"{_line(getattr(error, 'problem_mark', None))}{problem}.{advice}"


def _line(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}: "


def _plain(node: yaml.Node, depth: int = 0, listed: bool = False) -> Given:
    """Return what a node holds."""
    line = _line(node.start_mark)
    if not node.tag.endswith((":str", ":seq", ":map")):
        raise ValueError(f"{line}expected a value without a tag. Received: {node.tag}.")
    if depth > _DEEPEST:
        raise ValueError(f"{line}expected sections of settings. They lie too deep.")
    if isinstance(node, yaml.ScalarNode):
        nulls = ("",) if listed else ("", *NULLS)
        return None if node.style is None and node.value in nulls else str(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, depth + 1, listed=True) for item in node.value]
    values: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, value in _pairs(node):
        given = _plain(value, depth + 1)
        if key.value == "<<" and key.style is None:
            for base in given if isinstance(given, list) else [given]:
                merged = {**(base if isinstance(base, dict) else {}), **merged}
        elif key.value in values:
            raise ValueError(f"{_line(key.start_mark)}{key.value} is there twice.")
        else:
            values[key.value] = given
    return {**merged, **values}


def _pairs(node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """Yield what a mapping holds; its keys have to be names."""
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ValueError(f"{_line(key.start_mark)}expected the name of a setting.")
        yield key, value
