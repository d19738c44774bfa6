"""Charts of a study: its figure by examples of each class, and against cost.

The figure is that of the target: accuracy, mAP or R2.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.metrics import target_score
from tfpipeline.metrics.target_score import TargetScore
from tfpipeline.report.figures import INKS, figure, pixels, styled
from tfpipeline.study import score_table

# The networks of a study keep their colours through all of its panels.
_COLOURS = (
    *(INKS.blue, INKS.vermillion, INKS.green),
    *(INKS.purple, INKS.amber, INKS.ink),
)

Entry = Mapping[str, Any]


def shots(means: Sequence[Entry]) -> np.ndarray:
    """Return a panel a source: accuracy of the probe by examples of each class.

    Args:
        means: With `source`, `backbone`, `method`, `shots` (a number or `all`),
            `accuracy` (or what the target has for it) and `half_interval`.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """

    def draw(axes: Any, entries: Sequence[Entry], colours: Mapping[str, str]) -> None:
        # A source has no tick for a number that none of its classes has.
        ticks = [*sorted({e["shots"] for e in entries} - {"all"}), "all"]
        for word, ink in colours.items():
            mine = [entry for entry in entries if entry["backbone"] == word]
            mine.sort(key=lambda entry: ticks.index(entry["shots"]))
            if mine:
                x = [ticks.index(entry["shots"]) for entry in mine]
                _points(axes, x, mine, ink, size=4)
        axes.set_xticks(range(len(ticks)), [str(tick) for tick in ticks])
        axes.set_xlabel(f"training images {target_score.of_row(entries[0]).of_each}")

    chosen = ("probe", "scratch")
    return _panels([e for e in means if e["method"] in chosen], draw)


def cost(means: Sequence[Entry], pairs: Sequence[Entry]) -> np.ndarray:
    """Return a panel a source: accuracy of the probe against milliseconds an image.

    Args:
        means: As for `shots`.
        pairs: With `source`, `backbone` and `milliseconds`.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    milliseconds = {(p["source"], p["backbone"]): p["milliseconds"] for p in pairs}

    def draw(axes: Any, entries: Sequence[Entry], colours: Mapping[str, str]) -> None:
        for e in entries:
            x = [milliseconds[e["source"], e["backbone"]]]
            _points(axes, x, [e], colours[e["backbone"]], size=9)
        axes.set_xscale("log")
        ticks = _ticks(list(milliseconds.values()))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("milliseconds per image")

    chosen = ("probe", "scratch")
    whole = [e for e in means if e["method"] in chosen and e["shots"] == "all"]
    return _panels(whole, draw)


def _points(
    axes: Any, x: Sequence[float], entries: Sequence[Entry], ink: str, size: int
) -> None:
    """Draw accuracies of one network with their intervals; from scratch as a star."""
    scratch = entries[0]["method"] == "scratch"
    halves = [entry["half_interval"] for entry in entries]
    axes.errorbar(
        x,
        [entry[target_score.of_row(entry).key] for entry in entries],
        yerr=[0.0 if half is None or np.isnan(half) else half for half in halves],
        marker="*" if scratch else "o",
        markersize=9 if scratch else size,
        capsize=2,
        linewidth=1.2,
        color=ink,
        label=entries[0]["backbone"],
    )


def _least(score: TargetScore, entries: Sequence[Entry]) -> float:
    """Return where the axis begins: R2 may be below 0, and of few images far below."""
    values = [entry[score.key] for entry in entries if score.target == targets.NUMBER]
    known = [float(value) for value in values if np.isfinite(value)]
    return max(-1.02, min([0.0, *(value - 0.05 for value in known)]))


def _ticks(values: Sequence[float]) -> list[float]:
    """Return round numbers around some values, for a logarithmic axis."""
    steps = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]
    least = max(step for step in steps if step <= min(values))
    most = min(step for step in steps if step >= max(values))
    return [step for step in steps if least <= step <= most]


@styled
def _panels(entries: Sequence[Entry], draw: Callable[..., None]) -> np.ndarray:
    """Draw a panel a source, with one legend for all of them."""
    names = list(dict.fromkeys(e["source"] for e in entries))
    words = list(dict.fromkeys(e["backbone"] for e in entries))
    colours = {word: _COLOURS[i % len(_COLOURS)] for i, word in enumerate(words)}
    columns = min(3, max(1, len(names)))
    rows = max(1, -(-len(names) // columns))
    drawn = figure(4.2 * columns, 3.2 * rows + 0.6, layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.ravel()[len(names) :]:
        axes.set_visible(False)
    labels: dict[str, Any] = {}
    score = target_score.of_row(entries[0] if entries else {})
    for name, axes in zip(names, grid.ravel()):
        axes.set_title(score_table.short(name))
        axes.set_ylim(_least(score, entries), 1.02)
        axes.grid(alpha=0.6)
        draw(axes, [e for e in entries if e["source"] == name], colours)
        handles, called = axes.get_legend_handles_labels()
        labels |= dict(zip(called, handles))
    for axes in grid[:, 0]:
        axes.set_ylabel(f"test {score.name}")
    if labels:
        place = {"loc": "outside lower center", "ncols": 3}
        drawn.legend(list(labels.values()), list(labels), **place)
    return pixels(drawn)
