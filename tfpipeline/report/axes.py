"""The plane of a chart in SVG: a scale, ticks, and words along its sides.

Drawn by the page itself, so a chart follows its colours, light or dark, and its text
can be read aloud, searched and printed at any size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 380, 250

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 30, 38


@dataclass(frozen=True)
class Plane:
    """From numbers to places on a chart.

    Args:
        x: Least and largest number across.
        y: Least and largest number upwards.
        width: Of the whole chart, in its own units.
        height: Of the whole chart.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = WIDTH
    height: int = HEIGHT

    def across(self, value: float) -> float:
        """Return where a number is across."""
        low, high = self.x
        share = (value - low) / (high - low) if high > low else 0.5
        return round(_LEFT + share * (self.width - _LEFT - _RIGHT), 2)

    def up(self, value: float) -> float:
        """Return where a number is from above."""
        low, high = self.y
        share = (value - low) / (high - low) if high > low else 0.5
        bottom = self.height - _BOTTOM
        return round(bottom - share * (bottom - _TOP), 2)

    def frame(
        self, x_words: str, y_words: str, x_ticks: Sequence[float] = ()
    ) -> Markup:
        """Return grid, ticks and words.

        Args:
            x_words: What is counted across.
            y_words: What is counted upwards.
            x_ticks: Where to write numbers across; chosen where there are none.
        """
        out = Markup("")
        left, right = _LEFT, self.width - _RIGHT
        bottom = self.height - _BOTTOM
        for tick in ticks(*self.y) if self.y[1] > self.y[0] else ():
            y = self.up(tick)
            out += Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
                '<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
            ).format(left, right, y, y, left - 6, y + 3.5, short(tick))
        for tick in x_ticks or ticks(*self.x):
            out += Markup(
                '<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>'
            ).format(self.across(tick), bottom + 15, short(tick))
        out += Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            left, right, bottom, bottom
        )
        out += Markup(
            '<text class="words" x="{}" y="{}" text-anchor="end">{}</text>'
            '<text class="words" x="{}" y="{}">{}</text>'
        ).format(right, self.height - 5, x_words, 4, 13, y_words)
        return out

    def svg(self, content: Markup, alt: str) -> Markup:
        """Return the whole chart.

        Args:
            content: What is drawn.
            alt: What it shows, in words.
        """
        return Markup(
            '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        ).format(self.width, self.height, alt, content)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from low to high.

    Args:
        low: Finite.
        high: Finite.
        most: How many, about.
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 2.5, 5, 10) if power * k >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def short(value: float) -> str:
    """Return a number with as few digits as tell it."""
    return f"{value:.4g}"
