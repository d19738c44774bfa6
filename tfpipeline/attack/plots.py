"""Figures of attacks: what was changed, and what a network makes of it."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.report import charts

# The first five of a network: name and probability of each.
Top = Sequence[tuple[str, float]]

# Of the class that is shown, and of the one that is seen instead.
_OWN, _OTHER = "tab:green", "tab:red"


def amplified(changed: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a perturbation that can be seen, around grey, and by how much it is more.

    Args:
        changed: uint8, shape (height, width, 3).
        clean: Likewise.
    """
    delta = (changed.astype(np.float64) - clean) / 255
    largest = float(np.abs(delta).max())
    factor = 0.5 / largest if largest else 1.0
    shown = np.clip(0.5 + factor * delta, 0, 1) * 255 + 0.5
    return shown.astype(np.uint8), factor


@dataclass(frozen=True)
class Told:
    """What stands on the figure of one photograph.

    Args:
        photograph: Above it.
        perturbation: Above it.
        result: Above it.
        tops: What the network sees before and after.
        label: The class that the photograph shows.
        fooled: The class that is seen instead, or None.
        facts: What else is true, in short lines.
    """

    photograph: str
    perturbation: str
    result: str
    tops: tuple[Top, Top]
    label: str
    fooled: str | None
    facts: Sequence[str]


