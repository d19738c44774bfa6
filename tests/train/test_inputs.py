"""Both kinds of inputs feed the same examples in the same batches."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.shards.test_reading import names, put
from tfpipeline.models import shard_features
from tfpipeline.models.feature_cache import FeatureCache
from tfpipeline.models.inference import Predictor
from tfpipeline.models.shard_features import ShardFeatures
from tfpipeline.shards import reading
from tfpipeline.train import inputs

KEYS = [f"{i:064d}" for i in range(300)]
LABEL = (np.arange(300) % 3).astype(np.int32)
ROWS = np.arange(600, dtype=np.float32).reshape(300, 2)


def arrange(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pad an order to batches of 4, as the pipeline does."""
    padding = -len(order) % 4
    indices = np.concatenate([order, np.full(padding, order[0])]).reshape(-1, 4)
    weights = np.ones(indices.size, np.float32)
    weights[len(order) :] = 0
    return indices, weights.reshape(-1, 4)


def both(folder: Path) -> tuple[inputs.CachedFeatures, inputs.Images]:
    cache = FeatureCache(folder, 2)
    cache.fill(KEYS, lambda order: iter([ROWS[order]]))

    def plain(order: np.ndarray):
        for indices, weights in zip(*arrange(order)):
            yield ROWS[indices], LABEL[indices], weights

    def later(order: np.ndarray, epoch: int, first: int):
        return itertools.islice(plain(order), first, None)

    features = inputs.CachedFeatures(cache, KEYS, LABEL, arrange)
    return features, inputs.Images(later, plain)


def test_steps_hold_every_example_once_in_the_order_asked_for(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(300)[:297]
    for kind in both(tmp_path):
        steps = list(kind.steps(order, 0, 0))
        rows = np.concatenate([s.inputs.reshape(-1, 2) for s in steps])
        labels = np.concatenate([np.ravel(s.labels) for s in steps])
        real = np.concatenate([np.ravel(s.weights) for s in steps]) > 0
        np.testing.assert_array_equal(rows[real], ROWS[order])
        np.testing.assert_array_equal(labels[real], LABEL[order])


def test_many_batches_of_features_go_into_one_call(tmp_path: Path) -> None:
    features, images = both(tmp_path)
    order = np.arange(300)
    shapes = [s.inputs.shape for s in features.steps(order, 0, 0)]
    assert shapes == [(64, 4, 2), (11, 4, 2)]
    assert {s.inputs.shape for s in images.steps(order, 0, 0)} == {(1, 4, 2)}


def test_batches_for_evaluation_are_equal(tmp_path: Path) -> None:
    features, images = both(tmp_path)
    order = np.arange(5, 100, 3)
    for one, two in zip(features.batches(order), images.batches(order), strict=True):
        for a, b in zip(one, two):
            np.testing.assert_array_equal(a, b)


def test_from_a_step_on_comes_the_rest_of_the_epoch(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(300)[:50]
    for kind in both(tmp_path):
        whole = [np.concatenate(x) for x in zip(*map(parts, kind.steps(order, 3, 0)))]
        rest = [np.concatenate(x) for x in zip(*map(parts, kind.steps(order, 3, 4)))]
        for one, two in zip(whole, rest, strict=True):
            np.testing.assert_array_equal(one[4:], two)


def parts(steps) -> tuple:
    return steps.inputs, steps.labels, steps.weights


def test_shards_of_features_feed_the_same_steps_from_any_step_on(
    tmp_path: Path,
) -> None:
    cached, _ = both(tmp_path / "cache")
    rows = reading.rows(put(tmp_path, names(300), ROWS, size=70))
    plan = reading.open_plan(tmp_path / "out")
    store = ShardFeatures(plan, rows.shard, rows.row)
    held = inputs.CachedFeatures(store, range(300), LABEL, arrange)
    order = np.random.default_rng(0).permutation(300)[:261]
    for first in (0, 5):
        for one, two in zip(*(k.steps(order, 1, first) for k in (cached, held))):
            for a, b in zip(parts(one), parts(two), strict=True):
                np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(held.rows(order), cached.rows(order))
    for one, two in zip(cached.batches(order), held.batches(order), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


def test_outputs_come_in_the_order_asked_for_and_each_shard_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_features, "MOST_BYTES", 2 * 30 * 2 * 4)
    rows = reading.rows(put(tmp_path, names(300), ROWS, size=30))
    plan = reading.open_plan(tmp_path / "out")
    store, read = ShardFeatures(plan, rows.shard, rows.row), list[int]()
    assert store.together == 2 and not store.is_whole
    real = reading.vectors

    def counted(plan, number: int, **more) -> np.ndarray:
        read.append(number)
        return real(plan, number, **more)

    monkeypatch.setattr(reading, "vectors", counted)
    held = inputs.CachedFeatures(store, range(300), LABEL, arrange)
    chosen = np.random.default_rng(0).permutation(300)[:261]
    predictor = Predictor(lambda x: 2 * x, tf.distribute.get_strategy())
    outputs = held.outputs(predictor, chosen, None)
    np.testing.assert_array_equal(outputs, 2 * ROWS[chosen])
    # The last batch is filled with examples of the first one.
    assert len(set(read[:10])) == 10 and len(read) <= 11
    cached, _ = both(tmp_path / "cache")
    np.testing.assert_array_equal(cached.outputs(predictor, chosen, None), outputs)
