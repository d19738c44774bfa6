"""Figures of attacks: what was changed, and what a network makes of it."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.report.figures import INKS, figure, pixels, styled

# Of the class that is shown, and of the one that is seen instead.
_OWN, _OTHER = INKS.green, INKS.vermillion

# What a curve tells of, where the attack has no target.
LEFT = "remaining accuracy"


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


@styled
def attacked(
    clean: np.ndarray, changed: np.ndarray, item: Mapping[str, Any]
) -> np.ndarray:
    """Return a photograph, its perturbation, and the result, as pixels.

    Args:
        clean: uint8, shape (height, width, 3).
        changed: Likewise.
        item: As in `attack.json`.
    """
    delta, factor = amplified(changed, clean)
    drawn = figure(11, 5.6)
    # Places of one's own: a layout would draw everything twice, and cuts titles.
    panels = drawn.subplots(2, 3, height_ratios=(3, 1))
    drawn.subplots_adjust(0.02, 0.1, 0.98, 0.92, wspace=0.06, hspace=0.08)
    label, norm, fooled = item["label"], item["norm"], item["success_8bit"]
    size = Epsilon(item[norm], norm)
    titles = (
        (f"photograph: {label}", _OWN),
        (f"perturbation, {norm} {size}, times {factor:.3g}", INKS.ink),
        (f"result: {item['final_class'] if fooled else 'NOT FOOLED'}", _OTHER),
    )
    for axes, picture, (title, ink) in zip(panels[0], (clean, delta, changed), titles):
        axes.imshow(picture, interpolation="nearest")
        lines = textwrap.fill(textwrap.shorten(title, 80), 44)
        axes.set_title(lines, color=ink if fooled else INKS.ink)
        axes.set_axis_off()
    inks = {label: _OWN} | ({item["final_class"]: _OTHER} if fooled else {})
    _bars(panels[1][0], item["clean_top"], inks)
    _bars(panels[1][2], item["top"], inks)
    facts = [textwrap.shorten(fact, 60) for fact in _facts(item)]
    panels[1][1].set_axis_off()
    panels[1][1].text(0.5, 0.95, "\n".join(facts), ha="center", va="top")
    return pixels(drawn)


def _bars(axes: Any, top: Sequence[tuple[str, float]], inks: Mapping[str, str]) -> None:
    """Draw the first five classes, each name inside or beside its bar."""
    places = np.arange(len(top))[::-1]
    colors = [inks.get(name, INKS.soft) for name, _ in top]
    axes.barh(places, [share for _, share in top], color=colors, alpha=0.45)
    for place, (name, share) in zip(places, top):
        short = textwrap.shorten(name, 40)
        axes.text(0.01, place, f"{short}  {share:.3f}", va="center", fontsize=10)
    axes.set(xlim=(0, 1), xlabel="probability", yticks=[])
    axes.spines["left"].set_visible(False)


def _facts(item: Mapping[str, Any]) -> list[str]:
    """Return what else is true of a picture, in short lines."""
    alike = "" if item["psnr"] is None else f"PSNR {item['psnr']:.1f} dB, "
    steps = f"{item['steps']} step{'s' * (item['steps'] != 1)}"
    facts = [
        f"asked for: {item['norm']} at most {Epsilon(item['epsilon'], item['norm'])}",
        f"{steps}; {alike}SSIM {item['ssim']:.3f}",
    ]
    if item["success_jpeg"]:
        kept = [
            f"{word} {'yes' if fools else 'no'}"
            for word, fools in item["success_jpeg"].items()
        ]
        facts.append(f"fools after JPEG: {', '.join(kept)}")
    for name, verdict in list(item["judges"].items())[:2]:
        facts.append(f"{name}: {verdict['class']} {verdict['probability']:.3f}")
    return facts


@styled
def summary(
    title: str,
    curve: Sequence[tuple[float, float]],
    least: Sequence[float],
    matrix: Mapping[str, Mapping[str, float]],
    defences: Mapping[str, Mapping[str, Any]],
    words: tuple[str, str],
) -> np.ndarray:
    """Return what is true of many photographs, side by side, as pixels.

    Args:
        title: Above all.
        curve: Radii and the share at each, rising; 0 is without an attack.
        least: The smallest perturbation of each; empty if they were not looked for.
        matrix: Of each network that was attacked, which share of its pictures fools
            each network.
        defences: Of each, `clean_accuracy`, `fooled_unaware` and `fooled_adaptive`.
        words: The unit of the radii, and what the curve tells of.
    """
    parts: list[Callable[[Any], None]] = [lambda axes: _curve(axes, curve, words)]
    if least:
        parts.append(lambda axes: _least(axes, least, words[0]))
    if defences:
        parts.append(lambda axes: _defences(axes, defences))
    if matrix:
        parts.append(lambda axes: _matrix(axes, matrix))
    across = min(2, len(parts))
    down = -(-len(parts) // across)
    drawn = figure(5.4 * across, 0.5 + 3.9 * down, layout="constrained")
    # Nothing touches the edge.
    drawn.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    drawn.suptitle(textwrap.fill(title, 64 * across), fontsize=11)
    panels = list(drawn.subplots(down, across, squeeze=False).flat)
    for axes, draw in zip(panels, parts):
        draw(axes)
    for axes in panels[len(parts) :]:
        axes.set_axis_off()
    return pixels(drawn)


def _curve(
    axes: Any, curve: Sequence[tuple[float, float]], words: tuple[str, str]
) -> None:
    axes.plot(*zip(*curve), marker="o", color=INKS.blue)
    for radius, left in curve:
        place: dict[str, Any] = {"xytext": (4, 5), "textcoords": "offset points"}
        axes.annotate(f"{left:.2f}", (radius, left), **place, fontsize=8)
    axes.set(ylim=(-0.03, 1.08), xlabel=f"epsilon ({words[0]})", ylabel=words[1])


def _least(axes: Any, least: Sequence[float], unit: str) -> None:
    bins: Any = min(20, max(5, len(least) // 2))
    if np.allclose(least, np.round(least), atol=1e-3) and max(least) < 64:
        # Whole steps of 8 bits, each a bar around its number.
        most = round(max(least))
        bins = np.arange(0.5, most + 1)
        axes.set_xlim(0.4, max(4, most) + 0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.hist(least, bins=bins, color=INKS.blue, rwidth=0.9)
    middle, ink = float(np.median(least)), INKS.vermillion
    axes.axvline(middle, color=ink, linestyle="--", label=f"median {middle:.3g}")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98))
    axes.set(xlabel=f"smallest perturbation ({unit})", ylabel="photographs")


def _defences(axes: Any, defences: Mapping[str, Mapping[str, Any]]) -> None:
    places = np.arange(len(defences))[::-1]
    inks = {
        "wrong without an attack": INKS.soft,
        "fooled, unaware attack": INKS.blue,
        "fooled, adapted attack": INKS.vermillion,
    }
    rates = [
        (1 - one["clean_accuracy"], one["fooled_unaware"], one["fooled_adaptive"])
        for one in defences.values()
    ]
    for number, ((name, ink), values) in enumerate(zip(inks.items(), zip(*rates))):
        where = places + 0.27 * (1 - number)
        bars = axes.barh(where, values, 0.25, color=ink, label=name)
        labels = [f"{value:.0%}" for value in values]
        axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.set_yticks(places, defences)
    axes.set(xlim=(0, 1.12), xlabel="share with the defence")
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))


def _matrix(axes: Any, matrix: Mapping[str, Mapping[str, float]]) -> None:
    columns = list(next(iter(matrix.values())))
    values = np.array([[row[name] for name in columns] for row in matrix.values()])
    axes.imshow(values, vmin=0, vmax=1, cmap="viridis")
    for (row, column), value in np.ndenumerate(values):
        ink = "black" if value > 0.6 else "white"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(columns)), _short(columns), rotation=20)
    axes.set_yticks(range(len(matrix)), _short(list(matrix)))
    axes.set(xlabel="share of images that fool", ylabel="attacked network")


def _short(names: Sequence[str]) -> Sequence[str]:
    """Return names without their folders, where that leaves them different."""
    last = [name.rstrip("/").rpartition("/")[2] for name in names]
    return last if len(set(last)) == len(last) else names
