"""The promise of a threshold, against exact binomial sums and drawn classifiers."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from tfpipeline.metrics import abstention

Risk = Callable[[np.ndarray], np.ndarray]

# From how sure a classifier is, in [0, 1], to how often it is wrong then: honest ones,
# one without any order, one with wrong labels everywhere, and one that is most often
# wrong where it is surest. Their means are near the targets, where promises break.
CLASSIFIERS: dict[str, Risk] = {
    "falling": lambda sure: 0.3 * (1 - sure) ** 2,
    "useless": lambda sure: np.full(sure.shape, 0.0501),
    "noisy": lambda sure: 0.045 + 0.3 * (1 - sure) ** 3,
    "perverse": lambda sure: np.where(sure > 0.8, 0.2, 0.015),
}
FINE = (np.arange(20_000) + 0.5) / 20_000


def true_risk(risk: Risk, levels: int) -> Callable[[float], float]:
    """Return the share of errors among answers from some confidence on."""
    sure = np.round(FINE * levels) / levels if levels else FINE
    tail = np.cumsum(risk(sure)[::-1])[::-1] / np.arange(len(FINE), 0, -1)
    return lambda at: float(tail[min(np.searchsorted(sure, at), len(FINE) - 1)])


def exact_tail(errors: int, n: int, share: Fraction) -> Fraction:
    """Return how likely at most so many errors are."""
    return sum(
        (
            math.comb(n, k) * share**k * (1 - share) ** (n - k)
            for k in range(errors + 1)
        ),
        Fraction(0),
    )


@pytest.mark.parametrize("n", [1, 2, 7, 59, 60, 333])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_at_the_bound_so_few_errors_are_as_rare_as_stated(n: int, alpha: float) -> None:
    for errors in sorted({0, n // 10, n // 2, n - 1}):
        bound = abstention.upper_bound(errors, n, alpha)
        found = float(exact_tail(errors, n, Fraction(bound)))
        assert found == pytest.approx(alpha, rel=1e-9)
    assert abstention.upper_bound(0, n, alpha) == pytest.approx(1 - alpha ** (1 / n))
    assert abstention.upper_bound(n, n, alpha) == 1


def test_the_bound_is_exact_for_many_images() -> None:
    bounds = [abstention.upper_bound(k, 10**6, 0.05) for k in (10**3, 10**5)]
    for bound, share in zip(bounds, (1e-3, 0.1), strict=True):
        normal = 1.6449 * math.sqrt(share * (1 - share) / 10**6)
        assert bound - share == pytest.approx(normal, rel=0.05)


@pytest.mark.parametrize("target", [0.01, 0.05, 0.1, 0.5])
def test_no_fewer_images_could_show_it_and_these_do(target: float) -> None:
    least = abstention.least_answers(target, 0.05)
    assert (1 - target) ** least <= 0.05 < (1 - target) ** (least - 1)
    for n in (least, least + 1):
        sure, right = np.linspace(0.5, 1, n), np.ones(n, bool)
        points = abstention.curve(sure, right, target, 0.05)
        # One image is the threshold itself.
        found = abstention.best(points, target)
        assert (found is not None) == (n > least)
        assert bool(abstention.reason(points, n, target, 0.05)) == (n <= least)
    assert abstention.least_answers(0.05, 0.05) == 59
    assert abstention.least_answers(0.0, 0.05) == math.inf


@pytest.mark.parametrize("target", [0.0, 0.01, 0.05, 0.1])
def test_ranks_are_known_before_any_answer_and_all_can_show_the_target(
    target: float,
) -> None:
    for n in [*range(1, 400), 5_000, 10**6]:
        found = abstention.ranks(n, target, 0.05)
        assert found[0] == n and (np.diff(found) < 0).all() and found[-1] >= 1
        if len(found) > 1:
            least = abstention.least_answers(target, 0.05 / len(found))
            assert found[-1] > least


def test_what_is_answered_is_surer_than_an_image_that_was_seen() -> None:
    sure = np.random.default_rng(0).uniform(0.6, 1, 500)
    found = abstention.best(
        abstention.curve(sure, np.ones(500, bool), 0.05, 0.05), 0.05
    )
    assert found is not None and found.threshold > sure.min() > 0.54
    assert found.n == (sure.astype(np.float32) >= found.threshold).sum() == 499


def test_images_that_are_equally_sure_are_answered_together_or_not_at_all() -> None:
    sure = np.repeat([0.7, 0.8, 0.9], 100)
    right = np.repeat([False, True, True], 100)
    found = abstention.best(abstention.curve(sure, right, 0.05, 0.05), 0.05)
    assert found is not None and found.n in (100, 200)
    assert 0.7 < found.threshold <= 0.9
    same = abstention.curve(np.ones(300), np.ones(300, bool), 0.05, 0.05)
    assert abstention.best(same, 0.05) is None
    assert all(point.n == 0 and point.bound == 1 for point in same)


@pytest.mark.parametrize("n", [1, 2, 3, 59])
def test_too_few_images_promise_nothing_and_say_how_many_would(n: int) -> None:
    points = abstention.curve(np.linspace(0.5, 1, n), np.ones(n, bool), 0.05, 0.05)
    assert abstention.best(points, 0.05) is None
    why = abstention.reason(points, n, 0.05, 0.05)
    assert str(n) in why and "60 are needed" in why


def broken(
    risk: Risk, n: int, target: float, *, levels: int = 0, draws: int
) -> tuple[int, int]:
    """Return how often a promise is broken, and how often one is given."""
    rng, true = np.random.default_rng(n), true_risk(risk, levels)
    failed = given = 0
    for _ in range(draws):
        sure = rng.random(n)
        if levels:
            sure = np.round(sure * levels) / levels
        right = rng.random(n) >= risk(sure)
        found = abstention.best(abstention.curve(sure, right, target, 0.05), target)
        if found is not None:
            given += 1
            failed += true(found.threshold) > target
    return failed, given


def most_by_chance(share: float, draws: int) -> int:
    """Return a count that is exceeded once in a million times."""
    return int(share * draws + 5 * math.sqrt(share * (1 - share) * draws))


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("n", [60, 200])
def test_a_promise_is_broken_as_rarely_as_stated(kind: str, n: int) -> None:
    for target in (0.05, 0.1):
        failed, _ = broken(CLASSIFIERS[kind], n, target, draws=400)
        assert failed <= most_by_chance(0.05, 400), (target, failed)


def test_a_promise_holds_where_many_images_are_equally_sure() -> None:
    for kind in CLASSIFIERS:
        failed, _ = broken(CLASSIFIERS[kind], 150, 0.05, levels=5, draws=400)
        assert failed <= most_by_chance(0.05, 400), kind


def test_a_good_classifier_answers_most_and_a_bad_one_nothing() -> None:
    _, given = broken(lambda sure: 0.02 * (1 - sure), 300, 0.05, draws=100)
    assert given >= 95
    _, given = broken(lambda sure: np.full(sure.shape, 0.3), 300, 0.05, draws=100)
    assert given == 0
    # Least images, each right: exact where everything is at the edge of the target.
    edge, _ = broken(lambda sure: np.full(sure.shape, 0.0501), 60, 0.05, draws=2000)
    assert 0 < edge <= most_by_chance(0.05, 2000)
