"""The objects of the source `demo`, which no pretraining has seen; see known_objects.

An object is a function of coordinates and of a draw `j(low, high)`; it returns its
parts from back to front, each a signed distance and the colour it takes: 0 the main
one, 1 the second one, 2 a dark one.
"""

from collections.abc import Callable

import numpy as np

from tfpipeline.demo.shapes import (
    any_of,
    around,
    both,
    box,
    disc,
    ellipse,
    line,
    path,
    polygon,
    ring,
    turned,
)

Array = np.ndarray
Draw = Callable[[float, float], float]
Parts = list[tuple[Array, int]]


def _bicycle(x: Array, y: Array, j: Draw) -> Parts:
    r = j(0.34, 0.42)
    wheels = ring(np.abs(x) - 0.55, y - 0.35, r, 0.09)
    seat, bar = (-0.25, -0.25), (0.38, -j(0.2, 0.35))
    frame = any_of(
        path(x, y, [(-0.55, 0.35), seat, bar, (0.0, 0.35), (-0.55, 0.35)], 0.08),
        line(x, y, seat, (0.0, 0.35), 0.08),
        path(x, y, [(0.55, 0.35), bar, (0.3, -0.55), (0.5, -0.6)], 0.08),
        line(x, y, (-0.42, -0.38), (-0.14, -0.38), 0.1),
    )
    return [(wheels, 2), (frame, 0)]


def _cactus(x: Array, y: Array, j: Draw) -> Parts:
    left, right = j(-0.1, 0.25), j(-0.1, 0.25)
    plant = any_of(
        line(x, y, (0, -0.72), (0, 0.6), j(0.3, 0.42)),
        path(x, y, [(0, left), (-0.5, left), (-0.5, left - j(0.3, 0.5))], 0.2),
        path(x, y, [(0, right), (0.5, right), (0.5, right - j(0.3, 0.5))], 0.2),
    )
    pot = polygon(x, y, [(-0.4, 0.5), (0.4, 0.5), (0.28, 0.95), (-0.28, 0.95)])
    return [(plant, 0), (pot, 1)]


def _rocket(x: Array, y: Array, j: Draw) -> Parts:
    wide = j(0.25, 0.32)
    hull = both(ellipse(x, y + 0.1, wide, 0.9), y - 0.55)
    fins = polygon(np.abs(x), y, [(0.15, 0.1), (j(0.5, 0.65), 0.7), (0.15, 0.52)])
    flame = polygon(x, y, [(-0.18, 0.55), (0.18, 0.55), (0, j(0.8, 1.0))])
    return [(flame, 1), (fins, 1), (hull, 0), (disc(x, y + 0.3, j(0.1, 0.14)), 2)]


def _scissors(x: Array, y: Array, j: Draw) -> Parts:
    parts: Parts = []
    spread = j(14, 26)
    for sign in (-1, 1):
        u, v = turned(x, y, sign * spread)
        blade = polygon(
            u, v, [(-0.09, 0.1), (0.09, 0.1), (0.05, -0.95), (-0.02, -0.95)]
        )
        bow = ring(u, v - 0.6, 0.22, 0.11)
        parts += [(blade, 0), (any_of(bow, line(u, v, (0, 0.05), (0, 0.4), 0.12)), 1)]
    return [*parts, (disc(x, y, 0.06), 2)]


def _turtle(x: Array, y: Array, j: Draw) -> Parts:
    legs = ellipse(np.abs(x) - 0.42, np.abs(y) - 0.42, 0.17, j(0.15, 0.22))
    head = ellipse(x - 0.78, y, j(0.18, 0.24), 0.15)
    tail = polygon(x, y, [(-0.6, -0.07), (-0.95, 0), (-0.6, 0.07)])
    u, v = around(x, y, 6)
    seams = both(
        any_of(ring(x, y, 0.26, 0.06), both(np.abs(v) - 0.03, 0.26 - u)),
        ellipse(x, y, 0.6, 0.48),
    )
    shell = ellipse(x, y, j(0.6, 0.68), j(0.46, 0.54))
    return [(any_of(legs, head, tail), 1), (shell, 0), (seams, 2)]


def _windmill(x: Array, y: Array, j: Draw) -> Parts:
    tower = polygon(
        x, y, [(-0.12, -0.3), (0.12, -0.3), (j(0.25, 0.36), 0.95), (-0.3, 0.95)]
    )
    u, v = turned(x, y + 0.3, j(0, 90))
    u, v = around(u, v, 4)
    sails = box(u - 0.38, v - 0.07, 0.28, j(0.08, 0.12))
    arms = box(u - 0.32, v, 0.34, 0.03)
    return [(tower, 0), (any_of(sails, arms), 1), (disc(x, y + 0.3, 0.08), 2)]


NEW_OBJECTS: dict[str, Callable[[Array, Array, Draw], Parts]] = {
    "bicycle": _bicycle,
    "cactus": _cactus,
    "rocket": _rocket,
    "scissors": _scissors,
    "turtle": _turtle,
    "windmill": _windmill,
}
