"""The order of an epoch, as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.data import sampling as orders


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
def test_padding_repeats_and_weighs_nothing(count: int) -> None:
    indices, weights = orders.padded(np.arange(count) + 5, 4)
    assert indices.shape == weights.shape == (-(-count // 4), 4)
    assert weights.sum() == count
    assert (indices[weights > 0] == np.arange(count) + 5).all()


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    order = orders.epoch_order(50, 7, 3)
    assert np.array_equal(order, orders.epoch_order(50, 7, 3))
    assert not np.array_equal(order, orders.epoch_order(50, 7, 4))
    assert not np.array_equal(order, orders.epoch_order(50, 8, 3))
    assert sorted(order) == list(range(50))


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60),
    st.integers(0, 99),
    st.integers(0, 9),
)
def test_balanced_epochs_show_every_class_equally_often(
    labels: list[int], seed: int, epoch: int
) -> None:
    label = np.array(labels, np.int32)
    order = orders.balanced_order(label, seed, epoch)
    np.testing.assert_array_equal(order, orders.balanced_order(label, seed, epoch))
    assert len(order) == len(label)
    counts = np.array([(label[order] == c).sum() for c in np.unique(label)])
    assert counts.max() - counts.min() <= 1
    for index in np.unique(label):
        mine = np.flatnonzero(label == index)
        seen = np.array([(order == i).sum() for i in mine])
        assert seen.max() - seen.min() <= 1, "none comes twice before all came once"


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_occurrences_count_what_came_before(values: list[int]) -> None:
    expected = [values[:i].count(value) for i, value in enumerate(values)]
    assert orders.occurrences(np.array(values)).tolist() == expected


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_any_number_of_workers_has_the_entries_and_neighbours_of_one(
    order: list[int], workers: int, each: int
) -> None:
    indices, _ = orders.padded(np.array(order), workers * each)
    again = orders.occurrences(indices.ravel()).reshape(indices.shape)
    for part in (indices, again):
        shares = [orders.share(part, worker, workers) for worker in range(workers)]
        np.testing.assert_array_equal(np.concatenate(shares, axis=1), part)
        neighbours = [
            orders.share(part, worker, workers, before=1)[:, :-1]
            for worker in range(workers)
        ]
        rolled = np.roll(part, 1, axis=1)
        np.testing.assert_array_equal(np.concatenate(neighbours, axis=1), rolled)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=80),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(0, 9),
)
def test_each_worker_has_every_example_of_its_shards_once_few_shards_at_a_time(
    shards: list[int], together: int, workers: int, size: int, epoch: int
) -> None:
    shard = np.sort(np.array(shards, np.int32))
    blocks = orders.Blocks(shard, together, workers)
    plain = orders.epoch_order(len(shard), 3, epoch)
    order = blocks.sort(plain, 3, epoch)
    np.testing.assert_array_equal(order, blocks.sort(plain, 3, epoch))
    assert sorted(order) == list(range(len(shard)))
    parts = [blocks.padded(order, worker, size) for worker in range(workers)]
    assert len({indices.shape for indices, _ in parts}) == 1
    owned = [indices[weights > 0] for indices, weights in parts]
    assert sorted(np.concatenate(owned)) == list(range(len(shard)))
    for worker, own in enumerate(owned):
        assert (shard[own] % workers == worker).all()
        # A shard is over before one of the next block is read.
        turns = [
            np.flatnonzero(shard[own] == number) for number in np.unique(shard[own])
        ]
        for place in range(len(own)):
            assert sum(t[0] <= place <= t[-1] for t in turns) <= together


def test_one_block_of_all_shards_is_the_order_of_an_epoch() -> None:
    order = orders.epoch_order(50, 7, 3)
    shard = np.arange(50, dtype=np.int32) // 10
    np.testing.assert_array_equal(orders.Blocks(shard, 5).sort(order, 7, 3), order)
    assert not np.array_equal(orders.Blocks(shard, 4).sort(order, 7, 3), order)
