"""What a study recommends, and what its gains are over: by validation images alone."""

import math
from typing import Any

import pytest

from tfpipeline.study import selection

COST = {"demo": 1.0, "MobileNetV2": 9.0, "VGG16:none": 30.0, "PlainCNN:none": 2.0}


def rows(
    word: str, method: str, test: float, validation: float
) -> list[dict[str, Any]]:
    """Return two seeds of a method on all examples."""
    return [
        {
            **{"source": "cats", "backbone": word, "method": method, "shots": "all"},
            **{"seed": seed, "accuracy": test, "validation_accuracy": validation},
        }
        for seed in range(2)
    ]


def pair(word: str) -> dict[str, Any]:
    """Return what is known of a pair."""
    about = {"milliseconds": COST[word], "untrained": word.endswith("none")}
    return {"source": "cats", "backbone": word, **about}


def recommended(*given: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is recommended for the one source."""
    every = [row for some in given for row in some]
    pairs = [pair(word) for word in dict.fromkeys(row["backbone"] for row in every)]
    (entry,) = selection.recommend(selection.means(every), pairs, every)
    return entry


def test_what_train_cannot_make_is_not_recommended() -> None:
    entry = recommended(
        rows("demo", "probe", 0.99, 0.99),
        rows("demo", "neighbours", 0.99, 0.99),
        rows("demo", "head", 0.7, 0.7),
        rows("MobileNetV2", "probe", 0.8, 0.8),
        rows("MobileNetV2", "head", 0.9, 0.9),
    )
    assert (entry["backbone"], entry["method"]) == ("MobileNetV2", "head")


@pytest.mark.parametrize("below, word", [(0.009, "demo"), (0.011, "MobileNetV2")])
def test_the_cheapest_as_good_on_validation_images_is_recommended(
    below: float, word: str
) -> None:
    entry = recommended(
        rows("demo", "head", 0.2, 0.9 - below), rows("MobileNetV2", "head", 0.9, 0.9)
    )
    assert entry["backbone"] == word
    assert entry["accuracy"] == pytest.approx(0.2 if word == "demo" else 0.9)


@pytest.mark.parametrize(
    "validation, against",
    [((0.6, 0.5), "VGG16:none"), ((0.5, 0.6), "PlainCNN:none")],
)
def test_the_baseline_of_a_gain_is_chosen_by_validation_images(
    validation: tuple[float, float], against: str
) -> None:
    every = [
        *rows("MobileNetV2", "probe", 0.9, 0.9),
        *rows("VGG16:none", "probe", 0.4, validation[0]),
        *rows("PlainCNN:none", "probe", 0.7, validation[1]),
    ]
    pairs = [pair(word) for word in ("MobileNetV2", "VGG16:none", "PlainCNN:none")]
    entry, *_ = selection.means(every)
    found = selection.gain(entry, every, pairs)
    assert found["gain_against"] == against
    test = {"VGG16:none": 0.4, "PlainCNN:none": 0.7}[against]
    assert found["gain"] == pytest.approx(0.9 - test)


def test_without_validation_images_the_first_untrained_network_is_the_baseline() -> (
    None
):
    every = [
        *rows("MobileNetV2", "probe", 0.9, math.nan),
        *rows("VGG16:none", "probe", 0.4, math.nan),
        *rows("PlainCNN:none", "probe", 0.7, math.nan),
    ]
    pairs = [pair(word) for word in ("MobileNetV2", "VGG16:none", "PlainCNN:none")]
    entry, *_ = table = selection.means(every)
    assert selection.gain(entry, every, pairs)["gain_against"] == "VGG16:none"
    assert selection.recommend(table, pairs, every) == []
