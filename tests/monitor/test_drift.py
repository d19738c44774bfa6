"""Drift of numbers alone: which part tells it, and what is no drift."""

import numpy as np
import pytest

from tfpipeline.config.monitoring import MonitorSettings
from tfpipeline.monitor import drift, results
from tfpipeline.monitor.drift import Seen


def seen(rng: np.random.Generator, n: int, chance: float = 0.5) -> Seen:
    """Return pictures of two classes, whose features say which."""
    label = (rng.random(n) < chance).astype(int)
    features = np.eye(8)[label] + 0.2 * rng.normal(size=(n, 8))
    probability = 1 - 0.3 * rng.random(n)
    return Seen(label, probability, features, rng.normal(size=n) / 2)


def p(held_out: Seen, arrived: Seen, *, ignore_shares: bool = False) -> drift.Drift:
    return drift.compare(held_out, arrived, 399, 0, ignore_shares=ignore_shares)


def test_without_a_change_alarms_are_as_rare_as_promised() -> None:
    alarms = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        # Few, so that a wrong order of the two sets would show.
        one, other = seen(rng, 15), seen(rng, 30)
        for ignore in (False, True):
            found = drift.compare(one, other, 99, seed, ignore_shares=ignore)
            alarms.append(found.p <= 0.05)
    # 0.05 and three standard errors of 200, as both ways see the same pictures.
    assert np.mean(alarms) < 0.096


def test_a_tenth_of_another_kind_is_found_and_pointed_out() -> None:
    rng = np.random.default_rng(0)
    held_out, arrived = seen(rng, 200), seen(rng, 200)
    assert arrived.features is not None and arrived.novelty is not None
    arrived.features[:20] = np.eye(8)[5] + 0.2 * rng.normal(size=(20, 8))
    arrived.novelty[:20] += 3
    found = p(held_out, arrived)
    assert found.p <= 0.05 and found.tests["novelty"]["p"] <= 0.05
    assert found.change is not None
    assert len(set(np.argsort(-found.change)[:20]) & set(range(20))) >= 16
    assert found.tests["confidence"]["p"] > 0.05
    novelty = found.tests["novelty"]
    assert novelty["arrived"] == pytest.approx(np.median(arrived.novelty))


def test_other_shares_are_a_change_that_can_be_ignored() -> None:
    rng = np.random.default_rng(1)
    held_out, arrived = seen(rng, 200, 0.5), seen(rng, 200, 0.8)
    found = p(held_out, arrived)
    assert found.p <= 0.02 and found.tests["shares"]["p"] <= 0.02
    within = p(held_out, arrived, ignore_shares=True)
    assert within.p > 0.05 and "shares" not in within.tests


@pytest.mark.parametrize("missing", ["features", "novelty"])
def test_what_is_not_known_of_both_is_not_compared(missing: str) -> None:
    rng = np.random.default_rng(2)
    held_out, arrived = seen(rng, 40), seen(rng, 40)._replace(**{missing: None})
    found = p(held_out, arrived)
    assert set(found.tests) == set(drift.WORDS) - {missing}
    assert (found.change is None) == (missing == "features")


def test_another_runtimes_rounding_is_no_change() -> None:
    rng = np.random.default_rng(3)
    held_out, arrived = seen(rng, 40), seen(rng, 40)
    arrived = arrived._replace(probability=np.round(arrived.probability, 3))
    near = arrived._replace(probability=arrived.probability + 1e-5)
    one, other = p(held_out, arrived).tests, p(held_out, near).tests
    assert [own["p"] for own in one.values()] == [own["p"] for own in other.values()]


def of_target(rng: np.random.Generator, n: int, target: str, shift: float = 0) -> Seen:
    """Return pictures of several labels, or of a number far from 0 with few digits."""
    base = seen(rng, n)
    if target == "number":
        numbers = 5000 + 900 * (rng.standard_t(4, size=n) + shift)
        return base._replace(label=numbers, probability=None)
    label = rng.random((n, 4)) < [0.1 + shift, 0.5, 0.9, 0.3]
    return base._replace(label=label, probability=rng.random(n))


@pytest.mark.parametrize("target", ["multi", "number"])
def test_of_other_targets_alarms_are_as_rare_as_promised(target: str) -> None:
    alarms = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        one, other = of_target(rng, 15, target), of_target(rng, 30, target)
        assert one.target == other.target == target
        found = drift.compare(one, other, 99, seed, ignore_shares=False)
        alarms.append(found.p <= 0.05)
    # 0.05 and three standard errors of 200.
    assert np.mean(alarms) < 0.096


@pytest.mark.parametrize(
    "target, part, others",
    [
        ("multi", "shares", {"features", "novelty", "confidence"}),
        ("number", "values", {"features", "novelty"}),
    ],
)
def test_what_is_predicted_otherwise_is_found(
    target: str, part: str, others: set[str]
) -> None:
    rng = np.random.default_rng(5)
    one, other = of_target(rng, 150, target), of_target(rng, 200, target, 0.5)
    found = p(one, other)
    assert found.p <= 0.05 and found.tests.keys() == {part, *others}
    assert found.tests[part]["p"] <= 0.05
    assert all(found.tests[name]["p"] > 0.05 for name in others)
    about = MonitorSettings(run="r", most=100)
    tested, compared = results.compare(one, other, about)
    result = results.result(about, list("abcd"), tested, compared, {}, [])
    assert result["summary"]["target"] == target
    first = result["shares"][0]
    if target == "multi":
        assert first["class"] == "a" and first["arrived"] > first["held_out"] + 0.3
        assert one.said(0, list("abcd")).split("|") == [
            name for name, yes in zip("abcd", one.label[0]) if yes
        ]
    else:
        assert len(result["shares"]) == 10
        assert {row["held_out"] for row in result["shares"]} == {0.1}
        assert sum(row["arrived"] for row in result["shares"]) == pytest.approx(1)
        assert found.tests["values"]["arrived"] > found.tests["values"]["held_out"]
        assert float(one.said(0, ["x"])) == pytest.approx(one.label[0], rel=1e-5)


def test_digits_that_a_file_of_predictions_does_not_hold_are_no_drift() -> None:
    rng = np.random.default_rng(6)
    numbers = 1e6 + rng.normal(size=400)
    written = np.array([float(f"{value:.6g}") for value in numbers[200:]])
    one, other = Seen(numbers[:200], None), Seen(written, None)
    assert p(one, other).p > 0.05
