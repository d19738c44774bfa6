"""Features are computed once, survive interruption, and never come from rubbish."""

import contextlib
import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import fault_injection
from tfpipeline.core.errors import UserError
from tfpipeline.models import feature_cache
from tfpipeline.models.feature_cache import FeatureCache, fingerprint


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


SPOILT = ["truncate", "empty", "keys", "gone", "text", "zeros", "bit", "no checksum"]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_damaged_shard_is_computed_again(
    tmp_path: Path, spoil: str, capsys: pytest.CaptureFixture[str]
) -> None:
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
    elif spoil == "zeros":
        # A header with zeros behind it, as a power cut leaves it.
        data = rows.read_bytes()
        rows.write_bytes(data[:128] + bytes(len(data) - 128))
    elif spoil == "bit":
        data = rows.read_bytes()
        rows.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif spoil == "no checksum":
        # As an earlier version wrote it.
        keys.write_text("".join(keys.read_text().splitlines(keepends=True)[1:]))
    else:
        keys.write_bytes(b"\xff\xfe")
    capsys.readouterr()
    cache = FeatureCache(tmp_path, 2)
    assert cache.fill(KEYS, Extractor(KEYS)) == 30
    np.testing.assert_array_equal(cache.rows(KEYS)[:, 0], expected(KEYS))
    told = capsys.readouterr().err.splitlines()
    assert [str(tmp_path) in line for line in told] == [True] * (spoil != "gone")
    # It is removed, and not told of again.
    assert FeatureCache(tmp_path, 2).fill(KEYS, Extractor(KEYS, stop_after=0)) == 0
    assert not capsys.readouterr().err


def test_rows_of_a_torn_shard_are_taken_from_another_that_has_them(
    tmp_path: Path,
) -> None:
    """Two runs side by side have computed the same; one of their shards was torn."""
    first, second = FeatureCache(tmp_path, 2), FeatureCache(tmp_path, 2)
    for cache in (first, second):
        cache.fill(KEYS, Extractor(KEYS))
    torn = sorted(tmp_path.glob("*.npy"))[0]
    torn.write_bytes(torn.read_bytes()[:-8] + bytes(8))
    again = FeatureCache(tmp_path, 2)
    assert again.fill(KEYS, Extractor(KEYS, stop_after=0)) == 0
    np.testing.assert_array_equal(again.rows(KEYS)[:, 0], expected(KEYS))
    assert not torn.exists()


def test_a_shard_is_proven_once_and_only_where_its_rows_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "SHARD_ROWS", 8)
    FeatureCache(tmp_path, 2).fill(KEYS, Extractor(KEYS))
    proven, real = [], feature_cache._is_whole

    def counted(file: Path) -> bool:
        proven.append(file)
        return real(file)

    monkeypatch.setattr(feature_cache, "_is_whole", counted)
    cache = FeatureCache(tmp_path, 2)
    assert not len(cache.missing(KEYS[:3])) and len(proven) == 1
    assert not len(cache.missing(KEYS)) and not len(cache.missing(KEYS))
    assert len(proven) == len(set(proven)) == 4


@pytest.mark.parametrize("power_cut", [False, True])
def test_no_row_is_wrong_wherever_filling_is_killed(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch, power_cut: bool
) -> None:
    monkeypatch.setattr(feature_cache, "SHARD_ROWS", 8)
    folder = memory_path / "c"
    with fault_injection.watched(
        folder, memory_path / "kept", power_cut=power_cut
    ) as moments:
        FeatureCache(folder, 2).fill(KEYS, Extractor(KEYS))
    counts = []
    for moment in moments:
        cache = FeatureCache(folder, 2)
        counts.append(cache.fill(KEYS, Extractor(KEYS)))
        found = cache.rows(KEYS)[:, 0]
        np.testing.assert_array_equal(found, expected(KEYS), err_msg=moment)
    # All that whole shards hold is taken from them; the zeros of torn ones are not.
    assert counts[0] == 30 and counts[-1] == (30 if power_cut else 0)
    assert len(moments.states) > 15


def test_rows_are_read_as_they_are_asked_for_and_no_file_stays_open(
    tmp_path: Path,
) -> None:
    cache = FeatureCache(tmp_path, 2)
    cache.fill(KEYS, Extractor(KEYS))
    (file,) = tmp_path.glob("*.npy")
    assert str(file) not in Path("/proc/self/maps").read_text()
    data = bytearray(file.read_bytes())
    data[-8:-4] = np.float32(7).tobytes()
    file.write_bytes(data)
    assert cache.rows(KEYS[-1:])[0, 0] == 7
    opened = {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}
    assert str(file.resolve()) not in opened


