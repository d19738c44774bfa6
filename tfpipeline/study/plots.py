"""Charts of a study: accuracy by examples of each class, and against cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.report.charts import drawn, plain
from tfpipeline.study import score_table

# The networks of a study keep their colours through all of its panels.
_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")

Entry = Mapping[str, Any]


def shots(means: Sequence[Entry]) -> np.ndarray:
    """Return a panel a source: accuracy of the probe by examples of each class.

    Args:
        means: With `source`, `backbone`, `method`, `shots` (a number or `all`),
            `accuracy` and `half_interval`.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    entries = [e for e in means if e["method"] in ("probe", "scratch")]
    figure, panels, colours = _panels(entries)
    for name, axes in panels.items():
        # A source has no tick for a number that none of its classes has.
        had = {e["shots"] for e in entries if e["source"] == name}
        ticks = [*sorted(had - {"all"}), "all"]
        for word, colour in colours.items():
            mine = [e for e in entries if (e["source"], e["backbone"]) == (name, word)]
            if not mine:
                continue
            mine.sort(key=lambda e: ticks.index(e["shots"]))
            axes.errorbar(
                [ticks.index(e["shots"]) for e in mine],
                [e["accuracy"] for e in mine],
                yerr=_intervals(mine),
                marker="*" if mine[0]["method"] == "scratch" else "o",
                markersize=9 if mine[0]["method"] == "scratch" else 4,
                capsize=2,
                linewidth=1.2,
                color=colour,
                label=plain(word),
            )
        axes.set_xticks(range(len(ticks)), [str(tick) for tick in ticks])
        axes.set_xlabel("training images of each class")
    return _finished(figure, panels)


def cost(means: Sequence[Entry], pairs: Sequence[Entry]) -> np.ndarray:
    """Return a panel a source: accuracy of the probe against milliseconds an image.

    Args:
        means: As for `shots`.
        pairs: With `source`, `backbone` and `milliseconds`.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    chosen = ("probe", "scratch")
    entries = [e for e in means if e["method"] in chosen and e["shots"] == "all"]
    figure, panels, colours = _panels(entries)
    milliseconds = {(p["source"], p["backbone"]): p["milliseconds"] for p in pairs}
    for name, axes in panels.items():
        for entry in (e for e in entries if e["source"] == name):
            word = entry["backbone"]
            axes.errorbar(
                [milliseconds[name, word]],
                [entry["accuracy"]],
                yerr=_intervals([entry]),
                marker="*" if entry["method"] == "scratch" else "o",
                markersize=9,
                capsize=2,
                linestyle="none",
                color=colours[word],
                label=plain(word),
            )
        axes.set_xscale("log")
        ticks = _ticks(list(milliseconds.values()))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("milliseconds an image")
    return _finished(figure, panels)


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers around some values, for a logarithmic axis."""
    steps = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]
    least = max(step for step in steps if step <= min(values))
    most = min(step for step in steps if step >= max(values))
    return [step for step in steps if least <= step <= most]


def _panels(entries: Sequence[Entry]) -> tuple[Any, dict[str, Any], dict[str, str]]:
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(e["source"] for e in entries))
    words = list(dict.fromkeys(e["backbone"] for e in entries))
    columns = min(3, max(1, len(names)))
    rows = max(1, -(-len(names) // columns))
    size = (4.2 * columns, 3.2 * rows + 0.6)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    panels = dict(zip(names, grid))
    for name, axes in panels.items():
        axes.set_title(plain(score_table.short(name)))
        axes.set_ylim(0, 1.02)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    colours = {word: _COLOURS[i % len(_COLOURS)] for i, word in enumerate(words)}
    return figure, panels, colours


def _intervals(entries: Sequence[Entry]) -> list[float]:
    halves = (e["half_interval"] for e in entries)
    return [0.0 if half is None or np.isnan(half) else half for half in halves]


def _finished(figure: Any, panels: Mapping[str, Any]) -> np.ndarray:
    labels: dict[str, Any] = {}
    for axes in panels.values():
        handles, names = axes.get_legend_handles_labels()
        labels |= dict(zip(names, handles))
    for axes in list(panels.values())[::3]:
        axes.set_ylabel("test accuracy")
    if labels:
        figure.legend(
            list(labels.values()),
            list(labels),
            loc="outside lower center",
            ncols=3,
            frameon=False,
        )
    return drawn(figure)
