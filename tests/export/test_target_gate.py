"""What the gate lets pass of several labels and of numbers."""

import dataclasses

import numpy as np
import pytest

from tfpipeline.export import also_files, converters, gate, target_gate
from tfpipeline.metrics import classification, multi_label
from tfpipeline.metrics.decision import Decision

SEVERAL = Decision("multi", ("a", "b"), (0.5, 0.3))
NUMBER = Decision("number", ("age",), mean=30.0, deviation=10.0)


def test_probabilities_are_those_of_the_target() -> None:
    logits = np.random.default_rng(0).normal(size=(9, 2))
    found = target_gate.chances(Decision(), logits, 1.5)
    np.testing.assert_array_equal(found, classification.probabilities(logits / 1.5))
    found = target_gate.chances(SEVERAL, logits, 1.5)
    np.testing.assert_array_equal(found, multi_label.probabilities(logits))
    # Its own temperature is that of its thresholds.
    cooled = dataclasses.replace(SEVERAL, temperature=2.0)
    found = target_gate.chances(cooled, logits, 1.5)
    np.testing.assert_array_equal(found, multi_label.probabilities(logits / 2))


@pytest.mark.parametrize("off, passes", [(5e-4, True), (0.01, False), (np.nan, False)])
def test_a_number_may_differ_by_a_share_of_its_deviation(off, passes) -> None:
    numbers = np.random.default_rng(1).normal(30, 10, (20, 1))
    chance = target_gate.chances(NUMBER, numbers, 1.0)
    trained = gate.Trained([str(i) for i in range(20)], chance, NUMBER.labels)
    answers = target_gate.rows(NUMBER, numbers + off) | {"error": [""] * 20}
    given = target_gate.comparable(NUMBER, answers)
    report = gate.compare(trained, given, 1e-4, gate.Rules())
    assert report["passed"] == passes
    said = gate.difference(report)
    assert said.startswith("Largest difference of the number, in standard deviations: ")
    assert "class" not in said and "probability" not in said


def test_labels_beyond_the_tolerance_of_their_threshold_have_to_be_the_same() -> None:
    chance = np.array([[0.9, 0.1], [0.50005, 0.9]])
    trained = gate.Trained(["1", "2"], chance, SEVERAL.labels)
    answers = target_gate.rows(SEVERAL, chance)
    order = answers["labels"]
    said = [[True, False], [True, True]]
    right = answers | {"said": said}
    assert order == [["a", "b"], ["b", "a"]]
    passed = {"said": {"passed": True, "changed": 0}}
    assert target_gate.said(trained, SEVERAL, right, 1e-4) == passed
    # As near to its threshold, it may be on the other side.
    near = answers | {"said": [said[0], [True, False]]}
    assert target_gate.said(trained, SEVERAL, near, 1e-4) == passed
    wrong = answers | {"said": [[True, True], said[1]]}
    assert target_gate.said(trained, SEVERAL, wrong, 1e-4)["said"]["changed"] == 1
    assert target_gate.said(trained, NUMBER, answers, 1e-4) == {}


def test_a_converted_file_calls_the_same_labels_on_nearly_all_images() -> None:
    chance = np.random.default_rng(2).uniform(0.6, 0.9, (40, 2))
    chance[0] = 0.5, 0.30005
    trained = gate.Trained([str(i) for i in range(40)], chance, SEVERAL.labels)

    def report(*changed: int) -> dict:
        served = chance.copy()
        served[list(changed), 1] = 0.29
        answers = target_gate.rows(SEVERAL, served)
        return target_gate.sets(trained, SEVERAL, answers, 0.95)["said"]

    # The first one lies at its threshold.
    assert report(0) == {"passed": True, "changed": 0, "agreed": 1, "agreement": 0.95}
    assert report(0, 3, 4)["passed"] and report(3, 4)["changed"] == 2
    failed = report(3, 4, 5)
    assert not failed["passed"] and failed["agreed"] == pytest.approx(37 / 40)
    assert target_gate.sets(trained, NUMBER, {}, 0.95) == {}


def test_no_number_may_be_beyond_the_tolerance() -> None:
    assert also_files.rules(SEVERAL, 0.02).within == converters.WITHIN
    numbers = np.random.default_rng(3).normal(30, 10, (100, 1))
    chance = target_gate.chances(NUMBER, numbers, 1.0)
    trained = gate.Trained([str(i) for i in range(100)], chance, NUMBER.labels)
    for off, passes in ((0.0, True), (3330.0, False)):
        served = numbers.copy()
        served[7] += off
        answers = target_gate.comparable(NUMBER, target_gate.rows(NUMBER, served))
        found = gate.compare(trained, answers, 0.02, also_files.rules(NUMBER, 0.02))
        assert found["passed"] == passes and found["most_beyond"] == 0


@pytest.mark.parametrize("off, passes", [(5e-4, True), (0.01, False), (None, False)])
def test_an_interval_is_as_wide_as_it_was_chosen(off, passes) -> None:
    one = dataclasses.replace(NUMBER, half_width=4.0)
    value = [30.0, 41.0, 0.0]
    answers = {"valid": [True, True, False], "value": value}
    low = [v - 4 for v in value[:2]] + [None]
    high = [value[0] + 4, None if off is None else value[1] + 4 + off, None]
    given = answers | {"low": low, "high": high}
    report = target_gate.ends(one, given, 1e-4)
    assert report["interval"]["passed"] == passes
    assert target_gate.ends(one, answers, 1e-4)["interval"]["missing"] == [
        "low",
        "high",
    ]
    assert target_gate.ends(NUMBER, given, 1e-4) == {}
    assert target_gate.ends(SEVERAL, given, 1e-4) == {}
