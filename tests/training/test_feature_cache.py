"""Features are computed once, survive interruption, and never come from rubbish."""

from pathlib import Path

import numpy as np
import pytest

from tfpipeline.training import feature_cache
from tfpipeline.training.feature_cache import FeatureCache, fingerprint


class Extractor:
    """Computes a row from its key, counts, and can be interrupted."""

    def __init__(self, keys: list[str], stop_after: int | None = None) -> None:
        self.keys, self.stop_after, self.count = keys, stop_after, 0

    def __call__(self, positions: np.ndarray):
        for start in range(0, len(positions), 4):
            part = positions[start : start + 4]
            if self.stop_after is not None and self.count >= self.stop_after:
                raise KeyboardInterrupt
            self.count += len(part)
            yield np.array([[hash(self.keys[i]) % 997, i] for i in part], np.float32)


KEYS = [f"{i:064x}" for i in range(30)]


def expected(keys: list[str]) -> np.ndarray:
    return np.array([hash(k) % 997 for k in keys], np.float32)


def test_rows_come_back_in_any_order_and_are_computed_once(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "c", 2)
    assert cache.fill(KEYS, Extractor(KEYS)) == 30
    again = FeatureCache(tmp_path / "c", 2)
    assert again.fill(KEYS, Extractor(KEYS, stop_after=0)) == 0
    mixed = KEYS[::-3] + KEYS[:2]
    np.testing.assert_array_equal(again.rows(mixed)[:, 0], expected(mixed))


def test_equal_images_are_computed_once_and_new_ones_are_added(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 2)
    assert cache.fill(KEYS[:5] + KEYS[:5], Extractor(KEYS[:5] * 2)) == 5
    assert cache.fill(KEYS[:9], Extractor(KEYS[:9])) == 4
    np.testing.assert_array_equal(cache.rows(KEYS[:9])[:, 0], expected(KEYS[:9]))


def test_an_interruption_keeps_what_was_done(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 2)
    with pytest.raises(KeyboardInterrupt):
        cache.fill(KEYS, Extractor(KEYS, stop_after=12))
    again = FeatureCache(tmp_path, 2)
    assert again.fill(KEYS, Extractor(KEYS)) == 18
    np.testing.assert_array_equal(again.rows(KEYS)[:, 0], expected(KEYS))


def test_shards_are_cut_and_joined(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(feature_cache, "SHARD_ROWS", 8)
    cache = FeatureCache(tmp_path, 2)
    cache.fill(KEYS, Extractor(KEYS))
    assert len(list(tmp_path.glob("*.keys"))) == 4
    np.testing.assert_array_equal(cache.rows(KEYS)[:, 0], expected(KEYS))


@pytest.mark.parametrize("spoil", ["truncate", "empty", "keys", "gone", "text"])
def test_a_damaged_shard_is_computed_again(tmp_path: Path, spoil: str) -> None:
    FeatureCache(tmp_path, 2).fill(KEYS, Extractor(KEYS))
    rows, keys = next(tmp_path.glob("*.npy")), next(tmp_path.glob("*.keys"))
    if spoil == "truncate":
        rows.write_bytes(rows.read_bytes()[:-40])
    elif spoil == "empty":
        rows.write_bytes(b"")
    elif spoil == "keys":
        keys.write_text("abc\n")
    elif spoil == "gone":
        rows.unlink()
    else:
        keys.write_bytes(b"\xff\xfe")
    cache = FeatureCache(tmp_path, 2)
    assert cache.fill(KEYS, Extractor(KEYS)) == 30
    np.testing.assert_array_equal(cache.rows(KEYS)[:, 0], expected(KEYS))


def test_rows_are_mapped_not_loaded(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 2)
    cache.fill(KEYS, Extractor(KEYS))
    assert all(isinstance(shard, np.memmap) for shard in cache._shards)


def test_batches_hold_the_rows_of_their_indices(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 2)
    cache.fill(KEYS, Extractor(KEYS))
    indices = np.arange(24).reshape(6, 4)[::-1]
    parts = list(cache.batches(KEYS, indices, per_call=4))
    assert [rows.shape for rows, _ in parts] == [(4, 4, 2), (2, 4, 2)]
    joined = np.concatenate([rows for rows, _ in parts])
    np.testing.assert_array_equal(
        joined[..., 0].ravel(), expected([KEYS[i] for i in indices.ravel()])
    )


def test_a_fingerprint_tells_everything_apart() -> None:
    parts = [("a", 1), ("a", 2), ("b", 1), ("a", "1"), ("a1",)]
    assert len({fingerprint(*part) for part in parts}) == len(parts)
