"""What has to be known before a study is believed, from its rows."""

import math

import pytest

from tfpipeline.study.checks import checks

PAIRS = [{"source": "a", "leaks": 0}, {"source": "b", "leaks": 0}]


def rows(validation: float | None) -> list[dict]:
    """Return two seeds of two sources, the second with its validation accuracy."""
    return [
        {
            "source": source,
            "seed": seed,
            "measured_on": 200,
            "validation_accuracy": accuracy,
        }
        for source, accuracy in (("a", 0.5), ("b", validation))
        for seed in range(2)
    ]


def test_a_sound_study_passes_everything() -> None:
    assert all(check["passed"] for check in checks(rows(0.0), PAIRS).values())


def test_a_study_of_nothing_passes_nothing() -> None:
    found = checks([], [])
    assert {one["passed"] for one in found.values()} == {None}
    assert {one["outcome"] for one in found.values()} == {"not asked"}


@pytest.mark.parametrize("none", [None, math.nan], ids=["kept", "just computed"])
def test_a_source_without_validation_images_is_named(none: float | None) -> None:
    found = checks(rows(none), PAIRS)
    failed = [name for name, check in found.items() if not check["passed"]]
    assert failed == ["validation_images"]
    assert found["validation_images"]["value"] == ["b"]
    assert "No validation images in b: " in found["validation_images"]["otherwise"]


@pytest.mark.parametrize("key, name", [("mean_average_precision", "mAP"), ("r2", "R2")])
def test_what_is_said_of_other_targets_names_their_figure(key: str, name: str) -> None:
    names = {"validation_accuracy": f"validation_{key}"}
    given = [
        {key: 0.5, **{names.get(k, k): v for k, v in row.items()}} for row in rows(None)
    ]
    given[0]["measured_on"] = 5
    found = checks(given, [{"source": "a", "leaks": 2}])
    assert found["validation_images"]["value"] == ["b"]
    for check in ("enough_test_images", "no_leaks"):
        assert name in found[check]["otherwise"]
        assert "accurac" not in found[check]["otherwise"]