def test_a_drive_that_gives_a_few_bytes_at_a_time_gives_whole_rows(
    tmp_path: Path, monkeypatch
) -> None:
    cache = FeatureCache(tmp_path, 2)
    cache.fill(KEYS, Extractor(KEYS))

    class Slow(io.FileIO):
        def readinto(self, buffer) -> int:
            return super().readinto(memoryview(buffer)[:3])

    monkeypatch.setattr(
        feature_cache, "open", lambda file, *_, **__: Slow(file), raising=False
    )
    np.testing.assert_array_equal(cache.rows(KEYS)[:, 0], expected(KEYS))


@pytest.mark.parametrize("how", ["removed", "cut"])
def test_a_file_that_is_lost_meanwhile_is_named(tmp_path: Path, how: str) -> None:
    cache = FeatureCache(tmp_path, 2)
    cache.fill(KEYS, Extractor(KEYS))
    (file,) = tmp_path.glob("*.npy")
    if how == "removed":
        file.unlink()
    else:
        os.truncate(file, file.stat().st_size - 4)
    with pytest.raises(UserError, match=f"{file.name}: features cannot be read"):
        cache.rows(KEYS)
    again = FeatureCache(tmp_path, 2)
    assert again.fill(KEYS, Extractor(KEYS)) == 30


def test_a_shard_that_stands_in_columns_is_computed_again(tmp_path: Path) -> None:
    FeatureCache(tmp_path, 2).fill(KEYS, Extractor(KEYS))
    (file,) = tmp_path.glob("*.npy")
    np.save(file, np.asfortranarray(np.load(file)))
    cache = FeatureCache(tmp_path, 2)
    assert cache.fill(KEYS, Extractor(KEYS)) == 30
    np.testing.assert_array_equal(cache.rows(KEYS)[:, 0], expected(KEYS))


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


def test_more_shards_than_open_files_are_allowed(tmp_path: Path) -> None:
    """In a process of its own, whose limit is low."""
    program = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from tfpipeline.models import feature_cache as fc\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))\n"
        "fc.SHARD_ROWS = 2\n"
        "keys = [f'{i:03d}' for i in range(160)]\n"
        "rows = lambda order: (np.full((2, 3), i, np.float32) for i in order[::2])\n"
        "cache = fc.FeatureCache(Path(sys.argv[1]), 3)\n"
        "assert cache.fill(keys, rows) == 160\n"
        "for one in (cache, fc.FeatureCache(Path(sys.argv[1]), 3)):\n"
        "    assert (one.rows(keys)[:, 0] == np.arange(160) // 2 * 2).all()\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_between_any_two_steps_writes_no_row_under_anothers_key(
    tmp_path: Path, monkeypatch
) -> None:
    """The clock raises as Ctrl-C would, at each of its calls in turn."""
    monkeypatch.setattr(feature_cache, "SHARD_ROWS", 4)
    values = {key: float(i) for i, key in enumerate(KEYS)}
    for stop in range(1, 12):
        calls = itertools.count()

        def clock() -> float:
            if next(calls) == stop:
                raise KeyboardInterrupt
            return 0.0

        folder = tmp_path / str(stop)
        monkeypatch.setattr(feature_cache.time, "monotonic", clock)

        def extract(order: np.ndarray):
            for i in order:
                yield np.full((1, 2), values[KEYS[i]], np.float32)

        with contextlib.suppress(KeyboardInterrupt):
            FeatureCache(folder, 2).fill(KEYS, extract)
        monkeypatch.undo()
        again = FeatureCache(folder, 2)
        again.fill(KEYS, extract)
        assert again.rows(KEYS)[:, 0].tolist() == list(values.values())
        monkeypatch.setattr(feature_cache, "SHARD_ROWS", 4)


def test_a_split_cache_takes_each_row_from_its_own_part(tmp_path: Path) -> None:
    stores = [FeatureCache(tmp_path / name, 2) for name in ("first", "second")]
    for number, (store, keys) in enumerate(zip(stores, (["a", "b"], ["c"]))):
        rows = np.full((len(keys), 2), number, np.float32)
        store.fill(keys, lambda order, rows=rows: iter([rows[order]]))
    both = feature_cache.SplitCache(*stores, {"c"})
    np.testing.assert_array_equal(both.rows(["c", "a", "c", "b"])[:, 0], [1, 0, 1, 0])
    indices = np.array([[0, 1], [2, 0]])
    ((rows, part),) = both.batches(["a", "b", "c"], indices, 2)
    assert rows.shape == (2, 2, 2) and part == slice(0, 2)
    assert both.rows([]).shape == (0, 2)
