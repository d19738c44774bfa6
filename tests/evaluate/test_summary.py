"""Single classes of an evaluation: the worst first, and none behind the accuracy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.evaluate import summary
from tfpipeline.report import class_ranking


def measured(*classes: tuple[int, int]) -> dict:
    """Return the metrics where of so many images so many are recognised, by class."""
    label = np.repeat(np.arange(len(classes)), [n for _, n in classes])
    called = [
        i if k < right else (i + 1) % len(classes)
        for i, (right, n) in enumerate(classes)
        for k in range(n)
    ]
    names = [f"class {i}" for i in range(len(classes))]
    return summary.metrics(np.eye(len(classes))[called], label, names)


def test_a_class_that_is_never_recognised_does_not_hide() -> None:
    found = measured((190, 192), (0, 8))
    assert found["accuracy"] == 0.95
    worst = found["worst_class"]
    assert (worst["name"], worst["recall"], worst["others"]) == ("class 1", 0, 0)
    assert measured((10, 10), (0, 1), (0, 2))["worst_class"]["others"] == 1


@pytest.mark.parametrize(
    "classes",
    [
        ((9, 10), (8, 10)),  # No further than chance.
        ((990, 1000), (930, 1000)),  # Surely worse, but not by much.
        ((10, 10), (10, 10)),
        ((0, 10), (0, 10)),  # The accuracy hides nothing.
        (*[(9, 10)] * 36, (7, 10)),  # Of many classes, one is that low by chance.
    ],
)
def test_a_class_that_is_hardly_worse_than_all_is_not_named(classes) -> None:
    assert measured(*classes)["worst_class"] is None


def test_a_class_that_is_far_worse_is_named() -> None:
    worst = measured((190, 200), (20, 40))["worst_class"]
    assert worst["name"] == "class 1" and worst["recall"] == 0.5


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2))
def test_classes_without_images_are_last_and_missing(counts) -> None:
    classes = [(min(a, b), max(a, b)) for a, b in counts]
    if not any(n for _, n in classes):
        return
    found = measured(*classes)
    empty = [f"class {i}" for i, (_, n) in enumerate(classes) if not n]
    assert found["missing_classes"] == empty
    rows = class_ranking.ranked(found["classes"])
    assert sorted(row["name"] for row in rows[len(rows) - len(empty) :]) == sorted(
        empty
    )
    recalls = [row["recall"] for row in rows if row["n"]]
    assert recalls == sorted(recalls)
    low, high = found["interval"]
    assert low <= found["accuracy"] <= high


def test_the_table_has_the_ten_worst_and_names_the_file_with_the_others() -> None:
    found = measured(*[(n, 20) for n in range(12)], (0, 0))
    text = summary.table(found, 80, "runs/a/evaluation.html")
    header, *lines, last = text.splitlines()
    assert max(map(len, text.splitlines())) <= 80
    assert [line.split()[1] for line in lines] == [str(n) for n in range(10)]
    assert lines[3].split()[2:5] == ["20", "0.150", "0.143"]
    assert lines[3].split()[-3:] == ["class", "4", "(17)"]
    assert " 2 " in last and "runs/a/evaluation.html" in last
    few = measured((1, 2), (2, 2), (0, 0))
    assert len(summary.table(few, 80, "x").splitlines()) == 3
