"""Charts of a page, in SVG: never by colour alone, and each with its words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tfpipeline.report.axes import HEIGHT, WIDTH, Plane


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        name: What it is of.
        x: Numbers across.
        y: Numbers upwards, as many; None leaves a gap.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


@dataclass(frozen=True)
class Marks:
    """Places across a chart that have a meaning.

    Args:
        at: Where, and what it is called.
        shaded_from: From where on the ground is another one; None is nowhere.
        low: Whether there is room for words below the lines, not above.
    """

    at: Sequence[tuple[float, str]] = ()
    shaded_from: float | None = None
    low: bool = False


def lines(
    many: Sequence[Line],
    words: tuple[str, str],
    alt: str,
    *,
    y_range: tuple[float, float] | None = None,
    marks: Marks = Marks(),
) -> Markup:
    """Return a chart of lines, told apart by colour, dashes and the form of points.

    Args:
        many: At least one line with a point.
        words: What is counted across, and upwards.
        alt: What it shows, in words.
        y_range: Least and largest number upwards; from 0 to the largest where None.
        marks: Places that have a meaning.
    """
    xs = [x for line in many for x in line.x]
    ys = [y for line in many for y in line.y if y is not None]
    plane = Plane((min(xs), max(xs)), y_range or (0.0, 1.04 * max([*ys, 1e-9])))
    out = Markup("")
    bottom, top = plane.up(plane.y[0]), plane.up(plane.y[1])
    if marks.shaded_from is not None:
        start = plane.across(marks.shaded_from)
        out += Markup(
            '<rect class="shade" x="{}" y="{}" width="{}" height="{}"/>'
        ).format(start, top, round(plane.across(plane.x[1]) - start, 2), bottom - top)
    whole = all(float(x).is_integer() for x in xs)
    few = whole and len(set(xs)) <= 6
    out += plane.frame(*words, x_ticks=sorted(set(xs)) if few else ())
    for number, (place, name) in enumerate(marks.at):
        x = plane.across(place)
        late = x > WIDTH * 0.6
        y = bottom - 8 - 13 * number if marks.low else top + 12 + 13 * number
        out += Markup(
            '<line class="mark" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
            '<text class="note" x="{3}" y="{4}" text-anchor="{5}">{6}</text>'
        ).format(
            *(x, top, bottom, x - 4 if late else x + 4, round(y, 2)),
            *("end" if late else "start", name),
        )
    for number, line in enumerate(many):
        out += _line(plane, line, number)
        if whole:
            out += _points(plane, line, number)
    return plane.svg(out + _legend([line.name for line in many]), alt)


def _line(plane: Plane, line: Line, number: int) -> Markup:
    """Return one line, with gaps where there is no number."""
    out, part = Markup(""), list[str]()
    for x, y in [*zip(line.x, line.y), (0.0, None)]:
        if y is not None:
            part.append(f"{plane.across(x)},{plane.up(y)}")
            continue
        if len(part) > 1:
            out += Markup('<polyline class="line l{}" points="{}"/>').format(
                number % 8, " ".join(part)
            )
        part = []
    return out


def _points(plane: Plane, line: Line, number: int) -> Markup:
    """Return some points of a line, by which it is told from others without colour."""
    out, step = Markup(""), -(-len(line.x) // 12)
    for x, y in list(zip(line.x, line.y))[::-step]:
        if y is not None:
            where = (plane.across(x), plane.up(y))
            out += _point(number, *where, f"{line.name}, {x:g}: {y:.4g}")
    return out


def _point(number: int, x: float, y: float, title: str) -> Markup:
    """Return a point whose form says which line it is of."""
    forms = (
        "M{x0},{y}a3,3 0 1,0 6,0a3,3 0 1,0 -6,0",
        "M{x0},{y0}h6v6h-6z",
        "M{x},{y0}l3.6,6h-7.2z",
        "M{x},{y0}l3.4,3.4l-3.4,3.4l-3.4,-3.4z",
    )
    path = forms[number % len(forms)].format(x=x, y=y, x0=x - 3, y0=y - 3)
    return Markup('<path class="point l{}" d="{}"><title>{}</title></path>').format(
        number % 8, path, title
    )


def _legend(names: Sequence[str]) -> Markup:
    """Return what the lines are called, from the right, above the chart."""
    out, x = Markup(""), WIDTH - 12.0
    if sum(5.7 * min(22, len(name)) + 44 for name in names) > WIDTH - 100:
        return out  # Where there are more, the page lists them.
    for number, name in reversed(list(enumerate(names))):
        shown = cut(name, 22)
        out += Markup(
            '<text class="legend" x="{}" y="13" text-anchor="end">{}</text>'
        ).format(round(x, 1), shown)
        x -= 5.7 * len(shown) + 8
        out += Markup('<line class="line l{}" x1="{}" x2="{}" y1="9" y2="9"/>').format(
            number % 8, round(x - 24, 1), round(x, 1)
        )
        out += _point(number, round(x - 12, 1), 9, name)
        x -= 36
    return out


def cut(text: str, most: int) -> str:
    """Return a text that is too long with its end left out.

    Args:
        text: E.g. the name of a class.
        most: Letters.
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def reliability(rows: Sequence[Mapping[str, float]], alt: str) -> Markup:
    """Return how often answers are right, by how sure they are.

    Args:
        rows: `from`, `to`, `n`, `confidence` and `accuracy` of each part.
        alt: What it shows, in words.
    """
    plane = Plane((0.0, 1.0), (0.0, 1.0))
    out = plane.frame("how sure it is", "how often it is right")
    most = max(row["n"] for row in rows)
    for row in rows:
        left, right = plane.across(row["from"]), plane.across(row["to"])
        top, bottom = plane.up(row["accuracy"]), plane.up(0)
        sure = plane.up(row["confidence"])
        title = (
            f"{row['n']:.0f} images, {row['confidence']:.3f} sure, "
            f"{row['accuracy']:.3f} right"
        )
        # As wide as there are images, so that the eye weighs a bar by them.
        share = 0.25 + 0.7 * (row["n"] / most) ** 0.5
        wide = (right - left) * share
        x = round(left + (right - left - wide) / 2, 2)
        out += Markup(
            '<g><title>{}</title><rect class="bar" x="{}" y="{}" width="{}" '
            'height="{}"/><rect class="gap" x="{}" y="{}" width="{}" height="{}"/></g>'
        ).format(
            *(title, x, top, round(wide, 2), round(bottom - top, 2)),
            *(x, min(top, sure), round(wide, 2), round(abs(top - sure), 2)),
        )
    out += Markup('<line class="mark" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        plane.across(0), plane.up(0), plane.across(1), plane.up(1)
    )
    return plane.svg(out, alt)


