"""Figures of attacks: nothing is cut off, whatever the names are."""

from typing import Any

import numpy as np
import pytest

from tfpipeline.attack import plots

CLEAN = np.full((20, 20, 3), 100, np.uint8)
CHANGED = CLEAN + np.uint8(3)
LONG = "a name of $ signs_and^braces {that} goes on for longer than any line is wide"
TOP = [(LONG, 0.6), ("cat", 0.2), ("dog", 0.1)]
MANY: dict[str, Any] = {
    "title": LONG * 3,
    "curve": [(0.0, 1.0), (1.0, 0.5)],
    "least": [1.0, 2.0, 2.0],
    "matrix": {
        "/a/one": {"/a/one": 1.0, "/b/two": 0.1},
        "/b/two": {"/a/one": 0, "/b/two": 1},
    },
    "defences": {
        "jpeg:75": {"clean_accuracy": 1, "fooled_unaware": 0.2, "fooled_adaptive": 1}
    },
    "words": ("1/255", plots.LEFT),
}


def is_whole(drawn: np.ndarray) -> bool:
    """Tell whether nothing reaches the edge."""
    edges = (drawn[:2], drawn[-2:], drawn[:, :2], drawn[:, -2:])
    return all((edge == 255).all() for edge in edges) and bool((drawn < 255).any())


def test_a_perturbation_is_shown_around_grey_as_strong_as_fits() -> None:
    shown, factor = plots.amplified(CHANGED, CLEAN)
    assert factor == pytest.approx(0.5 * 255 / 3)
    assert (shown == 255).all()
    same, one = plots.amplified(CLEAN, CLEAN)
    assert one == 1 and (same == 128).all()


@pytest.mark.parametrize("fooled", ["cat", None])
def test_a_figure_is_whole_with_any_names(fooled) -> None:
    item = {
        **{"label": LONG, "final_class": fooled or LONG, "success_8bit": bool(fooled)},
        **{"norm": "linf", "linf": 3 / 255, "epsilon": 3 / 255, "steps": 6},
        **{"clean_top": TOP, "top": TOP[1:], "psnr": 38.1, "ssim": 0.9},
        "success_jpeg": {LONG: True},
        "judges": {LONG: {"class": LONG, "probability": 0.5}},
    }
    drawn = plots.attacked(CLEAN, CHANGED, item)
    assert drawn.shape == (560, 1100, 3)
    assert is_whole(drawn)
    # In colour is what is shown, and what is seen instead.
    bars = drawn[400:500].astype(int)
    red = (bars[..., 0] - bars[..., 1] > 40).any()
    assert red == (fooled is not None)


@pytest.mark.parametrize(
    "without",
    [
        {},
        {"matrix": {}},
        {"defences": {}, "matrix": {}},
        {"least": [], "words": ("1/255", "share that is not the target")},
    ],
)
def test_the_figure_of_many_is_whole_with_any_of_its_parts(without: dict) -> None:
    assert is_whole(plots.summary(**MANY | without))


def test_networks_of_the_same_last_name_keep_their_folders() -> None:
    assert plots._short(["/a/one", "/b/two/"]) == ["one", "two"]
    assert plots._short(["/a/one", "/b/one"]) == ["/a/one", "/b/one"]
