"""In which order the examples of an epoch come, a function of (seed, epoch) alone."""

from dataclasses import dataclass

import numpy as np


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the examples in one epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def by_class(
    positions: np.ndarray, label: np.ndarray, classes: int = 0
) -> list[np.ndarray]:
    """Divide positions by their class, in the order in which they come."""
    mine = label[positions]
    ends = np.cumsum(np.bincount(mine, minlength=classes))
    return np.split(positions[np.argsort(mine, kind="stable")], ends[:-1])


def balanced_order(label: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return an epoch of the same length in which every class comes equally often.

    Within a class no image comes a second time before every other one has come once.
    """
    by_index = enumerate(by_class(np.arange(len(label)), label))
    classes = {index: mine for index, mine in by_index if len(mine)}
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
    _, starts, runs = np.unique(order[by_value], return_index=True, return_counts=True)
    counts = np.empty(len(order), np.int64)
    counts[by_value] = np.arange(len(order)) - np.repeat(starts, runs)
    return counts


def padded(order: np.ndarray, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill the last batch with examples from the start, at weight 0.

    Every batch then has one shape, so nothing is traced twice, and every example still
    counts exactly once.

    Returns:
        Indices, int64, and weights, float32, both of shape (batches, batch_size).
    """
    rows = -(-len(order) // batch_size)
    filled = np.resize(order, (rows, batch_size)).astype(np.int64)
    weights = np.arange(rows * batch_size).reshape(rows, -1) < len(order)
    return filled, weights.astype(np.float32)


def share(part: np.ndarray, worker: int, workers: int, before: int = 0) -> np.ndarray:
    """Return a worker's columns of all global batches, and some `before` them."""
    own = part.shape[1] // workers
    return part[:, np.arange(worker * own - before, (worker + 1) * own)]


@dataclass(frozen=True)
class Blocks:
    """Which shards of features are read together, and by which worker.

    Shards belong to the workers in turn. A worker trains on its own ones alone, block
    after block: a block is as many of its shards as it has memory for, drawn anew in
    each epoch.

    Args:
        shard: Number of the shard of every example, int32, shape (n,).
        together: Shards of a block.
        workers: Number of workers.
    """

    shard: np.ndarray
    together: int
    workers: int = 1

    def sort(self, order: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """Return an order block by block; within a block entries stay in their order.

        If one block holds all shards of a worker, its part of the order stays as it is.
        """
        count = int(self.shard.max()) + 1
        drawn = np.random.default_rng([seed, epoch, 1]).permutation(count)
        block = np.empty(count, np.int64)
        block[drawn] = occurrences(drawn % self.workers) // self.together
        return order[np.argsort(block[self.shard[order]], kind="stable")]

    def padded(
        self, order: np.ndarray, worker: int, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a worker's part of each batch; see `padded`.

        All workers have as many batches as the one with the most examples.

        Args:
            order: Of all examples of an epoch.
            worker: Whose shards are read.
            size: Examples of a batch that are this worker's.
        """
        owner = self.shard[order] % self.workers
        counts = np.bincount(owner, minlength=self.workers)
        own, shape = order[owner == worker], (-(-int(counts.max()) // size), size)
        filled = np.resize(own, shape) if len(own) else np.zeros(shape, np.int64)
        weights = np.arange(filled.size).reshape(shape) < len(own)
        return filled.astype(np.int64), weights.astype(np.float32)