def confusion(labels: Sequence[str], counts: Sequence[Sequence[int]], alt: str) -> Any:
    """Return a confusion matrix: darker is a larger share of its row.

    Args:
        labels: Class names.
        counts: A row a true class; a last column for classes that are not shown.
        alt: What it shows, in words.

    Returns:
        The drawing, whose width is in proportion to the number of classes.
    """
    cell = 40 if len(labels) <= 8 else 26 if len(labels) <= 16 else 21
    named = [cut(label, 18) for label in labels]
    rest = any(row[-1] for row in counts)
    margin = min(130, 16 + 6.6 * max(map(len, named)))
    columns = len(labels) + rest
    width, height = margin + columns * cell + 8, margin + len(labels) * cell + 8
    out = Markup("")
    for i, name in enumerate([*named, *(["others"] if rest else [])]):
        x = margin + (i + 0.5) * cell
        out += Markup(
            '<text class="tick" x="{0}" y="{1}" transform="rotate(-60 {0} {1})">{2}'
            "</text>"
        ).format(round(x + 3, 1), round(margin - 6, 1), name)
    for i, (label, name, row) in enumerate(zip(labels, named, counts)):
        y, total = margin + i * cell, max(1, sum(row))
        out += Markup(
            '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
        ).format(round(margin - 6, 1), round(y + cell / 2 + 3.5, 1), name)
        for j, count in enumerate(row[:columns]):
            if not count:
                continue
            other = labels[j] if j < len(labels) else "a class that is not shown"
            share = count / total
            kind = "right" if i == j else "wrong"
            out += Markup(
                '<g class="{} {}"><title>{}</title><rect x="{}" y="{}" width="{}" '
                'height="{}" fill-opacity="{}"/><text x="{}" y="{}">{}</text></g>'
            ).format(
                *(kind, "dark" if share > 0.55 else "pale"),
                f"{label} called {other}: {count} of {total}",
                *(margin + j * cell + 0.5, y + 0.5, cell - 1, cell - 1),
                round(0.12 + 0.88 * share, 3),
                round(margin + (j + 0.5) * cell, 1),
                round(y + cell / 2 + 3.5, 1),
                count if count < 10000 else f"{count / 1000:.0f}k",
            )
    size = Markup("{}").format(round(columns * cell + 1))
    out += Markup('<rect class="box" x="{}" y="{}" width="{}" height="{}"/>').format(
        margin, margin, size, len(labels) * cell + 1
    )
    return Markup(
        '<svg class="matrix" viewBox="0 0 {0} {1}" style="width:{0}px" role="img" '
        'aria-label="{2}">{3}</svg>'
    ).format(round(width), round(height), alt, out)


def whiskers(rows: Sequence[tuple[str, float, float, float]], alt: str) -> Markup:
    """Return shares with the interval of each, one below the other.

    Args:
        rows: Name, share, and both ends of its interval.
        alt: What it shows, in words.
    """
    low = min(row[2] for row in rows)
    height = 72 + 30 * len(rows)
    start = max(0.0, int(low * 20) / 20)
    plane = Plane((start if start < 1 else 0.9, 1.0), (0.0, 1.0), WIDTH, height)
    out = Markup("")
    for number, (name, share, least, most) in enumerate(rows):
        y = 44 + 30 * number
        title = f"{name}: {share:.4f}, from {least:.4f} to {most:.4f}"
        out += Markup(
            '<text class="legend" x="{}" y="{}">{}</text>'
            '<line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        ).format(
            *(plane.across(plane.x[0]), y - 7, cut(f"{number + 1}. {name}", 48)),
            *(plane.across(least), plane.across(most), y, y),
        )
        out += _point(0, plane.across(share), y, title)
    frame = Plane(plane.x, (0.0, 0.0), WIDTH, height)
    return plane.svg(frame.frame("accuracy", "") + out, alt)


__all__ = ["HEIGHT", "Line", "Marks", "confusion", "cut", "lines", "reliability"]
__all__ += ["whiskers"]
