"""The table of a study, as Markdown."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_METHODS = ("probe", "head", "neighbours", "scratch")

Entry = Mapping[str, Any]


def markdown(means: Sequence[Entry], pairs: Sequence[Entry]) -> str:
    """Return a row a source and network, on all examples.

    Args:
        means: With `source`, `backbone`, `method`, `shots`, `accuracy`,
            `half_interval` and perhaps `gain`, `gain_half_interval` and
            `gain_against`.
        pairs: With `source`, `backbone`, `milliseconds`, `parameters`, `bytes`, and
            perhaps `logme` and `statistics_distance`.

    Returns:
        Lines of Markdown, each with its end.
    """
    entries = {
        (e["source"], e["backbone"], e["method"]): e
        for e in means
        if e["shots"] == "all"
    }
    used = [m for m in _METHODS if any(key[2] == m for key in entries)]
    header = ["source", "network", *used, "gain of the probe", "over untrained", "ms"]
    header += ["million weights", "MB", "LogME", "distance"]
    lines = [header, ["---"] * len(header)]
    for pair in pairs:
        where = (pair["source"], pair["backbone"])
        cells = [short(where[0]), f"`{where[1]}`"]
        for method in used:
            entry = entries.get((*where, method), {})
            cells.append(_with_interval(entry, "accuracy", "half_interval", ""))
        probe = entries.get((*where, "probe"), {})
        cells.append(_with_interval(probe, "gain", "gain_half_interval", "+"))
        against = probe.get("gain_against")
        cells.append(f"`{against}`" if against else "")
        cells.append(f"{pair['milliseconds']:.1f}")
        cells.append(f"{pair['parameters'] / 1e6:.2f}")
        cells.append(f"{pair['bytes'] / 1e6:.2f}")
        cells += [_number(pair.get(key)) for key in ("logme", "statistics_distance")]
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def short(name: str) -> str:
    """Return what a source is called in tables: the last part of its path.

    Args:
        name: As the user wrote it.
    """
    return Path(name).name or name


def _with_interval(entry: Entry, value: str, half: str, sign: str) -> str:
    told = _number(entry.get(value), sign)
    width = _number(entry.get(half))
    return f"{told} ± {width}" if told and width else told


def _number(value: Any, sign: str = "") -> str:
    if not isinstance(value, int | float) or math.isnan(value):
        return ""
    return f"{value:{sign}.3f}"
