"""The table of a study, as Markdown."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.core import target as targets
from tfpipeline.metrics import target_score

_METHODS = ("probe", "lda", "head", "neighbours", "scratch")

_SCORES = {"logme": "LogME", "statistics_distance": "distance"}

Entry = Mapping[str, Any]


def markdown(means: Sequence[Entry], pairs: Sequence[Entry]) -> str:
    """Return lines of Markdown: a row a source and network, on all examples."""
    entries = {
        (e["source"], e["backbone"], e["method"]): e
        for e in means
        if e["shots"] == "all"
    }
    used = [m for m in _METHODS if any(key[2] == m for key in entries)]
    score = target_score.of_row(next(iter(entries.values()), {}))
    single = score.target in targets.CLASSES
    named = used if single else [f"{m}, {score.name}" for m in used]
    figures = [(m, score.key) for m in used]
    for key in score.also:
        named += [f"{m}, {key.upper()}" for m in used]
        figures += [(m, key) for m in used]
    several = score.target == targets.MULTI
    scores = [name for name in _SCORES if not (several and name == "logme")]
    header = ["source", "network", *named, "gain of the probe", "over untrained", "ms"]
    header += ["million weights", "MB", *(_SCORES[name] for name in scores)]
    lines = [header, ["---"] * len(header)]
    for pair in pairs:
        where = (pair["source"], pair["backbone"])
        probe = entries.get((*where, "probe"), {})
        against = probe.get("gain_against")
        lines.append(
            [
                short(where[0]),
                f"`{where[1]}`",
                *(
                    _with_interval(entries.get((*where, m), {}), key, "", "")
                    for m, key in figures
                ),
                _with_interval(probe, "gain", "gain_", "+"),
                f"`{against}`" if against else "",
                f"{pair['milliseconds']:.1f}",
                f"{pair['parameters'] / 1e6:.2f}",
                f"{pair['bytes'] / 1e6:.2f}",
                *(_number(pair.get(key)) for key in scores),
            ]
        )
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def short(name: str) -> str:
    """Return what a source is called in tables: the last part of its path."""
    return Path(name).name or name


def _with_interval(entry: Entry, value: str, prefix: str, sign: str) -> str:
    mean = _number(entry.get(value), sign)
    if value in target_score.of_row(entry).also:
        return mean  # The interval is of the figure that chooses.
    half = _number(entry.get(f"{prefix}half_interval"))
    return f"{mean} ± {half}" if mean and half else mean


def _number(value: Any, sign: str = "") -> str:
    if not isinstance(value, int | float) or math.isnan(value):
        return ""
    return f"{value:{sign}.3f}"
