"""Signed distances against closed forms."""

import numpy as np
import pytest

from tfpipeline.demo import shapes
from tfpipeline.demo.scene import grid

SIZE = 256
X, Y = grid(SIZE)
FIGURES = {
    "disc": (shapes.disc(X, Y, 0.5), np.pi * 0.25),
    "ring": (shapes.ring(X, Y, 0.5, 0.2), np.pi * (0.36 - 0.16)),
    "ellipse": (shapes.ellipse(X, Y, 0.8, 0.4), np.pi * 0.32),
    "box": (shapes.box(X, Y, 0.6, 0.3), 0.72),
    "line": (shapes.line(X, Y, (-0.5, 0), (0.5, 0), 0.4), 0.4 + np.pi * 0.04),
    "polygon": (shapes.polygon(X, Y, [(-0.5, -0.5), (0.5, -0.5), (0, 0.5)]), 0.5),
}


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_inside_has_the_area_of_the_figure(name: str) -> None:
    distance, area = FIGURES[name]
    assert (distance < 0).mean() * 4 == pytest.approx(area, rel=0.03)


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"ellipse"}))
def test_a_distance_grows_by_at_most_the_step(name: str) -> None:
    distance, _ = FIGURES[name]
    step = 2 / SIZE
    assert np.abs(np.diff(distance, axis=0)).max() <= step * 1.01
    assert np.abs(np.diff(distance, axis=1)).max() <= step * 1.01


def test_turning_turns() -> None:
    u, v = shapes.turned(X, Y, 90)
    np.testing.assert_allclose(u, Y, atol=1e-6)
    np.testing.assert_allclose(v, -X, atol=1e-6)


def test_what_is_repeated_around_is_the_same_in_every_sector() -> None:
    u, v = shapes.around(X, Y, 4)
    once = shapes.disc(u - 0.5, v, 0.2)
    np.testing.assert_allclose(once, np.rot90(once), atol=1e-5)
    assert (once < 0).mean() * 4 == pytest.approx(4 * np.pi * 0.04, rel=0.05)
