"""In which order the examples of an epoch come, a function of (seed, epoch) alone."""

import numpy as np


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the examples in one epoch, a function of its arguments alone."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def by_class(some: np.ndarray, label: np.ndarray, classes: int = 0) -> list[np.ndarray]:
    """Divide positions by their class, in the order in which they come."""
    mine = label[some]
    ends = np.cumsum(np.bincount(mine, minlength=classes))
    return np.split(some[np.argsort(mine, kind="stable")], ends[:-1])


def balanced_order(label: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return an epoch of the same length in which every class comes equally often.

    Within a class no image comes a second time before every other one has come once.
    """
    classes = {
        index: mine
        for index, mine in enumerate(by_class(np.arange(len(label)), label))
        if len(mine)
    }
    quota = -(-len(label) // len(classes))
    parts = []
    for index, mine in classes.items():
        rng = np.random.default_rng([seed, epoch, index])
        rounds = [rng.permutation(mine) for _ in range(-(-quota // len(mine)))]
        parts.append(np.concatenate(rounds)[:quota])
    # Class by class in turn, so that what is cut off at the end is even, then shuffled.
    drawn = np.stack(parts, axis=1).ravel()[: len(label)]
    return np.random.default_rng([seed, epoch]).permutation(drawn)


def occurrences(order: np.ndarray) -> np.ndarray:
    """Return how often each entry has stood in an order before, int64."""
    by_value = np.argsort(order, kind="stable")
    ordered = order[by_value]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    starts = np.flatnonzero(first)
    runs = np.diff(np.r_[starts, len(order)])
    counts = np.empty(len(order), np.int64)
    counts[by_value] = np.arange(len(order)) - np.repeat(starts, runs)
    return counts


def padded(order: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill the last batch with examples from the start, at weight 0.

    Every batch then has one shape, so nothing is traced twice, and every example still
    counts exactly once.

    Args:
        order: Indices of examples, shape (n,).
        batch_size: Images a batch.

    Returns:
        Indices, int64, and weights, float32, both of shape (batches, batch_size).
    """
    rows = -(-len(order) // batch_size)
    filled = np.resize(order, (rows, batch_size)).astype(np.int64)
    weights = np.arange(rows * batch_size).reshape(rows, -1) < len(order)
    return filled, weights.astype(np.float32)


def share(part: np.ndarray, worker: int, workers: int, before: int = 0) -> np.ndarray:
    """Return a worker's columns of all global batches."""
    own = part.shape[1] // workers
    return part[:, np.arange(worker * own - before, (worker + 1) * own)]
