"""What a page tells of several labels and of a number."""

import numpy as np

from tests.metrics.test_decision import some
from tfpipeline.metrics import decision, target_metrics
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import html, target_page

REST = {
    **{"name": "run", "kicker": "Training run", "lead": "", "split": "test"},
    **{"careful": "", "curves": [], "thresholds": "by F1", "known": None},
    **{"leaks": None, "batch": None, "broken": [("b.png", "broken")]},
    **{"how": {"command": "train", "versions": {}}, "facts": [], "config_text": ""},
}


def several(labels: str = "abc") -> tuple[Decision, dict, dict]:
    logits, values = some()
    values[:, 1] = 0
    one = decision.for_several(
        labels, ("f1", 0.9), "validation", (logits, values, None)
    )
    result = target_metrics.measure(one, logits, values)
    return one, result, target_metrics.shown(one, logits, values)


def test_classes_are_ranked_and_say_why_a_threshold_was_not_chosen() -> None:
    one, result, shown = several()
    content = target_page.content(result, shown, one.to_json())
    assert [row["name"] for row in content["classes"]][-1] == "b"
    assert content["classes"][-1]["reason"] == "no positive image to choose it on"
    (words, chart), *more = content["charts"]
    assert "Precision against recall" in words and not more
    assert "precision against recall of 2 classes" in chart
    page = html.render("target.html", **content, **REST)
    for text in (
        "macro F1",
        "no positive image",
        "b.png",
        "by F1",
        "average precision",
    ):
        assert text in page


def test_a_number_is_told_beside_the_mean() -> None:
    true = np.random.default_rng(0).normal(40, 9, (120, 1))
    one = Decision("number", ("age",), mean=40.0, deviation=9.0)
    result = target_metrics.measure(one, true + 1, true)
    shown = target_metrics.shown(one, true + 1, true)
    content = target_page.content(result, shown, one.to_json())
    page = html.render("target.html", **content, **REST)
    assert "age: off by 1" in page and "always saying the training mean 40" in page
    assert "predicted against true age of 120 images" in page


def test_without_measured_images_the_page_says_so() -> None:
    content = target_page.content(None, None, Decision("number", ("age",)).to_json())
    page = html.render("target.html", **content, **REST)
    assert "neither test nor validation images" in page


def test_curves_are_those_of_the_target() -> None:
    rows = [
        {"epoch": i, "loss": 1 / i, "label_accuracy": 0.5, "val_mAP": 0.1 * i}
        for i in range(1, 5)
    ]
    shown = target_page.curves(rows, 4, "multi")
    assert len(shown) == 3
    assert len(target_page.curves([{"loss": 1.0, "mae": 2.0}], None, "number")) == 2
