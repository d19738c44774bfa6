"""Features of shards are rows of a cache, however few shards are in memory."""

from pathlib import Path

import numpy as np
import pytest

from tests.shards.test_reading import names, put
from tfpipeline.core.errors import UserError
from tfpipeline.data.sampling import Blocks, epoch_order
from tfpipeline.models import shard_features
from tfpipeline.models.shard_features import ShardFeatures
from tfpipeline.shards import reading

VECTORS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float16)


def store(folder: Path, taken: np.ndarray = np.arange(40)) -> ShardFeatures:
    plan = put(folder, names(40), VECTORS, size=4)
    rows = reading.rows(plan)
    return ShardFeatures(plan, rows.shard[taken], rows.row[taken])


@pytest.mark.parametrize("shards", [1, 3, 10])
def test_rows_are_those_of_their_examples_and_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    monkeypatch.setattr(shard_features, "MOST_BYTES", shards * 4 * 3 * 2)
    taken = np.random.default_rng(1).permutation(40)[:33]
    features = store(tmp_path, taken)
    assert features.together == shards and features.is_whole == (shards == 10)
    keys = np.random.default_rng(2).integers(0, 33, 100).tolist()
    found = features.rows(keys)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, VECTORS[taken[keys]].astype(np.float32))
    assert len(features._arrays) <= shards
    assert features.rows([]).shape == (0, 3)


def test_an_epoch_in_blocks_reads_each_shard_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_features, "MOST_BYTES", 3 * 4 * 3 * 2)
    features, read = store(tmp_path), list[int]()
    real = reading.vectors

    def counted(plan, number: int, **more) -> np.ndarray:
        read.append(number)
        return real(plan, number, **more)

    monkeypatch.setattr(reading, "vectors", counted)
    for epoch in range(2):
        read.clear()
        blocks = Blocks(features.shard, features.together)
        order = blocks.sort(epoch_order(40, 0, epoch), 0, epoch)
        found = [features.rows(part.tolist()) for part in np.array_split(order, 9)]
        np.testing.assert_array_equal(np.concatenate(found), VECTORS[order])
        assert len(set(read)) == len(read) >= 10 - epoch * features.together


def test_rows_are_visited_shard_by_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = np.random.default_rng(1).permutation(40).tolist()
    assert store(tmp_path).visit(keys).tolist() == list(range(40))
    monkeypatch.setattr(shard_features, "MOST_BYTES", 3 * 4 * 3 * 2)
    features = store(tmp_path)
    order = features.visit(keys)
    assert sorted(order) == list(range(40))
    assert (np.diff(features.shard[np.array(keys)[order]]) >= 0).all()


def test_the_digest_is_of_what_was_computed_and_not_of_where(tmp_path: Path) -> None:
    def digest(name: str, **what: object) -> str:
        size = what.pop("rows", 4)
        vectors = VECTORS.astype(what.get("dtype", "float16"))
        plan = put(tmp_path / name, names(40), vectors, size=size, **what)
        rows = reading.rows(plan)
        return ShardFeatures(plan, rows.shard, rows.row).digest

    same = digest("a")
    assert digest("b") == same
    others = [{"network": "xyz"}, {"dtype": "float32"}, {"rows": 5}]
    assert same not in {digest(f"c{i}", **what) for i, what in enumerate(others)}


def test_a_shard_that_is_torn_is_named_when_it_is_first_read(tmp_path: Path) -> None:
    features = store(tmp_path)
    file = features.folder / "shard-000002.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    features.rows([0, 1])
    with pytest.raises(UserError, match="shard-000002.npy"):
        features.rows([9])
