"""Metrics of one split by target, with intervals and the points of charts."""

import numpy as np
import pytest

from tests.metrics.test_decision import some
from tfpipeline.metrics import classification, decision, multi_label, target_metrics
from tfpipeline.metrics.decision import Decision


def test_several_labels_name_how_thresholds_were_chosen() -> None:
    logits, values = some()
    one = decision.for_several("abc", ("f1", 0.9), "validation", (logits, values, None))
    result = target_metrics.measure(one, logits, values)
    assert (result["criterion"], result["chosen_on"]) == ("f1", "validation")
    low, high = result["interval"]
    assert low < result["mean_average_precision"] < high
    told = result["calibration"]
    assert told["loss"] == told["loss_calibrated"] == result["loss"]
    # The threshold's own figures are those of the images that chose it.
    for row, own in zip(one.chosen, result["classes"].values()):
        assert own["f1"] == pytest.approx(row["f1"], abs=1e-12)


def test_a_number_has_its_baseline_beside_it() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(10, 3, (80, 1))
    one = Decision("number", ("age",), mean=9.0, deviation=3.0)
    result = target_metrics.measure(one, true + rng.normal(size=(80, 1)), true)
    assert result["quantity"] == "age" and result["baseline"]["mean"] == 9.0
    assert result["baseline"]["mae"] == pytest.approx(np.abs(true - 9).mean())
    assert result["mae"] < result["baseline"]["mae"]
    # The loss of the training is another one, in deviations.
    assert "loss" not in result and "band" not in result
    low, high = result["intervals"]["mae"]
    assert low < result["mae"] < high


def test_an_interval_is_measured_where_there_is_one() -> None:
    true = np.arange(8.0)[:, None]
    outputs = true + np.array([0.5, -0.5, 1, -1, 2, -2, 3, -3])[:, None]
    one = Decision("number", ("age",), half_width=1.0, coverage=0.6)
    found = target_metrics.measure(one, outputs, true)["band"]
    assert found == {"coverage": 0.6, "half_width": 1.0, "covered": 0.5}
    weight = np.array([3.0, 1, 1, 1, 1, 1, 1, 1])
    found = target_metrics.measure(one, outputs, true, weight)["band"]
    assert found["covered"] == 0.6


def test_what_belongs_together_is_drawn_together() -> None:
    """Copies of ten images tell no more than ten: the interval is as wide."""
    rng = np.random.default_rng(1)
    true = rng.normal(size=(10, 1))
    outputs = true + rng.normal(size=(10, 1))
    one = Decision("number", ("age",))
    copies = np.repeat(np.arange(10), 20)

    def width(together) -> float:
        given = one, outputs[copies], true[copies], None, together
        low, high = target_metrics.measure(*given)["intervals"]["mae"]
        return high - low

    assert width([str(k) for k in copies]) > 3 * width(None)


def test_shares_add_their_entropy_to_the_figures_of_classes() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(60, 3))
    label = rng.integers(0, 3, 60)
    found = target_metrics.of_shares(logits, np.eye(3)[label])
    plain = classification.classification(logits, label, "abc")
    assert found["loss"] == plain["loss"]
    assert found["distribution"] == {"entropy": 0.0, "divergence": plain["loss"]}
    shares = rng.dirichlet(np.ones(3), 60)
    best = target_metrics.of_shares(np.log(shares), shares)["distribution"]
    assert best["divergence"] == pytest.approx(0, abs=1e-12)


def test_charts_have_few_points() -> None:
    logits, values = some()
    one = Decision("multi", tuple("abc"), (0.5,) * 3)
    values[:, 1] = 0
    curves = target_metrics.shown(one, logits, values)["curves"]
    assert set(curves) == {"a", "c"}
    recall = [point[0] for point in curves["a"]]
    assert recall == sorted(recall) and recall[-1] == 1
    number = Decision("number", ("age",))
    many = np.arange(5000.0)[:, None]
    points = target_metrics.shown(number, many, many)["points"]
    assert len(points) == 400 and points[0] == [0, 0] and points[-1] == [4999, 4999]


def test_labels_are_counted_image_by_image_as_true_and_as_said() -> None:
    logits, values = some()
    one = Decision("multi", tuple("abc"), (0.5, 0.6, 0.4))
    shown = target_metrics.shown(one, logits, values)
    counts, rows = shown["label_counts"], shown["reliability"]
    assert rows["before"] == rows["after"]
    assert sum(row["n"] for row in rows["after"]) == values.size
    said = one.called(multi_label.probabilities(logits)).sum(axis=1)
    for name, each in (("true", values.sum(axis=1)), ("said", said)):
        assert counts[name] == [(each == k).sum() for k in range(len(counts[name]))]
    wide = Decision("multi", tuple(map(str, range(30))), (0.5,) * 30)
    many = np.r_[np.ones((4, 30)), np.zeros((1, 30))]
    counts = target_metrics.shown(wide, np.full((5, 30), -9.0), many)["label_counts"]
    assert counts["true"] == [1, *[0] * 11, 4] and counts["said"] == [5, *[0] * 12]


def test_a_histogram_counts_every_error_once_on_its_side_of_0() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(300, 1))
    predicted = true + rng.normal(0.5, 1, (300, 1))
    number = Decision("number", ("age",))
    found = target_metrics.shown(number, predicted, true)["errors"]
    assert sum(found["counts"]) == 300 and len(found["edges"]) <= 25
    middle = len(found["counts"]) // 2
    assert found["edges"][middle] == pytest.approx(0, abs=1e-9)
    assert sum(found["counts"][:middle]) == (predicted < true).sum()
    exact = target_metrics.shown(number, true, true)["errors"]
    assert sum(exact["counts"]) == 300
    broken = np.where(np.arange(300)[:, None] == 0, np.nan, predicted)
    assert sum(target_metrics.shown(number, broken, true)["errors"]["counts"]) == 299