def attacked(clean: np.ndarray, changed: np.ndarray, told: Told) -> np.ndarray:
    """Return a photograph, its perturbation, and the result, with what is seen on both.

    Args:
        clean: uint8, shape (height, width, 3).
        changed: Likewise.
        told: What stands on it.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    from matplotlib.figure import Figure

    noise, factor = amplified(changed, clean)
    figure = Figure(figsize=(11, 5.6), dpi=100)
    # Places of one's own: a layout would draw everything twice, and cuts titles.
    panels: Any = figure.subplots(2, 3, height_ratios=(3, 1))
    figure.subplots_adjust(0.02, 0.1, 0.98, 0.92, wspace=0.06, hspace=0.08)
    times = f"{told.perturbation}, times {factor:.3g}"
    titles = ((told.photograph, _OWN), (times, "black"), (told.result, _OTHER))
    for axes, picture, (title, ink) in zip(panels[0], (clean, noise, changed), titles):
        axes.imshow(picture, interpolation="nearest")
        ink = "black" if told.fooled is None else ink
        lines = textwrap.fill(textwrap.shorten(charts.plain(title), 80), 44)
        axes.set_title(lines, fontsize=10, color=ink)
        axes.set_axis_off()
    inks = {told.label: _OWN} | ({told.fooled: _OTHER} if told.fooled else {})
    _bars(panels[1][0], told.tops[0], inks)
    _bars(panels[1][2], told.tops[1], inks)
    middle = panels[1][1]
    middle.set_axis_off()
    facts = [textwrap.shorten(charts.plain(fact), 60) for fact in told.facts]
    middle.text(0.5, 0.95, "\n".join(facts), ha="center", va="top", fontsize=9)
    return charts.drawn(figure)


def _bars(axes: Any, top: Top, inks: Mapping[str, str]) -> None:
    """Draw the first five, each name inside or beside its bar."""
    places = np.arange(len(top))[::-1]
    colors = [inks.get(name, "tab:gray") for name, _ in top]
    axes.barh(places, [share for _, share in top], color=colors, alpha=0.35)
    for place, (name, share) in zip(places, top):
        short = textwrap.shorten(charts.plain(name), 40)
        axes.text(0.01, place, f"{short}  {share:.3f}", va="center")
    axes.set_xlim(0, 1)
    axes.set_yticks([])
    axes.set_xlabel("probability", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)


# What a curve tells of, where the attack has no target.
LEFT = "accuracy that is left"


@dataclass(frozen=True)
class Many:
    """What stands on the figure of many photographs.

    Args:
        title: Above all.
        curve: Radii and the share at each, rising; 0 is without an attack.
        least: The smallest perturbation of each; empty if they were not looked for.
        matrix: Of each network that was attacked, which share of its pictures fools
            each network.
        defences: Of each, `clean_accuracy`, `fooled_unaware` and `fooled_adaptive`.
        unit: Of the radii.
        share: What the curve tells of.
    """

    title: str
    curve: Sequence[tuple[float, float]]
    least: Sequence[float]
    matrix: Mapping[str, Mapping[str, float]]
    defences: Mapping[str, Mapping[str, Any]]
    unit: str
    share: str = LEFT


def summary(many: Many) -> np.ndarray:
    """Return what is true of many photographs, side by side.

    Args:
        many: What stands on it.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    drawn: list[Callable[[Any], None]] = [lambda axes: _curve(axes, many)]
    if many.least:
        drawn.append(lambda axes: _least(axes, many))
    if many.defences:
        drawn.append(lambda axes: _defences(axes, many.defences))
    if many.matrix:
        drawn.append(lambda axes: _matrix(axes, many.matrix))
    across = min(2, len(drawn))
    down = -(-len(drawn) // across)
    figure = _figure(5.4 * across, 0.5 + 3.9 * down)
    title = textwrap.fill(charts.plain(many.title), 70 * across)
    figure.suptitle(title, fontsize=11)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes, draw in zip(panels, drawn):
        draw(axes)
    for axes in panels[len(drawn) :]:
        axes.set_axis_off()
    return charts.drawn(figure)


def _figure(width: float, height: float) -> Any:
    """Return an empty figure, of so many inches, in which nothing touches the edge."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.1, h_pad=0.1)
    return figure


def _curve(axes: Any, many: Many) -> None:
    axes.plot(*zip(*many.curve), marker="o", color="tab:blue")
    for radius, left in many.curve:
        axes.annotate(
            f"{left:.2f}",
            (radius, left),
            (4, 5),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_ylim(-0.03, 1.08)
    axes.set_xlabel(f"epsilon ({many.unit})")
    axes.set_ylabel(many.share)
    axes.spines[["top", "right"]].set_visible(False)


def _least(axes: Any, many: Many) -> None:
    least = many.least
    bins: Any = min(20, max(5, len(least) // 2))
    if np.allclose(least, np.round(least), atol=1e-3) and max(least) < 64:
        # Whole steps of 8 bits, each a bar around its number.
        most = round(max(least))
        bins = np.arange(0.5, most + 1)
        axes.set_xlim(0.4, max(4, most) + 0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.hist(least, bins=bins, color="tab:blue", rwidth=0.9)
    middle = float(np.median(least))
    axes.axvline(
        middle, color="tab:orange", linestyle="--", label=f"median {middle:.3g}"
    )
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.98))
    axes.set_xlabel(f"smallest perturbation ({many.unit})")
    axes.set_ylabel("photographs")
    axes.spines[["top", "right"]].set_visible(False)


# Of each defence, what is drawn: its name, and how it is got from what was measured.
_SHARES: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "wrong without an attack": lambda worth: 1 - worth["clean_accuracy"],
    "fooled, unaware of it": lambda worth: worth["fooled_unaware"],
    "fooled, knowing of it": lambda worth: worth["fooled_adaptive"],
}


def _defences(axes: Any, defences: Mapping[str, Mapping[str, Any]]) -> None:
    places = np.arange(len(defences))[::-1]
    inks = ("tab:gray", "tab:blue", "tab:orange")
    for number, (name, share) in enumerate(_SHARES.items()):
        values = [share(worth) for worth in defences.values()]
        where = places + 0.27 * (1 - number)
        bars = axes.barh(where, values, 0.25, color=inks[number], label=name)
        axes.bar_label(
            bars, [f"{value:.0%}" for value in values], padding=3, fontsize=8
        )
    axes.set_yticks(places, map(charts.plain, defences))
    axes.set_xlim(0, 1.12)
    axes.set_xlabel("share behind the defence")
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
    axes.spines[["top", "right"]].set_visible(False)


def _matrix(axes: Any, matrix: Mapping[str, Mapping[str, float]]) -> None:
    columns = list(next(iter(matrix.values())))
    values = np.array([[row[name] for name in columns] for row in matrix.values()])
    axes.imshow(values, vmin=0, vmax=1, cmap="viridis")
    for (row, column), value in np.ndenumerate(values):
        ink = "black" if value > 0.6 else "white"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(columns)), _short(columns), rotation=20)
    axes.set_yticks(range(len(matrix)), _short(list(matrix)))
    axes.set_xlabel("share that fools")
    axes.set_ylabel("made of")


def _short(names: Sequence[str]) -> list[str]:
    """Return names without their folders, where that leaves them different."""
    last = [name.rstrip("/").rpartition("/")[2] for name in names]
    return [
        charts.plain(name) for name in (last if len(set(last)) == len(last) else names)
    ]
