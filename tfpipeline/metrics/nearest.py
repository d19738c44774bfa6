"""The rows nearest to given ones: every row is looked at, block by block."""

from collections.abc import Iterator

import numpy as np

METRICS = ("cosine", "euclidean")

# Of one block of rows, and of its distances to one block of queries, at most.
BLOCK_BYTES = 2**25

# Rows beyond those that were asked for, whose distances are computed again: rounding in
# float32 may change places at the end of the list.
_SPARE = 16


def nearest(
    queries: np.ndarray, rows: np.ndarray, count: int, metric: str = "cosine"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are nearest to each query, and how far they are.

    The search is exact but for the rounding of float32: every row is compared. Memory
    holds a block of rows and of distances, whatever their number; `rows` may be a
    memory-mapped file. The distances that are returned were computed in float64.

    Args:
        queries: Finite, shape (n, width).
        rows: Finite, shape (m, width), m at least 1.
        count: Rows to find, at least 1; all m where there are fewer.
        metric: `cosine`: 1 less the cosine of the angle, in [0, 2]; 1 where a vector is
            0. `euclidean`: the length of the difference.

    Returns:
        Indices of rows, nearest first, of equally near ones the first, int64, and their
        distances, float32; both of shape (n, min(count, m)).
    """
    given = np.asarray(queries, np.float32)
    count = min(count, len(rows))
    wide = min(count + _SPARE, len(rows))
    step = max(1, BLOCK_BYTES // (4 * max(1, rows.shape[1])))
    at_once = max(1, BLOCK_BYTES // (4 * min(step, len(rows))))
    index = np.empty((len(given), count), np.int64)
    distance = np.empty((len(given), count), np.float32)
    for start in range(0, len(given), at_once):
        part = slice(start, start + at_once)
        close = _candidates(given[part], rows, wide, metric, step)
        index[part], distance[part] = _ordered(given[part], rows, close, count, metric)
    return index, distance


def _candidates(
    queries: np.ndarray, rows: np.ndarray, wide: int, metric: str, step: int
) -> np.ndarray:
    """Return the indices of `wide` rows that are nearest in float32, in any order."""
    near = np.full((len(queries), 0), np.inf, np.float32)
    index = np.zeros((len(queries), 0), np.int64)
    wanted = _scaled(queries) if metric == "cosine" else queries
    for start, block in _blocks(rows, step):
        far, squares = wanted @ block.T, np.einsum("ij,ij->i", block, block)
        if metric == "cosine":
            far /= -np.sqrt(np.where(squares > 0, squares, 1))
        else:  # Less the square of the query, which changes no order.
            far *= -2
            far += squares
        own = _least(far, wide)
        near = np.hstack([near, np.take_along_axis(far, own, 1)])
        index = np.hstack([index, own + start])
        kept = _least(near, wide)
        near = np.take_along_axis(near, kept, 1)
        index = np.take_along_axis(index, kept, 1)
    return index


def _blocks(rows: np.ndarray, step: int) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(rows), step):
        yield start, np.asarray(rows[start : start + step], np.float32)


def _least(values: np.ndarray, count: int) -> np.ndarray:
    """Return the columns with the lowest values of each row, in any order."""
    if values.shape[1] <= count:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    return np.argpartition(values, count - 1, axis=1)[:, :count]


def _scaled(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length 1; those of length 0 stay what they are."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1).astype(vectors.dtype)


def _ordered(
    queries: np.ndarray, rows: np.ndarray, close: np.ndarray, count: int, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of some rows by their distances in float64."""
    close = np.sort(close, axis=1)
    distance = np.empty(close.shape)
    for i, (query, own) in enumerate(zip(queries.astype(np.float64), close)):
        found = np.asarray(rows[own], np.float64)
        if metric == "cosine":
            # Of equal vectors it is exactly 0, which 1 less their product is not.
            one, others = _scaled(query[None]), _scaled(found)
            apart = ((others - one) ** 2).sum(1) / 2
            empty = ~found.any(1) | (not query.any())
            distance[i] = np.where(empty, 1, apart)
        else:
            distance[i] = np.linalg.norm(found - query, axis=1)
    order = np.argsort(distance, axis=1, kind="stable")[:, :count]
    found_at = np.take_along_axis(distance, order, 1).astype(np.float32)
    return np.take_along_axis(close, order, 1), found_at
