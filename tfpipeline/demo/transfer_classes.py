"""The objects of the source `demo`, which no pretraining has seen.

See `pretraining_classes` for what a function of an object takes and returns.
"""

import numpy as np

from tfpipeline.demo.shapes import (
    Array,
    Draw,
    Parts,
    any_of,
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


def _bicycle(x: Array, y: Array, j: Draw) -> Parts:
    r = j(0.36, 0.42)
    wheels = ring(np.abs(x) - 0.55, y - 0.35, r, 0.13)
    seat, bar = (-0.25, -0.25), (0.38, -j(0.2, 0.35))
    frame = any_of(
        path(x, y, [(-0.55, 0.35), seat, bar, (0.0, 0.35), (-0.55, 0.35)], 0.11),
        line(x, y, seat, (0.0, 0.35), 0.11),
        path(x, y, [(0.55, 0.35), bar, (0.3, -0.55), (0.5, -0.6)], 0.11),
        line(x, y, (-0.42, -0.38), (-0.14, -0.38), 0.13),
    )
    return [(wheels, 1), (frame, 0)]


def _cactus(x: Array, y: Array, j: Draw) -> Parts:
    left, right = j(-0.1, 0.25), j(-0.1, 0.25)
    plant = any_of(
        line(x, y, (0, -0.8), (0, 0.6), j(0.26, 0.34)),
        path(x, y, [(0, left), (-0.5, left), (-0.5, left - j(0.45, 0.6))], 0.17),
        path(x, y, [(0, right), (0.5, right), (0.5, right - j(0.45, 0.6))], 0.17),
    )
    pot = polygon(x, y, [(-0.4, 0.5), (0.4, 0.5), (0.28, 0.95), (-0.28, 0.95)])
    return [(plant, 0), (pot, 1)]


def _chair(x: Array, y: Array, j: Draw) -> Parts:
    wide, top = j(0.36, 0.44), j(0.75, 0.9)
    back = box(x, y + top / 2, wide, top / 2, 0.06)
    seat = polygon(
        x, y, [(-wide, 0), (wide, 0), (wide + 0.2, 0.22), (-wide - 0.2, 0.22)]
    )
    legs = any_of(
        line(np.abs(x), y, (wide + 0.1, 0.2), (wide + 0.14, 0.92), 0.13),
        line(np.abs(x), y, (wide - 0.16, 0.2), (wide - 0.18, j(0.66, 0.74)), 0.11),
    )
    gaps = box(np.abs(x) - wide / 2, y + top / 2, wide / 2 - 0.12, top / 2 - 0.14)
    return [(legs, 0), (both(back, -gaps), 0), (seat, 1)]


def _rocket(x: Array, y: Array, j: Draw) -> Parts:
    wide = j(0.28, 0.34)
    hull = both(ellipse(x, y + 0.1, wide, 0.9), y - 0.55)
    fins = polygon(np.abs(x), y, [(0.15, 0.1), (j(0.5, 0.65), 0.7), (0.15, 0.52)])
    flame = polygon(x, y, [(-0.18, 0.55), (0.18, 0.55), (0, j(0.8, 1.0))])
    return [(flame, 1), (fins, 1), (hull, 0), (disc(x, y + 0.3, j(0.1, 0.14)), 2)]


def _scissors(x: Array, y: Array, j: Draw) -> Parts:
    parts: Parts = []
    spread = j(18, 27)
    for sign in (-1, 1):
        u, v = turned(x, y, sign * spread)
        blade = polygon(
            u, v, [(-0.11, 0.1), (0.11, 0.1), (0.06, -0.95), (-0.03, -0.95)]
        )
        bow = ring(u, v - 0.62, 0.24, 0.14)
        parts += [(blade, 0), (any_of(bow, line(u, v, (0, 0.05), (0, 0.4), 0.12)), 1)]
    return [*parts, (disc(x, y, 0.06), 2)]


def _teapot(x: Array, y: Array, j: Draw) -> Parts:
    wide, lift = j(0.5, 0.58), j(0.4, 0.6)
    belly = ellipse(x, y - 0.2, wide, j(0.42, 0.5))
    spout = polygon(
        x, y, [(0.35, 0.4), (0.35, 0.05), (0.72, -lift), (0.95, -lift), (0.7, 0.3)]
    )
    handle = ring(x + 0.6, y - 0.15, j(0.28, 0.34), 0.13)
    lid = any_of(ellipse(x, y + 0.25, 0.3, 0.12), disc(x, y + 0.42, j(0.09, 0.13)))
    foot = box(x, y - 0.66, 0.3, 0.05)
    return [(handle, 1), (any_of(lid, foot), 1), (any_of(belly, spout), 0)]


NEW_OBJECTS = {
    draw.__name__[1:]: draw
    for draw in (_bicycle, _cactus, _chair, _rocket, _scissors, _teapot)
}
