"""One choice of the worst class, wherever one is named or shown first."""

from pathlib import Path

import pytest

from tests.report import made
from tfpipeline.report import class_ranking, closing, run_data, run_page


def metrics(*counts: tuple[int, int]) -> dict:
    """Return metrics where of so many images so many are recognised, by class."""
    total = sum(n for _, n in counts)
    classes = {
        f"class {i}": {"recall": right / n if n else None, "precision": None, "n": n}
        for i, (right, n) in enumerate(counts)
    }
    right = sum(count for count, _ in counts)
    return {"accuracy": right / total if total else 0.0, "n": total, "classes": classes}


@pytest.mark.parametrize(
    "counts, words",
    [
        (((190, 192), (0, 8)), "! Careful: worst class class 1: 0 of 8"),
        (((190, 200), (20, 40)), "! Careful: worst class class 1: 20 of 40"),
        # More than 0.1 below the accuracy, but by chance.
        (((9, 10), (6, 10)), "  Worst class class 1: 6 of 10"),
        (((10, 10), (10, 10)), ""),
        (((0, 0), (0, 0)), ""),
    ],
)
def test_training_warns_of_the_class_that_an_evaluation_names(counts, words) -> None:
    result = metrics(*counts)
    template = '{% import "metrics.txt" as say %}{{ say.lowest(result) }}'
    said = closing._environment().from_string(template).render(result=result)
    assert said.startswith(words) and bool(said) == bool(words)
    assert ("Careful" in said) == (class_ranking.worst(result) is not None)


def test_the_page_of_a_run_has_the_same_order(tmp_path: Path) -> None:
    run = run_data.read(made.run(tmp_path / "run", [f"c{i}" for i in range(20)]))
    names = [row["name"] for row in run_page.content(run)["classes"]]
    ranked = class_ranking.ranked(run.metrics["test"]["classes"])
    assert names == [row["name"] for row in ranked]


def test_of_equal_recalls_that_of_more_images_is_first() -> None:
    ranked = class_ranking.ranked(metrics((1, 2), (5, 10), (0, 0), (1, 1))["classes"])
    assert [row["name"][-1] for row in ranked] == ["1", "0", "3", "2"]
    assert ranked[-1]["recall"] is ranked[-1]["f1"] is None
