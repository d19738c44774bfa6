"""The objects that the tiny backbone is pretrained on, each drawn by a few figures.

An object is a function of coordinates and of a draw `j(low, high)`; it returns its
parts from back to front, each a signed distance and the colour it takes: 0 the main
one, 1 the second one, 2 a dark one.
"""

import numpy as np

from tfpipeline.demo.shapes import (
    Array,
    Draw,
    Parts,
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
    star,
    turned,
)


def _balloon(x: Array, y: Array, j: Draw) -> Parts:
    down = j(0.45, 0.6)
    string = path(x, y, [(0, 0.3), (j(-0.2, 0.2), 0.65), (j(-0.1, 0.1), 1)], 0.06)
    knot = polygon(x, y, [(0, 0.2), (0.12, 0.42), (-0.12, 0.42)])
    return [(string, 2), (any_of(ellipse(x, y + 0.3, j(0.38, 0.5), down), knot), 0)]


def _umbrella(x: Array, y: Array, j: Draw) -> Parts:
    dome = both(disc(x, y, j(0.8, 0.95)), y - 0.05)
    wide = j(0.26, 0.32)
    bites = disc((x + wide) % (2 * wide) - wide, y - 0.1, wide * 0.9)
    hook = both(ring(x - 0.13, y - 0.75, 0.13, 0.09), 0.75 - y)
    return [
        (any_of(line(x, y, (0, 0), (0, 0.75), 0.09), hook), 2),
        (both(dome, -bites), 0),
    ]


def _mushroom(x: Array, y: Array, j: Draw) -> Parts:
    stem = box(x, y - 0.4, j(0.16, 0.28), 0.45, 0.1)
    cap = both(ellipse(x, y, j(0.7, 0.9), j(0.6, 0.8)), y - 0.05)
    spots = any_of(
        disc(x - 0.3, y + 0.2, j(0.08, 0.14)),
        disc(x + 0.28, y + 0.25, j(0.08, 0.14)),
        disc(x + 0.02, y + 0.42, j(0.06, 0.12)),
    )
    return [(stem, 1), (cap, 0), (spots, 1)]


def _house(x: Array, y: Array, j: Draw) -> Parts:
    wide, top = j(0.5, 0.7), j(-0.95, -0.7)
    roof = polygon(x, y, [(-wide - 0.2, -0.1), (0, top), (wide + 0.2, -0.1)])
    door = box(x - j(-0.25, 0.25), y - 0.55, 0.13, 0.27)
    return [(box(x, y - 0.35, wide, 0.47), 0), (roof, 1), (door, 2)]


def _tree(x: Array, y: Array, j: Draw) -> Parts:
    crown = any_of(
        disc(x, y + 0.45, j(0.35, 0.45)),
        disc(x - 0.32, y + 0.12, j(0.3, 0.42)),
        disc(x + 0.32, y + 0.12, j(0.3, 0.42)),
    )
    return [(box(x, y - 0.55, j(0.1, 0.16), 0.42), 2), (crown, 0)]


def _fir(x: Array, y: Array, j: Draw) -> Parts:
    grow = j(0.85, 1.1)
    tiers = [
        polygon(x, y, [(0, top), (w * grow, low), (-w * grow, low)])
        for top, low, w in (
            (-0.95, -0.35, 0.36),
            (-0.6, 0.15, 0.52),
            (-0.2, 0.65, 0.68),
        )
    ]
    return [(box(x, y - 0.78, 0.1, 0.2), 2), (any_of(*tiers), 0)]


def _fish(x: Array, y: Array, j: Draw) -> Parts:
    tail = polygon(
        x, y, [(0.4, 0), (0.95, -j(0.3, 0.5)), (0.8, 0), (0.95, j(0.3, 0.5))]
    )
    fin = polygon(x, y, [(-0.1, -0.25), (0.2, -j(0.5, 0.7)), (0.3, -0.2)])
    body = ellipse(x + 0.2, y, 0.68, j(0.3, 0.45))
    return [(any_of(tail, fin), 1), (body, 0), (disc(x + 0.6, y + 0.1, 0.07), 2)]


def _key(x: Array, y: Array, j: Draw) -> Parts:
    bow = ring(x + 0.6, y, j(0.24, 0.32), j(0.12, 0.18))
    shaft = line(x, y, (-0.35, 0), (0.9, 0), 0.14)
    teeth = any_of(
        box(x - 0.82, y - 0.15, 0.07, j(0.14, 0.24)),
        box(x - j(0.5, 0.62), y - 0.13, 0.07, j(0.1, 0.2)),
    )
    return [(any_of(bow, shaft, teeth), 0)]


