"""The threshold of a class is the best of all that there are."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import thresholds

ROWS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 8).map(lambda i: i / 8), st.floats(0, 1, width=32)),
        st.booleans(),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=30,
)


def columns(rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    probability, positive, weight = zip(*rows)
    return (
        np.array(probability, np.float32),
        np.array(positive),
        np.array(weight, float),
    )


def of_calls(called, positive, weight) -> tuple[float | None, float, float]:
    """Return precision, recall and F1 of calls, by their definitions."""
    both, calls = weight[called & positive].sum(), weight[called].sum()
    true = weight[positive].sum()
    return (both / calls if calls else None, both / true, 2 * both / (calls + true))


def every(probability, positive, weight):
    """Return (threshold, precision, recall, F1) of every division, and of none."""
    for at in [*sorted(set(probability.tolist())), 2.0]:
        yield at, *of_calls(probability >= at, positive, weight)


@given(ROWS)
def test_most_f1_against_brute_force(rows) -> None:
    probability, positive, weight = columns(rows)
    if not positive.any():
        return
    found = thresholds.choose(probability, positive, weight=weight)
    own = of_calls(probability >= np.float32(found.value), positive, weight)
    assert own == (found.precision, found.recall, found.f1)
    table = list(every(probability, positive, weight))
    best = max(f1 for *_, f1 in table)
    assert found.f1 == best and found.reason == ""
    # Of equal ones the fewest calls.
    highest = max(at for at, *_, f1 in table if f1 == best)
    assert ((probability >= np.float32(found.value)) == (probability >= highest)).all()


@given(ROWS, st.sampled_from([0.25, 0.5, 0.6, 0.9, 1.0]))
def test_recall_at_precision_against_brute_force(rows, least) -> None:
    probability, positive, weight = columns(rows)
    if not positive.any():
        return
    given = (probability, positive, "recall_at_precision", least, weight)
    found = thresholds.choose(*given)
    called = probability >= np.float32(found.value)
    assert of_calls(called, positive, weight) == (
        *(found.precision, found.recall, found.f1),
    )
    table = [row for row in every(probability, positive, weight) if row[1] is not None]
    able = [row for row in table if row[1] >= least]
    if able:
        most = max(row[2] for row in able)
        at = max(row[0] for row in able if row[2] == most)
        assert found.reason == ""
    else:
        precise = max(row[1] for row in table)
        most = max(row[2] for row in table if row[1] == precise)
        at = max(row[0] for row in table if row[1] == precise and row[2] == most)
        assert f"precision of {least:g}" in found.reason
    assert (called == (probability >= at)).all()


@given(ROWS)
def test_rounding_changes_no_answer_where_there_is_room(rows) -> None:
    probability, positive, weight = columns(rows)
    value = thresholds.choose(probability, positive, weight=weight).value
    assert value == float(np.float32(value)) and 0 <= value <= 1
    apart = np.abs(probability - value) > 1e-6
    for moved in (probability + 5e-7, probability - 5e-7):
        same = (moved >= value) == (probability >= value)
        assert same[apart].all()


def test_a_class_without_positives_has_the_usual_threshold_and_a_reason() -> None:
    found = thresholds.choose(np.array([0.1, 0.9]), np.array([False, False]))
    assert found.value == 0.5 and "no positive" in found.reason
    assert found.to_json()["f1"] is None
    everything = thresholds.choose(np.array([0.4, 0.9]), np.array([True, True]))
    assert everything.value == pytest.approx(0.2) and everything.f1 == 1
    assert json.loads(json.dumps(everything.to_json()))["reason"] is None


def test_neighbouring_numbers_are_told_apart() -> None:
    high = np.nextafter(np.float32(0.3), np.float32(1))
    found = thresholds.choose(np.array([0.3, high], np.float32), np.array([0, 1]) > 0)
    assert found.value == float(high) and found.f1 == 1


def test_each_class_has_its_own() -> None:
    probability = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.3]])
    values = np.array([[1, 0], [0, 0], [0, 1]])
    first, second = thresholds.choose_each(probability, values)
    assert first.value == pytest.approx(0.85) and second.value == pytest.approx(0.25)
    with pytest.raises(KeyError):
        thresholds.choose_each(probability, values, "accuracy")
