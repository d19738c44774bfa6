"""What a study says at its end: what a gain is over, and where nothing was chosen."""

import math
from pathlib import Path
from typing import Any

from tfpipeline.study import checks, text


def said(validation: float, *others: dict[str, Any]) -> str:
    """Return the closing words of one pair with a gain, by its validation accuracy."""
    entry: dict[str, Any] = {
        **{"source": "folder/cats", "backbone": "demo", "method": "probe"},
        **{"shots": "all", "accuracy": 0.75, "half_interval": math.nan},
        **{
            "validation_accuracy": validation,
            "gain": 0.25,
            "gain_against": "VGG16:none",
        },
    }
    pair = {"source": "folder/cats", "backbone": "demo", "milliseconds": 2, "leaks": 0}
    row = {**entry, "seed": 0, "measured_on": 200}
    result = {
        "summary": {
            "means": [entry, *({**entry, **other} for other in others)],
            "pairs": [pair],
            "failed": [],
        },
        "checks": checks.checks([row], [pair]),
        "recommendation": [],
    }
    return str(text.closing_words(result, Path("study"), None))


def test_a_gain_names_the_untrained_network_that_it_is_over() -> None:
    line = (
        "cats, demo: probe 0.750 (probe +0.250 over untrained VGG16:none; "
        "2.0 ms an image)"
    )
    assert line in said(0.5)


def test_the_probe_and_the_head_are_both_told_whatever_validation_images_prefer() -> (
    None
):
    for validation in (0.1, 0.5, 0.9):
        words = said(validation, {"method": "head", "accuracy": 0.7})
        assert "cats, demo: probe 0.750, head 0.700 (probe +0.250" in words


def test_it_is_said_where_no_validation_images_choose() -> None:
    assert "No validation images in folder/cats: the first head" in said(math.nan)
    assert "the first head" not in said(0.5)