def _cup(x: Array, y: Array, j: Draw) -> Parts:
    high, wide = j(0.45, 0.6), j(0.42, 0.52)
    body = box(x + 0.15, y, wide, high, 0.12)
    handle = ring(x - wide + 0.1, y, j(0.24, 0.32), 0.13)
    return [(handle, 0), (body, 0), (ellipse(x + 0.15, y + high, wide, 0.12), 1)]


def _bottle(x: Array, y: Array, j: Draw) -> Parts:
    wide = j(0.25, 0.36)
    glass = any_of(
        box(x, y - 0.32, wide, 0.62, 0.12), box(x, y + 0.5, j(0.09, 0.13), 0.4, 0.04)
    )
    label = box(x, y - j(0.25, 0.45), wide, j(0.14, 0.24))
    return [(glass, 0), (label, 1), (box(x, y + 0.9, 0.13, 0.07), 2)]


def _star(x: Array, y: Array, j: Draw) -> Parts:
    outer = j(0.8, 0.95)
    return [(star(x, y, 5, outer, outer * j(0.36, 0.5)), 0)]


def _crescent(x: Array, y: Array, j: Draw) -> Parts:
    away = j(0.3, 0.5)
    return [(both(disc(x, y, 0.85), -disc(x - away, y, j(0.65, 0.75))), 0)]


def _heart(x: Array, y: Array, j: Draw) -> Parts:
    r = j(0.38, 0.45)
    lobes = any_of(disc(x - r * 0.9, y + 0.28, r), disc(x + r * 0.9, y + 0.28, r))
    tip = polygon(x, y, [(-r * 1.83, -0.13), (0, -0.25), (r * 1.83, -0.13), (0, 0.85)])
    return [(any_of(lobes, tip), 0)]


def _arrow(x: Array, y: Array, j: Draw) -> Parts:
    neck = j(0, 0.3)
    head = polygon(x, y, [(0.95, 0), (neck, -j(0.4, 0.6)), (neck, j(0.4, 0.6))])
    return [(any_of(head, box(x + 0.4, y, 0.55, j(0.12, 0.2))), 0)]


def _gear(x: Array, y: Array, j: Draw) -> Parts:
    count, hole = round(j(7, 11)), j(0.2, 0.34)
    u, v = around(x, y, count)
    teeth = box(u - 0.7, v, 0.22, 1.3 / count)
    return [(both(any_of(disc(x, y, 0.68), teeth), -disc(x, y, hole)), 0)]


def _flower(x: Array, y: Array, j: Draw) -> Parts:
    count = round(j(5, 8))
    u, v = around(x, y + 0.25, count)
    petals = ellipse(u - 0.36, v, 0.3, 1.2 / count)
    stem = path(x, y, [(0, -0.2), (j(-0.1, 0.1), 0.5), (j(-0.15, 0.15), 1)], 0.09)
    return [(stem, 2), (petals, 0), (disc(x, y + 0.25, j(0.16, 0.24)), 1)]


def _ladder(x: Array, y: Array, j: Draw) -> Parts:
    wide, gap = j(0.25, 0.4), j(0.2, 0.28)
    rails = box(np.abs(x) - wide, y, 0.07, 0.95)
    rungs = both(box(x, (y + gap) % (2 * gap) - gap, wide, 0.06), np.abs(y) - 0.9)
    return [(any_of(rails, rungs), 0)]


def _glasses(x: Array, y: Array, j: Draw) -> Parts:
    r, away = j(0.3, 0.4), j(0.46, 0.54)
    rims = ring(np.abs(x) - away, y, r, j(0.09, 0.14))
    bridge = line(x, y, (r - away, -0.06), (away - r, -0.06), 0.1)
    sides = line(np.abs(x), y, (away + r, -0.05), (1.0, -0.25), 0.09)
    panes = disc(np.abs(x) - away, y, r)
    return [(panes, 1), (any_of(rims, bridge, sides), 0)]


def _hammer(x: Array, y: Array, j: Draw) -> Parts:
    head = box(x, y + 0.6, j(0.42, 0.58), j(0.16, 0.24), 0.04)
    claw = polygon(x, y, [(0.3, -0.8), (0.9, -0.55), (0.85, -0.4), (0.3, -0.45)])
    handle = box(x, y - 0.22, j(0.08, 0.12), 0.75, 0.06)
    return [(handle, 1), (any_of(head, claw), 0)]


