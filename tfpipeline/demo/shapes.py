"""Signed distances of plane figures: negative inside, zero on the edge.

All take coordinate arrays `x` to the right and `y` downwards in units of half a
picture, and return an array of the same shape. What is combined by `minimum` and
`maximum` keeps the right edge; the distance itself is then a bound.

Source: the closed forms of I. Quilez, "2D distance functions".
"""

from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray
# A draw from low to high; and the parts of an object, each with its colour's number.
Draw = Callable[[float, float], float]
Parts = list[tuple[Array, int]]


def disc(x: Array, y: Array, radius: float) -> Array:
    """Return the distance to a disc about the origin."""
    return np.hypot(x, y) - radius


def ring(x: Array, y: Array, radius: float, width: float) -> Array:
    """Return the distance to a circle line of a width."""
    return np.abs(np.hypot(x, y) - radius) - width / 2


def ellipse(x: Array, y: Array, across: float, down: float) -> Array:
    """Return about the distance to an ellipse with two half axes."""
    near = np.hypot(x / across, y / down)
    slope = np.hypot(x / across**2, y / down**2)
    return near * (near - 1) / np.maximum(slope, 1e-6)


def box(x: Array, y: Array, across: float, down: float, round_: float = 0.0) -> Array:
    """Return the distance to a box with two half sides and rounded corners."""
    dx = np.abs(x) - across + round_
    dy = np.abs(y) - down + round_
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - round_


def line(
    x: Array, y: Array, start: tuple[float, float], end: tuple[float, float], w: float
) -> Array:
    """Return the distance to a line of width `w` with round ends."""
    ax, ay = x - start[0], y - start[1]
    bx, by = end[0] - start[0], end[1] - start[1]
    along = np.clip((ax * bx + ay * by) / (bx * bx + by * by + 1e-9), 0, 1)
    return np.hypot(ax - bx * along, ay - by * along) - w / 2


def path(x: Array, y: Array, points: Sequence[tuple[float, float]], w: float) -> Array:
    """Return the distance to a line through several points."""
    parts = [line(x, y, a, b, w) for a, b in zip(points, points[1:])]
    return np.minimum.reduce(parts)


def polygon(x: Array, y: Array, points: Sequence[tuple[float, float]]) -> Array:
    """Return the distance to a filled polygon."""
    nearest = np.full(x.shape, np.inf, x.dtype)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]]):
        ex, ey, px, py = bx - ax, by - ay, x - ax, y - ay
        along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (px - ex * along) ** 2 + (py - ey * along) ** 2)
        if ay != by:
            crosses = (y >= min(ay, by)) & (y < max(ay, by))
            inside ^= crosses & (x < ax + (y - ay) * (ex / ey))
    return np.sqrt(nearest) * np.where(inside, -1, 1).astype(x.dtype)


def star(x: Array, y: Array, points: int, outer: float, inner: float) -> Array:
    """Return the distance to a star with one point up."""
    angles = np.pi * np.arange(2 * points) / points - np.pi / 2
    radii = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    corners = [
        (float(r * np.cos(a)), float(r * np.sin(a))) for a, r in zip(angles, radii)
    ]
    return polygon(x, y, corners)


def turned(x: Array, y: Array, degrees: float) -> tuple[Array, Array]:
    """Return coordinates in which what is drawn appears turned clockwise."""
    angle = np.float32(np.deg2rad(degrees))
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def around(x: Array, y: Array, count: int) -> tuple[Array, Array]:
    """Return coordinates that repeat what is drawn towards +x, `count` times around."""
    sector = np.float32(2 * np.pi / count)
    angle = np.arctan2(y, x)
    angle = angle - sector * np.round(angle / sector)
    radius = np.hypot(x, y)
    return radius * np.cos(angle), radius * np.sin(angle)


def both(*distances: Array) -> Array:
    """Return the distance to what lies in every figure."""
    return np.maximum.reduce(distances)


def any_of(*distances: Array) -> Array:
    """Return the distance to what lies in at least one figure."""
    return np.minimum.reduce(distances)
