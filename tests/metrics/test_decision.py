"""What turns outputs into answers: chosen, said, written and read again."""

import json

import numpy as np
import pytest

from tfpipeline.metrics import decision, multi_label
from tfpipeline.metrics.decision import Decision


def some(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits and values of three classes that the logits tell of."""
    rng = np.random.default_rng(seed)
    values = (rng.random((200, 3)) < (0.2, 0.5, 0.8)).astype(np.float32)
    return rng.normal(size=(200, 3)) + 2 * values - 1, values


def test_thresholds_have_the_best_f1_of_all_there_are() -> None:
    logits, values = some()
    found = decision.for_several(
        "abc", ("f1", 0.9), "validation", (logits, values, None)
    )
    chance = multi_label.probabilities(logits)

    def f1(thresholds) -> np.ndarray:
        metrics = multi_label.multi_label(chance, values, "abc", thresholds)
        return np.array([own["f1"] for own in metrics["classes"].values()])

    best = f1(found.thresholds)
    for k in range(3):
        for threshold in np.sort(chance[:, k]).astype(np.float32):
            tried = list(found.thresholds)
            tried[k] = float(threshold)
            assert f1(tried)[k] <= best[k] + 1e-12
    assert "highest F1 on validation images" in found.words


def test_recall_at_a_precision_is_named_and_met() -> None:
    given = "abc", ("recall_at_precision", 0.8), "validation", (*some(), None)
    found = decision.for_several(*given)
    assert all(row["precision"] >= 0.8 for row in found.chosen)
    assert "recall at a precision of 0.8 or more" in found.words


def test_without_validation_images_every_threshold_is_a_half() -> None:
    found = decision.for_several("ab", ("f1", 0.9), "validation", None)
    assert found.thresholds == (0.5, 0.5) and not found.split
    assert found.chosen[0]["reason"] == "no validation images"


def test_labels_are_said_from_their_thresholds_on() -> None:
    one = Decision("multi", ("cat", "dog"), (0.5, 0.25))
    logits = np.array([[0.0, -3], [-1, -1], [-1, -2], [4, 4]])
    assert one.said(logits) == ["cat", "dog", "", "cat|dog"]
    number = Decision("number", ("age",), mean=3.0, deviation=2.0)
    assert number.said(np.array([[31.25], [2]])) == ["31.25", "2"]


@pytest.mark.parametrize(
    "one",
    [
        decision.for_several("abc", ("f1", 0.9), "validation", (*some(), None)),
        decision.for_several("abc", ("f1", 0.9), "out-of-fold", (*some(), None), 1.5),
        Decision("number", ("age",), mean=30.0, deviation=12.5),
        Decision("number", ("age",), half_width=2.5, coverage=0.8, n=9, split="x"),
        Decision("number", ("age",), reason="there are too few images"),
        Decision("soft", ("a", "b")),
    ],
)
def test_it_is_the_same_after_json(one: Decision) -> None:
    content = json.loads(json.dumps(one.to_json()))
    assert Decision.of(content | {"of_later": 1}) == one


def test_thresholds_are_chosen_on_calibrated_probabilities() -> None:
    logits, values = some()
    given = "abc", ("f1", 0.9), "validation", (logits, values, None)
    plain, cooled = decision.for_several(*given), decision.for_several(*given, 2.0)
    for a, b in zip(plain.thresholds, cooled.thresholds):
        assert abs(b - 0.5) < abs(a - 0.5)
    expected = multi_label.probabilities(logits / 2)
    np.testing.assert_array_equal(cooled.chance(logits), expected)
    # The same labels are said, but for what lies between two of these images.
    assert cooled.said(logits) == plain.said(logits)
