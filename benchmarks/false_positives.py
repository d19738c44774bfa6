"""How often `--only_if_better` sees a difference between two versions that have none.

python benchmarks/false_positives.py [--draws 20000] [--sizes 6 10 20 50 200]
    [--output FILE.json]

Two versions that are equally good answer the same images: each image has a difficulty,
and each version's margin (the logit of the true class against the best other one) is
that plus noise of its own, from one distribution for both. Whatever is called better
then is so by chance. Told is the share of draws with a winner by the rule of
`--only_if_better`; and, for comparison, by a z-test of the mean cross-entropy or
McNemar's test, each at 5 %.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import tell

from tfpipeline.export import compare
from tfpipeline.metrics.significance import Z_95, sign_flip

Shape = tuple[int, ...]

# What may differ between two versions, and on how many of the images it does.
NULLS: dict[str, tuple[Callable[[np.random.Generator, Shape], np.ndarray], float]] = {
    "normal": (lambda random, shape: random.normal(size=shape), 1.0),
    "heavy_tails": (lambda random, shape: random.standard_cauchy(shape), 1.0),
    "skewed": (lambda random, shape: random.lognormal(sigma=1.5, size=shape), 1.0),
    "mostly_equal": (lambda random, shape: random.choice([-3, 3], shape), 0.15),
}

# Draws that are in memory at a time.
_TOGETHER = 200


def answers(null: str, n: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where two equally good versions are right, and their cross-entropies.

    Args:
        null: Which distribution.
        n: Images.
        count: Draws.
        seed: Of them.

    Returns:
        bool and float64, both of shape (2, count, n).
    """
    noise, share = NULLS[null]
    random = np.random.default_rng(seed)
    difficulty = random.normal(1, 2, (count, n))
    differ = random.random((count, n)) < share
    margin = difficulty + differ * noise(random, (2, count, n))
    return margin > 0, np.logaddexp(0, -margin)


def rates(null: str, n: int, draws: int, seed: int = 0) -> dict[str, float]:
    """Return the shares of draws in which chance is taken for a difference.

    Args:
        null: Which distribution.
        n: Images.
        draws: How many.
        seed: Of them.
    """
    winners, uncorrected = 0, 0
    for first in range(0, draws, _TOGETHER):
        count = min(_TOGETHER, draws - first)
        right, loss = answers(null, n, count, seed + first)
        difference = loss[0] - loss[1]
        only = (right & ~right[::-1]).sum(axis=-1)
        spread = difference.std(axis=-1, ddof=1) / math.sqrt(n)
        apart = np.abs(difference.mean(axis=-1)) > Z_95 * spread
        for i, p_loss in enumerate(sign_flip(difference).tolist()):
            new, live = only[:, i].tolist()
            found: dict[str, Any] = {"only_new": new, "only_live": live}
            found |= compare.p_values(new, live, p_loss)
            new, live = loss[:, i].mean(axis=-1)
            found |= {"new": {"loss": new}, "live": {"loss": live}}
            winners += compare.winner(found) != "tie"
            uncorrected += bool(apart[i]) or found["p"] <= compare.SIGNIFICANT
    return {"only_if_better": winners / draws, "uncorrected": uncorrected / draws}


def main() -> None:
    """Print the rates; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[6, 10, 20, 50, 200])
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found = {
        null: {str(n): rates(null, n, given.draws) for n in given.sizes}
        for null in NULLS
    }
    tell({"draws": given.draws, "rates": found}, given.output)


if __name__ == "__main__":
    main()
