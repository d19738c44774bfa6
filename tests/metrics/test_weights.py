"""An example of weight 2 is the same example twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import classification, significance, weights

LABELS = ["a", "b", "c", "d"]


def drawn(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 4)).astype(np.float32), rng.integers(0, 4, count)


@given(st.lists(st.floats(1e-3, 50), min_size=1))
def test_copies_add_up_to_the_weight(values: list[float]) -> None:
    count, each = weights.copies(np.array(values))
    np.testing.assert_allclose(count * each, values)
    assert (each < 2).all() and (count >= 1).all()
    whole = np.ceil(values)
    count, each = weights.copies(whole)
    assert (count == whole).all() and (each == 1).all()


@pytest.mark.parametrize("seed", range(10))
def test_whole_weights_are_rows_so_many_times_bit_for_bit(seed: int) -> None:
    logits, label = drawn(seed)
    weight = np.random.default_rng(seed).integers(1, 4, 40)
    rows = np.repeat(np.arange(40), weight)
    one = classification.classification(logits, label, LABELS, weight.astype(float))
    other = classification.classification(logits[rows], label[rows], LABELS)
    for name in ("accuracy", "top_3_accuracy", "loss"):
        assert one[name] == other[name]
    for name, own in one["classes"].items():
        for key in ("recall", "precision"):
            assert own[key] == other["classes"][name][key]
    assert one["n"] == 40 and one["weight"] == other["n"]


def test_a_common_factor_changes_no_mean() -> None:
    logits, label = drawn(1)
    weight = np.random.default_rng(0).uniform(0.2, 3, 40)
    one, other = (
        classification.classification(logits, label, LABELS, weight * factor)
        for factor in (1, 0.37)
    )
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-12)
    assert one["n_effective"] == pytest.approx(other["n_effective"])
    true = classification.log_probabilities(logits)[np.arange(40), label]
    assert one["loss"] == pytest.approx(-np.average(true, weights=weight))


def test_an_interval_counts_effective_draws() -> None:
    logits, label = drawn(2)
    even = classification.classification(logits, label, LABELS, np.full(40, 3.0))
    plain = classification.classification(logits, label, LABELS)
    assert even["n_effective"] == pytest.approx(40)
    assert significance.accuracy_interval(even) == pytest.approx(
        significance.accuracy_interval(plain)
    )
    heavy = np.ones(40)
    heavy[0] = 40
    uneven = classification.classification(logits, label, LABELS, heavy)
    low, high = significance.accuracy_interval(uneven)
    assert high - low > 0.5 and uneven["n_effective"] < 4
