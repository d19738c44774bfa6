"""The nearest rows are those that a search of all distances at once finds."""

import numpy as np
import pytest

from tfpipeline.metrics import nearest


def by_hand(
    queries: np.ndarray, rows: np.ndarray, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return all rows by their distance, in float64 throughout."""
    one, other = queries.astype(np.float64), rows.astype(np.float64)
    if metric == "cosine":
        length = np.outer(*(np.linalg.norm(v, axis=1) for v in (one, other)))
        far = 1 - (one @ other.T) / length
    else:
        far = np.linalg.norm(one[:, None] - other[None], axis=-1)
    order = np.argsort(far, axis=1, kind="stable")
    return order, np.take_along_axis(far, order, 1)


@pytest.mark.parametrize("metric", nearest.METRICS)
@pytest.mark.parametrize("block_bytes", [64, 999, 2**25])
def test_every_block_size_finds_what_all_distances_say(
    metric: str, block_bytes: int, monkeypatch
) -> None:
    monkeypatch.setattr(nearest, "BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(0)
    queries, rows = rng.normal(size=(7, 5)), rng.normal(size=(211, 5))
    queries, rows = queries.astype(np.float32), rows.astype(np.float32)
    index, distance = nearest.nearest(queries, rows, 9, metric)
    order, far = by_hand(queries, rows, metric)
    np.testing.assert_array_equal(index, order[:, :9])
    np.testing.assert_allclose(distance, far[:, :9], rtol=1e-6, atol=1e-7)
    assert index.dtype == np.int64 and distance.dtype == np.float32


@pytest.mark.parametrize("metric", nearest.METRICS)
def test_a_row_itself_is_first_and_exactly_0_away_among_many_near_ones(
    metric: str,
) -> None:
    rng = np.random.default_rng(1)
    rows = (100 + 0.3 * rng.normal(size=(4000, 64))).astype(np.float32)
    index, distance = nearest.nearest(rows[::500], rows, 3, metric)
    np.testing.assert_array_equal(index[:, 0], np.arange(0, 4000, 500))
    assert (distance[:, 0] == 0).all() and (distance[:, 1] > 0).all()


def test_equal_rows_come_in_their_order_and_few_rows_are_all_there_is() -> None:
    rows = np.tile(np.eye(2, dtype=np.float32), (3, 1))
    index, distance = nearest.nearest(rows[1:2], rows, 9)
    assert index.tolist() == [[1, 3, 5, 0, 2, 4]]
    np.testing.assert_allclose(distance, [[0, 0, 0, 1, 1, 1]], atol=1e-7)


def test_nothing_is_at_distance_1_from_everything_by_the_angle() -> None:
    rows = np.array([[0, 0], [3, 4]], np.float32)
    _, distance = nearest.nearest(rows, rows, 2)
    np.testing.assert_allclose(distance, [[1, 1], [0, 1]])


def test_rows_of_a_file_are_read_from_it(tmp_path) -> None:
    rows = np.random.default_rng(2).normal(size=(300, 8)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for metric in nearest.METRICS:
        here = nearest.nearest(rows[:4], rows, 5, metric)
        there = nearest.nearest(rows[:4], mapped, 5, metric)
        assert all((a == b).all() for a, b in zip(here, there))
