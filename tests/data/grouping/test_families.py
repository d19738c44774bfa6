"""Relatives in another split are found by features, and strangers are not."""

import tracemalloc

import numpy as np
import pytest

from tfpipeline.data.grouping import families
from tfpipeline.data.sources import class_values


def clusters(seed: int, count: int = 60, width: int = 24) -> tuple[np.ndarray, ...]:
    """Return features of three classes, each around a direction of its own."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    return np.eye(3, width)[label] * 1.5 + rng.normal(0, 0.4, (count, width)), label


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_a_training_image_are_found_and_strangers_are_not(seed: int) -> None:
    trained, label = clusters(seed)
    held_out, own = clusters(seed + 100, 50)
    rng = np.random.default_rng(seed)
    parents = [3, 10, 41]
    held_out[:3] = 2 * trained[parents] + rng.normal(0, 0.1, (3, 24))
    own[:3] = label[parents]
    nearest, distance, most = families.across(trained, held_out, label, own)
    assert np.flatnonzero(distance <= most).tolist() == [0, 1, 2]
    assert nearest[:3].tolist() == parents


def test_the_threshold_is_half_of_what_few_strangers_come_within() -> None:
    # Means are nought, so that the cosines are those of the features themselves.
    trained = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]])
    angles = np.radians(np.arange(21.0))
    held_out = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    nearest, distance, most = families.across(
        trained, held_out, np.array([0, 0, 1, 1]), np.ones(21, int)
    )
    # Those of the same class are at right angles.
    np.testing.assert_allclose(distance, 1, atol=1e-6)
    assert most == pytest.approx((1 - np.cos(angles[1])) / 2, abs=1e-6)
    assert (nearest >= 2).all()


def test_without_strangers_nothing_is_a_family() -> None:
    x = np.ones((4, 3))
    one = np.zeros(4, int)
    assert families.across(x, x, one, one)[2] == 0
    assert families.across(x, x[:0], one, one[:0])[2] == 0


def test_of_many_images_some_are_compared() -> None:
    split = np.array(["train"] * 60_000 + ["test"] * 3_000, object)
    trained, held_out = families.sampled(split, 0, 1280)
    assert len(trained) == 50_000 and len(held_out) == 2_000
    assert (split[trained] == "train").all() and (split[held_out] == "test").all()
    few = families.sampled(split[59_990:60_010], 0, 1280)
    assert [len(part) for part in few] == [10, 10]
    # Of wide features no more than fit into a quarter of a gibibyte.
    assert len(families.sampled(split, 0, 8192)[0]) == 2**28 // (4 * 8192)


@pytest.mark.parametrize("several", [False, True])
def test_of_wide_features_few_are_compared_and_no_more_memory_is_used(
    monkeypatch, several: bool
) -> None:
    width, count = 512, 9_000
    monkeypatch.setattr(families, "MOST_BYTES", 8_000 * width * 4)
    split = np.array(["train"] * count + ["test"] * 40, object)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(count + 40, width)).astype(np.float32)
    label = np.arange(len(rows)) % 3
    truth = families.Truth(label, np.eye(3)[label] if several else None)
    tracemalloc.start()
    found = families.find(split, truth, (), lambda chosen: rows[chosen], 0, width)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.compared, found.searched) == (40, 8_000)
    assert peak < 3 * families.MOST_BYTES


@pytest.mark.parametrize("target", ["multi", "number"])
def test_parts_are_found_by_the_strata_of_labels_and_numbers(target: str) -> None:
    """Features follow what is predicted; parts of an original have the same answer."""
    rng = np.random.default_rng(0)
    if target == "multi":
        values = (rng.random((260, 4)) < [0.2, 0.4, 0.5, 0.3]).astype(np.float32)
    else:
        values = rng.random((260, 1)).astype(np.float32)
    features = values @ rng.normal(size=(values.shape[1], 24))
    features += rng.normal(0, 0.4, features.shape)
    values[200:205], features[200:205] = values[:5], features[:5]
    features[200:205] += rng.normal(0, 0.05, (5, 24))
    split = np.array(["train"] * 200 + ["test"] * 60, object)
    label = class_values.strata(target, values)
    # Any unit and origin of a number will do.
    values = 1e5 + 30 * values if target == "number" else values
    truth = families.Truth(label, values)
    found = families.find(split, truth, [], lambda i: features[i], 0, 24)
    assert set(found.pairs) == {(i, 200 + i) for i in range(5)}
    assert found.compared == 60 and 0 < found.threshold < 0.5


def test_what_labels_explain_is_taken_away_as_means_of_classes_are() -> None:
    rng = np.random.default_rng(1)
    label, features = np.arange(30) % 3, rng.normal(size=(30, 5)).astype(np.float32)
    hot, asked = np.eye(3)[label], rng.normal(size=(4, 5)).astype(np.float32)
    means = np.stack([features[label == k].mean(axis=0) for k in range(3)])
    given = features.copy(), asked.copy(), hot, np.eye(3)[[0, 1, 2, 2]]
    own, other = families.unexplained(*given)
    np.testing.assert_allclose(own, features - means[label], atol=1e-5)
    np.testing.assert_allclose(other, asked - means[[0, 1, 2, 2]], atol=1e-5)
    nothing = families.unexplained(features[:0], asked, hot[:0], hot[:4])
    assert nothing[1] is asked