def _sailboat(x: Array, y: Array, j: Draw) -> Parts:
    hull = polygon(x, y, [(-0.85, 0.4), (0.85, 0.4), (j(0.4, 0.6), 0.8), (-0.55, 0.8)])
    main = polygon(x, y, [(0.05, -0.95), (j(0.6, 0.8), 0.28), (0.05, 0.28)])
    jib = polygon(x, y, [(-0.08, -j(0.6, 0.8)), (-0.08, 0.28), (-j(0.5, 0.7), 0.28)])
    mast = line(x, y, (0, -0.95), (0, 0.45), 0.06)
    return [(mast, 2), (any_of(main, jib), 1), (hull, 0)]


def _car(x: Array, y: Array, j: Draw) -> Parts:
    cabin = polygon(x, y, [(-0.55, 0), (-j(0.25, 0.4), -0.45), (0.25, -0.45), (0.6, 0)])
    body = box(x, y - 0.17, 0.95, j(0.2, 0.27), 0.12)
    wheels = disc(np.abs(x) - 0.52, y - 0.45, j(0.19, 0.25))
    return [(cabin, 1), (body, 0), (wheels, 2)]


def _snowman(x: Array, y: Array, j: Draw) -> Parts:
    balls = any_of(
        disc(x, y - 0.5, j(0.38, 0.46)),
        disc(x, y + 0.08, j(0.28, 0.34)),
        disc(x, y + 0.5, j(0.2, 0.25)),
    )
    hat = any_of(box(x, y + 0.7, 0.27, 0.04), box(x, y + 0.83, 0.17, 0.14))
    arms = line(np.abs(x), y, (0.25, 0.05), (j(0.65, 0.8), -j(0.05, 0.35)), 0.06)
    return [(arms, 2), (balls, 0), (hat, 2)]


def _bolt(x: Array, y: Array, j: Draw) -> Parts:
    a, b = j(0.1, 0.2), j(0.05, 0.12)
    left, right = [(0.2, -0.95), (-0.55, a), (-0.05, b)], [(-0.25, 0.95), (0.55, -a)]
    return [(polygon(x, y, [*left, *right, (0.08, -b)]), 0)]


def _butterfly(x: Array, y: Array, j: Draw) -> Parts:
    u, v = turned(np.abs(x) - 0.42, y + 0.3, -j(30, 50))
    upper = ellipse(u, v, j(0.42, 0.5), j(0.26, 0.34))
    u, v = turned(np.abs(x) - 0.34, y - 0.35, j(30, 55))
    lower = ellipse(u, v, j(0.3, 0.4), j(0.2, 0.27))
    feelers = line(np.abs(x), y, (0.03, -0.5), (0.25, -0.9), 0.05)
    body = ellipse(x, y, 0.08, 0.55)
    return [(lower, 1), (upper, 0), (any_of(body, feelers), 2)]


def _cloud(x: Array, y: Array, j: Draw) -> Parts:
    puffs = any_of(
        disc(x + 0.5, y - 0.05, j(0.28, 0.36)),
        disc(x + 0.12, y + 0.2, j(0.36, 0.46)),
        disc(x - 0.38, y + 0.02, j(0.32, 0.42)),
        box(x, y - 0.2, 0.78, 0.2, 0.18),
    )
    return [(puffs, 0)]


def _cherries(x: Array, y: Array, j: Draw) -> Parts:
    left, right = (-0.42, j(0.35, 0.55)), (0.4, j(0.35, 0.6))
    top = (j(-0.05, 0.25), -0.8)
    stems = any_of(line(x, y, top, left, 0.07), line(x, y, top, right, 0.07))
    balls = any_of(
        disc(x - left[0], y - left[1], 0.32), disc(x - right[0], y - right[1], 0.32)
    )
    u, v = turned(x - top[0] + 0.3, y + 0.75, 20)
    return [(stems, 2), (ellipse(u, v, 0.28, 0.13), 1), (balls, 0)]


KNOWN_OBJECTS = {
    draw.__name__[1:]: draw
    for draw in (
        *(_arrow, _balloon, _bolt, _bottle, _butterfly, _car, _cherries, _cloud),
        *(_crescent, _cup, _fir, _fish, _flower, _gear, _glasses, _hammer, _heart),
        *(_house, _key, _ladder, _mushroom, _sailboat, _snowman, _star, _tree),
        _umbrella,
    )
}
