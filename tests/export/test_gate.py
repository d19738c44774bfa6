"""The gate: what it asks about, and that it lets equal answers pass, nothing else."""

import numpy as np
import pytest

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import converters, gate


def rows(*digests: str) -> list[Row]:
    return [Row(path=f"{i}.png", sha256=name) for i, name in enumerate(digests)]


def digests(files: list[Row]) -> list[str]:
    return [row.sha256 for row in files]


def test_ranges_are_set_by_training_images_of_which_the_gate_has_no_copy() -> None:
    asked, ranges = gate.divide(rows(*"abc"), rows(*"xbyz"), 200, True)
    assert digests(asked) == list("abc") and digests(ranges) == list("xyz")
    asked, ranges = gate.divide(rows(*"abc"), rows(*"xyz"), 2, False)
    assert digests(asked) == list("ac") and ranges == []


@pytest.mark.parametrize("count", [2, 3, 150, 1000])
def test_without_training_images_one_half_sets_ranges_and_the_other_is_the_gate(
    count: int,
) -> None:
    there = [f"{i:04}" for i in range(count)]
    asked, ranges = gate.divide(rows(*there), [], 200, True)
    assert set(digests(asked)) <= set(there[::2])
    assert set(digests(ranges)) <= set(there[1::2])
    assert len(asked) == min(200, len(there[::2]))
    assert len(ranges) == min(100, len(there[1::2]))


@pytest.mark.parametrize("there", ["a", "aa", "aaa"])
def test_one_image_cannot_both_set_ranges_and_gate(there: str) -> None:
    with pytest.raises(UserError, match="--also litert_int8: .* --images"):
        gate.divide(rows(*there), [], 200, True)


def test_one_tolerance_is_for_all_and_what_is_not_named_keeps_its_own() -> None:
    def of(given: float | dict[str, float] | None) -> dict[str, float]:
        settings = ExportSettings(tolerance=given)
        return {name: gate.tolerance(settings, name) for name in gate.tolerances()}

    assert set(of(None)) == {gate.SAVEDMODEL, *converters.TARGETS}
    assert set(of(0.05).values()) == {0.05}
    assert of({"onnx": 0.5}) == of(None) | {"onnx": 0.5}


TRAINED = gate.Trained(
    ["one", "two", "three"],
    np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]]),
    ["a", "b", "c"],
)


def answers(off: float = 0.0, **changes):
    told = {
        "labels": [["a", "b"], ["b", "a"], ["c", "a"]],
        "probabilities": [[0.7 + off, 0.2], [0.4, 0.3], [0.8, 0.1]],
        "valid": [True, True, True],
        "error": ["", "", ""],
    }
    return told | changes


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("value", [float("nan"), None])
def test_what_is_no_number_never_passes(row: int, value: float | None) -> None:
    told = answers()
    told["probabilities"][row] = [value, 0.1]
    assert not gate.compare(TRAINED, told, 1.0)["passed"]


def test_a_wide_tolerance_lets_no_other_class_pass() -> None:
    trained = gate.Trained(["x"], np.array([[0.6, 0.4]]), ["a", "b"])
    told = {"labels": [["b", "a"]], "probabilities": [[0.51, 0.49]]}
    told |= {"valid": [True], "error": [""]}
    found = gate.compare(trained, told, 0.35)
    assert not found["passed"] and found["labels_equal"] == 0


@pytest.mark.parametrize("off", [0.0, 9e-5, 2e-4, float("nan")])
def test_a_difference_passes_up_to_the_tolerance(off: float) -> None:
    found = gate.compare(TRAINED, answers(off), 1e-4)
    assert found["passed"] == (off < 1e-4)
    if off == 2e-4:
        assert found["worst"] == "one"
        assert found["max_difference"] == pytest.approx(2e-4)


def test_another_best_class_does_not_pass() -> None:
    other = answers(labels=[["a", "b"], ["a", "b"], ["c", "a"]])
    other["probabilities"][1] = [0.3, 0.4]
    found = gate.compare(TRAINED, other, 1e-4)
    assert not found["passed"] and found["labels_equal"] == pytest.approx(2 / 3)
    assert gate.compare(TRAINED, other, 1e-4, gate.Rules(0.6))["passed"]


def many(count: int, off: dict[int, float]) -> tuple[gate.Trained, dict]:
    """Images of two classes at .8, whose answers are off by so much."""
    trained = gate.Trained(
        [str(i) for i in range(count)], np.tile([0.8, 0.2], (count, 1)), ["a", "b"]
    )
    first = np.array([0.8 - off.get(i, 0.0) for i in range(count)])
    answered = np.stack([first, 1 - first], axis=1)
    best = np.argsort(-answered, axis=1)
    told = {"labels": np.array(["a", "b"])[best].tolist()}
    told["probabilities"] = np.take_along_axis(answered, best, axis=1).tolist()
    return trained, told | {"valid": [True] * count, "error": [""] * count}


