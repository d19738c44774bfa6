"""What a head draws from its seed: its order of the examples, its first weights."""

import numpy as np


def order(count: int, steps: int, batch_size: int, seed: int) -> np.ndarray:
    """Return the rows of each step: every example once before any comes again."""
    rounds = -(-steps * batch_size // count)
    rng = np.random.default_rng([seed, 79])
    rows = np.concatenate([rng.permutation(count) for _ in range(rounds)])
    return rows[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def glorot(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return first weights, float32, of the size that keeps the variance of signals."""
    most = np.sqrt(6 / (rows + columns))
    return rng.uniform(-most, most, (rows, columns)).astype(np.float32)
