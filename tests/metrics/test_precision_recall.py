"""Precision, recall and average precision, against brute force and scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.metrics import precision_recall

# Few distinct scores, so that many are tied.
ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 4)),
    min_size=1,
    max_size=40,
)


def columns(rows: list[tuple[int, bool, int]]) -> tuple[np.ndarray, ...]:
    score, positive, weight = map(np.array, zip(*rows))
    return score / 7, positive, weight.astype(float)


@given(ROWS)
def test_cuts_are_what_every_threshold_calls(rows) -> None:
    score, positive, weight = columns(rows)
    found = precision_recall.cuts(score, positive, weight)
    assert found.score.tolist() == sorted(set(score.tolist()), reverse=True)
    for at, called, hits in zip(found.score, found.called, found.hits):
        above = score >= at
        assert called == weight[above].sum()
        assert hits == weight[above & positive].sum()
    assert found.positives == weight[positive].sum()


@given(ROWS)
def test_average_precision_is_that_of_scikit_learn(rows) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    score, positive, weight = columns(rows)
    for each in (None, weight):
        found = precision_recall.average_precision(score, positive, each)
        if not positive.any():
            assert found is None
            continue
        theirs = metrics.average_precision_score(positive, score, sample_weight=each)
        assert found == pytest.approx(theirs, abs=1e-9)


@given(ROWS, st.randoms(use_true_random=False))
def test_a_weight_of_two_is_the_row_twice_in_any_order(rows, random) -> None:
    score, positive, weight = columns(rows)
    many = [(s, p) for s, p, w in zip(score, positive, weight) for _ in range(int(w))]
    random.shuffle(many)
    again, same = map(np.array, zip(*many))
    one = precision_recall.average_precision(score, positive, weight)
    assert one == precision_recall.average_precision(again, same)


def test_closed_forms() -> None:
    precise = precision_recall.average_precision
    assert precise([0.9, 0.8, 0.1], [1, 1, 0]) == 1
    # The second of two is right: half of what is called, for all of the recall.
    assert precise([0.9, 0.8], [0, 1]) == 0.5
    # One score for all tells nothing: the share of positives.
    assert precise([0.5] * 10, [1] * 3 + [0] * 7) == pytest.approx(0.3)
    assert precise([0.9, 0.8, 0.7], [1, 0, 1]) == pytest.approx((1 + 2 / 3) / 2)
    assert precise([], []) is None


def test_a_score_that_is_no_number_is_the_lowest() -> None:
    score, positive = [0.1, np.nan, 0.9, np.nan], [1, 0, 1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert precision_recall.average_precision(score, positive) == 1
        found = precision_recall.cuts(score, positive)
    assert found.called.tolist() == [1, 2, 4]


def test_a_curve_keeps_its_ends_and_is_short() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(5000) < 0.3
    found = precision_recall.cuts(rng.random(5000) + positive, positive)
    points = precision_recall.curve(found, 50)
    assert len(points) <= 50 and points == sorted(points, key=lambda p: p[0])
    assert points[0] == (found.recall[0], found.precision[0])
    assert points[-1] == (1.0, pytest.approx(positive.mean()))
    assert len(precision_recall.curve(precision_recall.cuts([0.1], [1]))) == 1
    none = precision_recall.cuts([0.2, 0.1], [0, 0])
    assert np.isnan(none.recall).all() and (none.precision == 0).all()
