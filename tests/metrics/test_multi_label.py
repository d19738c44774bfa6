"""Metrics of several labels an image, against scikit-learn and closed forms."""

import numpy as np
import pytest

from tfpipeline.metrics import multi_label

LABELS = ["a", "b", "c", "d", "e"]


def drawn(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that tell something, and values; class e is in no image."""
    rng = np.random.default_rng(seed)
    values = (rng.random((n, 5)) < [0.5, 0.3, 0.2, 0.1, 0.0]).astype(np.float32)
    values[0, :4] = 1
    return (rng.normal(size=(n, 5)) + 1.5 * values - 0.5).astype(np.float32), values


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_they_are_those_of_scikit_learn(seed: int, weighted: bool) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    logits, values = drawn(seed)
    probability = multi_label.probabilities(logits)
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.2, 3, len(values)) if weighted else None
    at = rng.uniform(0.3, 0.7, 5).astype(np.float32)
    found = multi_label.multi_label(probability, values, LABELS, at, weight)
    called, each = probability >= at, {"sample_weight": weight}
    with_some = {"labels": range(4), "zero_division": 0, **each}
    expected = {
        "mean_average_precision": theirs.average_precision_score(
            values[:, :4], probability[:, :4], **each
        ),
        "macro_f1": theirs.f1_score(values, called, average="macro", **with_some),
        "micro_f1": theirs.f1_score(values, called, average="micro", **each),
        "subset_accuracy": theirs.accuracy_score(values, called, **each),
        "hamming_loss": theirs.hamming_loss(values, called, **each),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    assert found["classes_measured"] == 4 and found["n"] == 60
    rows = theirs.precision_recall_fscore_support(
        values, called, zero_division=np.nan, **each
    )
    for own, precision, recall, f1, _ in zip(found["classes"].values(), *rows):
        for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
            if np.isnan(value):
                assert own[name] is None
            else:
                assert own[name] == pytest.approx(value, abs=1e-9)
    loss = theirs.log_loss(
        values.ravel(),
        probability.ravel(),
        **({"sample_weight": np.repeat(weight, 5)} if weighted else {}),
    )
    own = multi_label.cross_entropy(logits, values, weight)
    # `copies` spreads what is over, which is the same mean.
    assert own == pytest.approx(loss, abs=1e-9)


def test_a_class_that_never_occurs_is_in_no_macro_average() -> None:
    logits, values = drawn(0)
    probability = multi_label.probabilities(logits)
    whole = multi_label.multi_label(probability, values, LABELS)
    four = multi_label.multi_label(probability[:, :4], values[:, :4], LABELS[:4])
    for name in ("mean_average_precision", "macro_f1"):
        assert whole[name] == four[name]
    assert whole["micro_f1"] < four["micro_f1"]
    own = whole["classes"]["e"]
    assert own["average_precision"] is None and own["recall"] is None
    assert own["precision"] == own["f1"] == 0 and own["called"] > 0


def test_where_no_image_has_a_class_nothing_is_made_up() -> None:
    found = multi_label.multi_label(np.full((3, 2), 0.1), np.zeros((3, 2)), ["a", "b"])
    for name in ("mean_average_precision", "macro_f1", "micro_f1"):
        assert found[name] is None
    assert found["subset_accuracy"] == 1 and found["hamming_loss"] == 0
    assert found["label_cardinality"] == {"true": 0, "predicted": 0}
    none = multi_label.mean_average_precision_interval(
        np.full((3, 2), 0.1), np.zeros((3, 2))
    )
    assert none is None


@pytest.mark.parametrize("seed", range(5))
def test_a_weight_of_two_is_the_row_twice_bit_for_bit(seed: int) -> None:
    logits, values = drawn(seed, 30)
    weight = np.random.default_rng(seed).integers(1, 4, 30)
    rows = np.repeat(np.arange(30), weight)
    probability = multi_label.probabilities(logits)
    one = multi_label.multi_label(probability, values, LABELS, 0.4, weight * 1.0)
    other = multi_label.multi_label(probability[rows], values[rows], LABELS, 0.4)
    for name, value in other.items():
        if name not in ("n", "classes"):
            assert one[name] == value, name
    for name, row in other["classes"].items():
        for key in ("average_precision", "precision", "recall", "f1"):
            assert one["classes"][name][key] == row[key]
    assert one["weight"] == other["n"]
    assert multi_label.cross_entropy(
        logits, values, weight * 1.0
    ) == multi_label.cross_entropy(logits[rows], values[rows])


def test_probabilities_and_loss_of_large_logits_are_finite() -> None:
    logits = np.array([[-1000.0, 1000.0, 0.0]])
    assert multi_label.probabilities(logits).tolist() == [[0.0, 1.0, 0.5]]
    loss = multi_label.cross_entropy(logits, np.array([[1.0, 1.0, 0.0]]))
    assert loss == pytest.approx((1000 + 0 + np.log(2)) / 3)


def test_the_interval_holds_the_true_value_about_as_often_as_it_says() -> None:
    def sample(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([11, seed])
        values = rng.random((n, 3)) < [0.5, 0.3, 0.2]
        return rng.normal(size=(n, 3)) + 1.2 * values, values

    probability, values = sample(-1 % 2**31, 40_000)
    truth = multi_label.multi_label(probability, values, ["a", "b", "c"])
    inside = 0
    for seed in range(60):
        low, high = multi_label.mean_average_precision_interval(*sample(seed, 150))
        assert 0 <= low < high <= 1
        inside += low <= truth["mean_average_precision"] <= high
    assert inside >= 50


def test_images_that_are_drawn_together_make_the_interval_wider() -> None:
    logits, values = drawn(1, 50)
    probability = multi_label.probabilities(logits)
    twice = np.repeat(probability, 4, axis=0), np.repeat(values, 4, axis=0)
    interval = multi_label.mean_average_precision_interval
    each, whole = interval(*twice), interval(*twice, unit=np.repeat(range(50), 4))
    assert whole[1] - whole[0] > 1.5 * (each[1] - each[0])
    assert interval(*twice) == each and interval(*twice, seed=1) != each


def test_a_paired_difference_is_that_of_both_and_swaps_its_sign() -> None:
    rng = np.random.default_rng(3)
    values = rng.random((80, 3)) < 0.4
    one, other = (values * k + rng.random((80, 3)) for k in (0.4, 1.2))
    found, (low, high), p = multi_label.paired_difference(one, other, values)
    means = [
        multi_label.multi_label(chance, values, "abc")["mean_average_precision"]
        for chance in (one, other)
    ]
    assert found == pytest.approx(means[1] - means[0])
    assert 0 < low < found < high and p < 0.01
    turned = multi_label.paired_difference(other, one, values)
    np.testing.assert_allclose(turned[1], (-high, -low))
    assert multi_label.paired_difference(one, one, values) == (0, (0, 0), 1)


@pytest.mark.parametrize("groups", range(1, 7))
def test_few_groups_seldom_show_a_difference_where_there_is_none(groups: int) -> None:
    shown, unit = [], np.repeat(np.arange(groups), 8)
    for seed in range(150):
        rng = np.random.default_rng([seed, groups])
        values = rng.random((len(unit), 2)) < 0.4
        # What a run is off by is the same for all images of a group.
        one, other = (
            values + rng.normal(size=values.shape) + rng.normal(size=(groups, 2))[unit]
            for _ in range(2)
        )
        shown.append(multi_label._swapped(one, other, values, unit, 0) <= 0.05)
    # By up to five groups p is at least 2 / 2^5; 0.05 and three standard errors of 150.
    assert np.mean(shown) <= (0.05 + 0.054 if groups == 6 else 0)


def test_all_swaps_of_few_units_are_tried() -> None:
    values = np.tile([[1], [0]], (6, 1))
    right, unit = values.astype(float), np.repeat(np.arange(6), 2)
    assert multi_label._swapped(1 - right, right, values > 0, unit, 0) == 2 / 2**6
    assert multi_label._swapped(1 - right, right, values > 0, unit * 0, 0) == 1


def test_one_unit_has_no_interval() -> None:
    rng, together = np.random.default_rng(0), np.zeros(30, int)
    values, one = rng.random((30, 2)) < 0.4, rng.random((30, 2))
    given = one, rng.random((30, 2)), values, together
    found, ends, p = multi_label.paired_difference(*given)
    assert found and ends is None and p == 1
    interval = multi_label.mean_average_precision_interval
    assert interval(one, values, unit=together) is None
    assert interval(one[:1], values[:1] | True) is None


def test_an_interval_of_a_paired_difference_covers_none_where_there_is_none() -> None:
    covered, agree = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = rng.random((60, 2)) < 0.4
        one, other = (values * 0.5 + rng.random((60, 2)) for _ in range(2))
        _, (low, high), p = multi_label.paired_difference(one, other, values)
        covered.append(low <= 0 <= high)
        agree.append(covered[-1] == (p > 0.05))
    # 0.95 but for three standard errors of 40.
    assert np.mean(covered) > 0.84 and np.mean(agree) > 0.84
