"""What validation images recommend, and the command that trains it."""

import math
import shlex
from typing import Any

import pytest

from tfpipeline import cli
from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.metrics import target_score
from tfpipeline.study import from_scratch, recommendation

STUDY = StudySettings(
    seed=4, scratch_epochs=7, data=DataSettings(examples_per_class=5, resize="pad")
)
HEAD = {"learning_rate": 0.0123, "weight_decay": 0.5, "dropout": 0.2}
ROWS = [
    {
        **{"source": "cats", "backbone": "demo", "method": "head", "shots": "all"},
        **{
            "trained_on": 64,
            "head": {**HEAD, "hidden": hidden, "label_smoothing": 0.1},
        },
    }
    for hidden in (0, 16, 16)
]


def read(command: str) -> RunSettings:
    """Return what `train` understands."""
    python, _, module, *words = shlex.split(command)
    assert (python, module) == ("python", "tfpipeline.train")
    return cli.parse(RunSettings, words, prog="train", description="")


@pytest.mark.parametrize("backbone", ["demo", from_scratch.SCRATCH])
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_train_understands_what_was_trained(backbone: str, precision: str) -> None:
    given = recommendation.train_settings(STUDY, "cats", backbone, ROWS, precision)
    assert read(recommendation.command(given)) == given
    assert given.train.precision == precision
    assert (given.seed, given.data.source) == (4, "cats")
    assert (given.data.examples_per_class, given.data.resize) == (5, "pad")


def test_the_head_is_the_one_that_most_seeds_chose() -> None:
    given = recommendation.train_settings(STUDY, "cats", "demo", ROWS)
    assert given.model.hidden == [16] and given.model.dropout == 0.2
    assert (given.train.learning_rate, given.train.weight_decay) == (0.012, 0.5)
    assert given.train.epochs == 75, "150 steps of 32 on 64 images"


def test_from_scratch_is_trained_as_its_rows_were() -> None:
    given = recommendation.train_settings(STUDY, "cats", from_scratch.SCRATCH, [])
    own = from_scratch.settings_for(given.data, 4, 7)
    assert (given.model, given.train) == (own.model, own.train)
    assert given.train.schedule == "cosine" and given.train.patience is None


@pytest.mark.parametrize(
    "target, key", [("multi", "mean_average_precision"), ("number", "r2")]
)
@pytest.mark.parametrize("backbone", ["demo", from_scratch.SCRATCH])
def test_the_command_names_the_target(target: str, key: str, backbone: str) -> None:
    rows = [{**row, key: 0.5} for row in ROWS]
    given = recommendation.train_settings(STUDY, "cats", backbone, rows)
    assert read(recommendation.command(given)) == given
    assert given.data.target == target and given.train.loss == "auto"


@pytest.mark.parametrize("key, name", [("mean_average_precision", "mAP"), ("r2", "R2")])
def test_networks_are_recommended_by_the_figure_of_the_target(
    key: str, name: str
) -> None:
    def rows(word: str, test: float, validation: float) -> list[dict[str, Any]]:
        kept = two_seeds(word, "head", test, validation)
        names = {"accuracy": key, "validation_accuracy": f"validation_{key}"}
        more = {"mae": 10 * test} if key == "r2" else {}
        return [{names.get(k, k): v for k, v in row.items()} | more for row in kept]

    entry = recommended(rows("demo", 0.9, 0.3), rows("MobileNetV2", 0.4, 0.7))
    assert (entry["backbone"], entry[key]) == ("MobileNetV2", pytest.approx(0.4))
    assert entry["reason"].startswith(f"{name} 0.700 on validation images")
    assert entry.get("mae") == (pytest.approx(4) if key == "r2" else None)
    own = recommendation.selection(target_score.of_row(entry))
    assert f"validation_{key}" in own and "accuracy" not in " ".join(own.values())


COST = {"demo": 1.0, "MobileNetV2": 9.0, "VGG16:none": 30.0, "PlainCNN:none": 2.0}


def two_seeds(
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
    (entry,) = recommendation.recommend(recommendation.means(every), pairs, every)
    return entry


def test_what_train_cannot_make_is_not_recommended() -> None:
    entry = recommended(
        two_seeds("demo", "probe", 0.99, 0.99),
        two_seeds("demo", "neighbours", 0.99, 0.99),
        two_seeds("demo", "head", 0.7, 0.7),
        two_seeds("MobileNetV2", "probe", 0.8, 0.8),
        two_seeds("MobileNetV2", "head", 0.9, 0.9),
    )
    assert (entry["backbone"], entry["method"]) == ("MobileNetV2", "head")


@pytest.mark.parametrize("below, word", [(0.009, "demo"), (0.011, "MobileNetV2")])
def test_the_cheapest_as_good_on_validation_images_is_recommended(
    below: float, word: str
) -> None:
    entry = recommended(
        two_seeds("demo", "head", 0.2, 0.9 - below),
        two_seeds("MobileNetV2", "head", 0.9, 0.9),
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
        *two_seeds("MobileNetV2", "probe", 0.9, 0.9),
        *two_seeds("VGG16:none", "probe", 0.4, validation[0]),
        *two_seeds("PlainCNN:none", "probe", 0.7, validation[1]),
    ]
    pairs = [pair(word) for word in ("MobileNetV2", "VGG16:none", "PlainCNN:none")]
    entry, *_ = recommendation.means(every)
    found = recommendation.gain(entry, every, pairs)
    assert found["gain_against"] == against
    test = {"VGG16:none": 0.4, "PlainCNN:none": 0.7}[against]
    assert found["gain"] == pytest.approx(0.9 - test)


def test_without_validation_images_the_first_untrained_network_is_the_baseline() -> (
    None
):
    every = [
        *two_seeds("MobileNetV2", "probe", 0.9, math.nan),
        *two_seeds("VGG16:none", "probe", 0.4, math.nan),
        *two_seeds("PlainCNN:none", "probe", 0.7, math.nan),
    ]
    pairs = [pair(word) for word in ("MobileNetV2", "VGG16:none", "PlainCNN:none")]
    entry, *_ = table = recommendation.means(every)
    assert recommendation.gain(entry, every, pairs)["gain_against"] == "VGG16:none"
    assert recommendation.recommend(table, pairs, every) == []
