"""Charts of runs: learning curves, confusion, calibration, comparison, galleries."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.core import contact_sheets
from tfpipeline.report.figures import INKS, figure, pixels, printable, styled

Line = tuple[str, Sequence[float], Sequence[float | None]]

# Lines differ in colour, dashes and the form of their points.
_LINES = (
    *((INKS.blue, "-", "o"), (INKS.vermillion, (0, (3, 2)), "s")),
    *((INKS.green, (0, (1, 2)), "^"), (INKS.purple, (0, (5, 1.5, 1, 1.5)), "D")),
    *((INKS.amber, (0, (6, 2)), "v"), (INKS.ink, (0, (1.5, 1.5)), "X")),
    *((INKS.soft, (0, (4, 1)), "P"), (INKS.blue, (0, (1, 1)), "*")),
)

# What an epoch has beside its loss, by target.
_WATCHED = ("accuracy", "label_accuracy", "mae")


def cut(text: str, most: int) -> str:
    """Return a text of too many letters without its end."""
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def draw_boxes(axes: Any, name: str, boxes: Sequence[Any], **style: Any) -> None:
    """Draw many boxes (left, bottom, width, height, title) as one artist."""
    from matplotlib.collections import PolyCollection

    corners = [
        [(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h, _ in boxes
    ]
    axes.add_collection(PolyCollection(corners, gid=name, **style))
    axes.figure.titles[name] = [title for *_, title in boxes]


def one_chart(width: float = 5, height: float = 3.3) -> tuple[Any, Any]:
    """Return a figure and its axes: where they lie is known, and not searched for."""
    drawn = figure(width, height)
    axes = drawn.add_axes((0.11, 0.5 / height, 0.86, 1 - 0.9 / height))
    axes.tick_params(length=0)
    axes.locator_params(nbins=5)  # Most of the time is that of ticks.
    axes.grid(axis="y")
    axes.spines["left"].set_visible(False)
    return drawn, axes


def _draw_lines(
    axes: Any,
    lines: Sequence[Line],
    marks: Sequence[tuple[float, str]] = (),
    shaded_from: float | None = None,
    y_range: tuple[float, float] | None = None,
) -> None:
    """Draw lines with gaps where there is no number, and mark places across them."""
    xs = sorted({x for _, across, _ in lines for x in across})
    whole = all(float(x).is_integer() for x in xs)
    for number, (name, x, y) in enumerate(lines):
        ink, dashes, form = _LINES[number % len(_LINES)]
        line = dict(color=ink, linestyle=dashes, label=name, gid=f"line{number}")
        values = np.array([np.nan if v is None else v for v in y], float)
        there = np.flatnonzero(np.isfinite(values)).tolist()
        if whole and there:  # Few points tell a line without its colour.
            shown = there[:: len(there) // -12][::-1]
            axes.figure.titles[f"line{number}"] = [
                f"{name}, {x[i]:g}: {y[i]:.4g}" for i in shown
            ]
            line |= dict(marker=form, markevery=shown, markerfacecolor=INKS.paper)
        axes.plot(x, values, markersize=4.5, linewidth=1.6, **line)
    if y_range is None:
        axes.set_ylim(bottom=0)
    else:
        axes.set_ylim(y_range)
    if whole and len(xs) <= 6:
        axes.set_xticks(xs)
    if shaded_from is not None:
        axes.axvspan(shaded_from, xs[-1], color=INKS.wash, zorder=0)
    for number, (place, words) in enumerate(marks):
        axes.axvline(place, color=INKS.soft, linestyle=":", linewidth=1)
        # Lines of a given range stand high, so that there is room below.
        height = 0.05 + 0.06 * number if y_range else 0.94 - 0.06 * number
        late = place > xs[0] + 0.6 * (xs[-1] - xs[0])
        side = dict(ha="right" if late else "left", color=INKS.soft)
        axes.annotate(
            *(words, (place, height), (-3 if late else 3, 0)),
            **(side | dict(xycoords=axes.get_xaxis_transform(), va="center")),
            textcoords="offset points",
        )


@styled
def lines(many: Sequence[Line], x_label: str, y_label: str, **details: Any) -> Any:
    """Return a chart of lines.

    Args:
        many: Name, numbers across and upwards of each; None leaves a gap.
        x_label: What is counted across.
        y_label: What is counted upwards.
        details: `y_range`, of all numbers from 0 on where there is none; `marks`,
            places across and their names; `shaded_from`, where another ground begins.
    """
    names = [cut(name, 40) for name, *_ in many]
    columns = 3 if sum(map(len, names)) < 50 else 1
    above = 0.2 * -(-len(names) // columns)
    drawn, axes = one_chart(height=3.3 + above)
    axes.set_position((0.11, 0.5 / (3.3 + above), 0.86, 2.6 / (3.3 + above)))
    _draw_lines(axes, [(n, x, y) for n, (_, x, y) in zip(names, many)], **details)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1), ncols=columns, borderpad=0)
    return drawn


def of_history(
    history: Sequence[Mapping[str, Any]], name: str, kept: int | None
) -> tuple[list[Line], dict[str, Any]]:
    """Return the lines of `loss` or `accuracy` over all epochs, and their details.

    Args:
        history: A row an epoch.
        name: Of the metric.
        kept: The epoch whose weights were kept, from 1; None for the last.
    """
    x = [float(i) for i in range(1, len(history) + 1)]
    named: list[Line] = [
        (words, x, [row.get(key) for row in history])
        for words, key in (("training", name), ("validation", f"val_{name}"))
    ]
    shown = [line for line in named if any(y is not None for y in line[2])]
    fine = [i for i, row in zip(x, history) if row.get("stage") == "fine_tune"]
    marks = [(float(kept), f"kept: {kept}")] if kept else []
    marks += [(fine[0], "fine-tuning")] if fine else []
    details: dict[str, Any] = {"marks": marks}
    details["shaded_from"] = fine[0] if fine and len(fine) < len(x) else None
    if name == "accuracy" and shown:
        details["y_range"] = share_range(shown, 0.1)
    return shown, details


def share_range(many: Sequence[Line], step: float) -> tuple[float, float]:
    """Return from which share on to draw, in steps: what never happened has no room."""
    least = min(y for _, _, ys in many for y in ys if y is not None)
    return max(0.0, int(least / step - 0.001) * step), 1.0


@styled
def curves(history: Sequence[Mapping[str, Any]], kept: int | None) -> Any:
    """Return loss and accuracy, or what stands for it, side by side."""
    watched = next((n for n in _WATCHED if any(n in row for row in history)), "")
    drawn = figure(9, 3.4, layout="constrained")
    for axes, name in zip(drawn.subplots(1, 2), ("loss", watched or "accuracy")):
        many, details = of_history(history, name, kept)
        if many:
            _draw_lines(axes, many, **details)
            axes.legend()
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss, nats" if name == "loss" else name)
    return drawn


@styled
def reliability(
    rows: Sequence[Mapping[str, float]],
    names: Sequence[str] = ("images", "confidence", "accuracy"),
) -> Any:
    """Return how often predictions are right, by their confidence.

    Args:
        rows: A bin each: `from`, `to`, `n`, `confidence` and `accuracy`.
        names: What the last three of these are called.
    """
    count, sure, right = names
    drawn, axes = one_chart()
    most = max(row["n"] for row in rows)
    bars, gaps = [], []
    for row in rows:
        title = (
            f"{row['n']:.0f} {count}, {sure} {row['confidence']:.3f}, "
            f"{right} {row['accuracy']:.3f}"
        )
        # As wide as there are images, so that the eye weighs a bar by them.
        wide = (row["to"] - row["from"]) * (0.25 + 0.7 * (row["n"] / most) ** 0.5)
        left = (row["from"] + row["to"] - wide) / 2
        bars.append((left, 0, wide, row["accuracy"], title))
        gap = row["confidence"] - row["accuracy"]
        gaps.append((left, row["accuracy"], wide, gap, title))
    draw_boxes(axes, "bar", bars, facecolor=INKS.blue, alpha=0.78)
    draw_boxes(
        axes, "gap", gaps, facecolor=f"{INKS.vermillion}2e", edgecolor=INKS.vermillion
    )
    axes.plot([0, 1], [0, 1], color=INKS.soft, linestyle=":", linewidth=1.2)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=sure, ylabel=right)
    return drawn


@styled
def confusion(
    labels: Sequence[str], counts: Sequence[Sequence[int]] | np.ndarray, title: str = ""
) -> Any:
    """Return a confusion matrix: a fuller colour is a larger share of its row.

    Args:
        labels: Class names.
        counts: A row a true class, a column a predicted one; a further column is of
            classes that are not shown.
        title: Above it.
    """
    rows, names = len(labels), [*labels, "others"]
    table = np.array(counts, int).reshape(rows, -1)
    if not table[:, rows:].any():
        table = table[:, :rows]
    columns, totals = table.shape[1], np.maximum(table.sum(1), 1)
    cell = 1.3 if rows <= 4 else 0.9 if rows <= 8 else 0.55 if rows <= 16 else 0.36
    short = [cut(name, 18) for name in names[:columns]]
    size = 11 if rows <= 8 else 9
    edge = 0.5 + 0.0085 * size * max(map(len, short))
    width, height = edge + columns * cell + 0.1, edge + rows * cell + 0.1
    drawn = figure(width, height + 0.3 * bool(title))
    total = height + 0.3 * bool(title)
    axes = drawn.add_axes(
        (edge / width, 0.1 / total, columns * cell / width, rows * cell / total)
    )
    for name, ink in (("right", INKS.blue), ("wrong", INKS.vermillion)):
        boxes, inks = [], []
        for i, j in np.argwhere(table):
            if (i == j) != (name == "right"):
                continue
            share, count = table[i, j] / totals[i], table[i, j]
            other = names[j] if j < rows else "a class that is not shown"
            words = f"{labels[i]} predicted as {other}: {count} of {totals[i]}"
            boxes.append((j - 0.48, i - 0.48, 0.96, 0.96, words))
            # Counts have a contrast of at least 4.5 on it, on light and dark pages.
            inks.append((ink, 0.12 + 0.38 * share))
            axes.text(
                *(j, i, count if count < 10000 else f"{count / 1000:.0f}k"),
                **dict(ha="center", va="center", fontsize=size, color=INKS.ink),
            )
        draw_boxes(axes, name, boxes, facecolors=inks or "none")
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), ylabel="true class")
    axes.set_xlabel(f"{title}\n\npredicted class".strip())
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.set_xticks(range(columns), short, rotation=90)
    axes.set_yticks(range(rows), short[:rows])
    axes.tick_params(length=0, labelsize=size)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_size(size)
    axes.spines[:].set(visible=True, color=INKS.hair)
    return drawn


@styled
def learning_rates(
    rates: Sequence[float], losses: Sequence[float], chosen: float
) -> np.ndarray:
    """Return the loss, smoothed, of each step of a learning-rate finder, as pixels."""
    drawn, axes = one_chart(6.4, 4)
    axes.plot(rates, losses, color=INKS.blue)
    axes.axvline(
        chosen, color=INKS.vermillion, linestyle="--", label=f"found: {chosen:g}"
    )
    axes.set_xscale("log")
    least, first = min(losses), losses[0]
    axes.set_ylim(least - 0.1 * abs(first), first * 1.5)
    axes.set(xlabel="learning rate", ylabel="loss, smoothed")
    axes.legend()
    return pixels(drawn)


@styled
def gallery(
    pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int = 3
) -> Any:
    """Return pictures side by side, each below its caption.

    Args:
        pictures: uint8, of shape (height, width, 3) each.
        captions: As many.
        columns: Side by side, at most.
    """
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = pictures[0].shape[:2]
    size = (3.2 * columns, rows * (3.2 * height / width + 0.75))
    drawn = figure(*size, layout="constrained")
    grid = drawn.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, picture, words in zip(grid, pictures, captions):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(words, fontsize=9, loc="left")
    return drawn


def batch(
    pictures: Any, targets: Any, labels: Sequence[str], target: str = "single"
) -> np.ndarray:
    """Return a batch as the network sees it, each picture above its class, as pixels.

    Args:
        pictures: float in [0, 1], shape (batch, height, width, 3); 32 are shown.
        targets: Class indices, shape (batch,), or shares, shape (batch, classes).
        labels: Class names.
        target: What these mean, of `core.target.TARGETS`.
    """
    shown = np.asarray(pictures)[:32]
    step = max(1, shown.shape[1] // 128)
    captions = [_caption(own, labels, target) for own in np.asarray(targets)[:32]]
    small = list(shown[:, ::step, ::step])
    return contact_sheets.contact_sheet(small, captions, columns=8)


def _caption(target: Any, labels: Sequence[str], kind: str) -> str:
    if np.ndim(target) == 0:
        return labels[int(target)]
    if kind == "number":
        return f"{float(target[0]):.4g}"
    if kind == "multi":
        return ", ".join(labels[k] for k in np.flatnonzero(target > 0.5).tolist())
    if len(target) == 1:
        return labels[0]
    first, second = np.argsort(-target, kind="stable")[:2]
    share = round(100 * float(target[first]))
    more = f" {share} %, {labels[second]}" if share < 100 else ""
    return f"{labels[first]}{more}"