@pytest.mark.parametrize(
    ("count", "off", "passes"),
    [
        (74, {3: 0.022}, True),
        (74, {3: 0.022, 5: 0.022}, False),
        (200, {3: 0.022, 5: 0.29}, True),
        (200, {3: 0.022, 5: 0.022, 7: 0.022}, False),
        # What is beyond the tolerance keeps its class.
        (200, {3: 0.31}, False),
        (200, {3: float("nan")}, False),
    ],
)
def test_one_image_in_a_hundred_may_be_beyond_that_keeps_its_class(
    count: int, off: dict[int, float], passes: bool
) -> None:
    trained, told = many(count, off)
    found = gate.compare(trained, told, 0.02, gate.Rules(0.95, within=0.99))
    assert found["passed"] is passes and found["beyond"] == len(off)
    assert found["changed"] == sum(value > 0.3 for value in off.values())
    assert found["most_beyond"] == max(1, count // 100)
    assert not gate.compare(trained, told, 0.02)["passed"]


@pytest.mark.parametrize(("margin", "passes"), [(0.05, False), (0.15, True)])
def test_another_class_agrees_where_the_two_were_no_further_apart_than_the_margin(
    margin: float, passes: bool
) -> None:
    trained = gate.Trained(["x"], np.array([[0.55, 0.45]]), ["a", "b"])
    told = {"labels": [["b", "a"]], "probabilities": [[0.51, 0.49]]}
    told |= {"valid": [True], "error": [""]}
    found = gate.compare(trained, told, 0.1, gate.Rules(0.95, margin=margin))
    assert found["passed"] is passes and found["agreed"] == passes
    assert found["labels_equal"] == 0


def test_of_two_best_classes_within_the_tolerance_either_is_right() -> None:
    trained = gate.Trained(["x"], np.array([[0.50001, 0.49999]]), ["a", "b"])
    told = {"labels": [["b"]], "probabilities": [[0.5]], "valid": [1], "error": [""]}
    assert gate.compare(trained, told, 1e-4)["passed"]


def test_what_is_not_served_is_told_and_is_no_pass_alone() -> None:
    found = gate.compare(
        TRAINED, answers(valid=[True, False, True], error=["", "no", ""]), 1e-4
    )
    assert found["passed"] and found["n"] == 2
    assert found["not_served"] == [{"id": "two", "error": "no"}]
    assert found["answered"] == pytest.approx(2 / 3)
    for least, passes in ((0.6, True), (0.7, False)):
        told = answers(valid=[True, False, True], error=["", "no", ""])
        rules = gate.Rules(least=least)
        assert gate.compare(TRAINED, told, 1e-4, rules)["passed"] == passes
    none = answers(valid=[False] * 3, error=["no"] * 3)
    assert not gate.compare(TRAINED, none, 1e-4)["passed"]


def strange(served: list[float | None], known: list[bool], **more) -> dict:
    """Compare three images of novelty 1, 2 and 4, known up to 2.5, with an answer."""
    novelty = gate.Novelty(np.array([1.0, 2.0, 4.0], np.float32), 2.5)
    chance = np.array([[0.9, 0.1]] * 3)
    trained = gate.Trained(["x", "y", "z"], chance, ["a", "b"], novelty)
    answers = {
        "valid": [True] * 3,
        "labels": [["a", "b"]] * 3,
        "probabilities": [[0.9, 0.1]] * 3,
        "novelty": served,
        "known": known,
        **more,
    }
    return gate.compare(trained, answers, 1e-4)


def test_novelty_has_to_be_that_of_the_training_path() -> None:
    right = [True, True, False]
    report = strange([1.0, 2.0001, 4.0001], right)
    assert report["passed"] and report["novelty"]["passed"]
    assert report["novelty"]["max_difference"] == pytest.approx(5e-5, rel=0.01)
    for served, known in (
        ([1.0, 2.1, 4.0], right),
        ([1.0, None, 4.0], right),
        ([1.0, 2.0, 4.0], [True, True, True]),
        ([1.0, 2.0, 4.0], [False, True, False]),
    ):
        report = strange(served, known)
        assert not report["passed"] and not report["novelty"]["passed"]
        assert report["labels_equal"] == 1
    refused = {"valid": [True, True, False], "error": ["", "", "no image"]}
    assert strange([1.0, 2.0, 0.0], [True, True, False], **refused)["passed"]


@pytest.mark.parametrize(
    "flipped, back, passes", [(2, 0, True), (3, 0, False), (9, 8, True)]
)
def test_images_near_the_threshold_may_not_all_move_to_one_side(
    flipped: int, back: int, passes: bool
) -> None:
    values = np.where(np.arange(100) < 90, 2.4, 2.6)
    trained = gate.Trained(
        [str(i) for i in range(100)],
        np.array([[0.9, 0.1]] * 100),
        ["a", "b"],
        gate.Novelty(values, 2.5),
    )
    known = values <= 2.5
    known[:flipped] = False
    known[len(known) - back :] = True
    answers = {
        "valid": [True] * 100,
        "labels": [["a", "b"]] * 100,
        "probabilities": [[0.9, 0.1]] * 100,
        "novelty": np.where(known, 2.4, 2.6),
        "known": known,
    }
    # Of 8 bits, 0.1 is little.
    report = gate.compare(trained, answers, 0.35)
    assert report["novelty"]["changed"] == 0
    assert report["passed"] == report["novelty"]["passed"] == passes
    assert report["novelty"]["known"] == {
        "trained": 0.9,
        "served": pytest.approx(0.9 + (back - flipped) / 100),
        "differ": flipped + back,
    }
    if not passes:
        assert "87.0% are known, expected 90.0%" in gate.difference(report)


def test_an_image_at_the_threshold_may_be_on_either_side() -> None:
    novelty = gate.Novelty(np.array([2.5]), 2.5)
    trained = gate.Trained(["x"], np.array([[0.9, 0.1]]), ["a", "b"], novelty)
    answers = {"valid": [True], "labels": [["a"]], "probabilities": [[0.9]]}
    for known in (True, False):
        said = answers | {"novelty": [2.5001], "known": [known]}
        assert gate.compare(trained, said, 1e-4)["passed"]
    # Of a version without it nothing is said.
    assert "novelty" not in gate.compare(trained, answers, 1e-4)
