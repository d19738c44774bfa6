"""How sure one can be of a share that was counted on few images."""

import math

Z_95 = 1.959963984540054


def wilson(successes: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return the interval in which a share lies, by so many successes of n.

    Args:
        successes: From 0 to n.
        n: At least 1.
        z: Quantile of the normal distribution; as it is, 95 % of such intervals hold
            the true share.

    Returns:
        Both ends, in [0, 1]; the share that was counted is inside.

    Source: Wilson, Probable Inference, JASA 22, 1927; Brown et al., Statistical
        Science 16, 2001.
    """
    share, extra = successes / n, z * z / n
    middle = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * math.sqrt(share * (1 - share) / n + extra / (4 * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return how likely such a difference on the same images is by chance alone.

    Args:
        only_first: Images on which only the first classifier is right.
        only_second: Images on which only the second one is.

    Returns:
        Two-sided p-value of the exact test, in (0, 1].

    Source: McNemar, Psychometrika 12, 1947; the exact binomial form.
    """
    n, least = only_first + only_second, min(only_first, only_second)
    if n > 1000:
        # The binomial is as good as normal there; half a count is its continuity.
        z = max(0.0, abs(only_first - only_second) - 1) / math.sqrt(n)
        return math.erfc(z / math.sqrt(2))
    tail = sum(math.comb(n, k) for k in range(least + 1))
    return min(1.0, 2 * tail / 2**n)
