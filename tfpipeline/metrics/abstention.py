"""From which confidence on to answer: with a bound on the share of wrong answers."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Point:
    """What validation images show of answering above one confidence."""

    threshold: float  # The lowest probability that is answered, as float32 has it.
    n: int  # Images that are answered.
    errors: int  # Wrong ones among them.
    coverage: float  # Share of all images that is answered.
    risk: float  # Share of the answers that is wrong.
    # What the risk on new images is at most: at the stated confidence for all points
    # of a curve together.
    bound: float


@functools.lru_cache(maxsize=4096)
def upper_bound(errors: int, n: int, alpha: float) -> float:
    """Return the exact upper bound of a share, too low with probability alpha.

    Source: Clopper & Pearson, Biometrika 26, 1934.
    """
    if errors >= n:
        return 1.0
    counts = np.arange(1, errors + 1)
    ways = np.append(0.0, np.cumsum(np.log((n - counts + 1) / counts)))
    counts = np.append(0, counts)
    low, high = errors / n, 1.0
    for _ in range(60):
        share = (low + high) / 2
        logs = ways + counts * math.log(share) + (n - counts) * math.log1p(-share)
        low, high = (share, high) if np.exp(logs).sum() > alpha else (low, share)
        if high - low < 1e-15:
            break
    return high


def least_answers(target_error: float, alpha: float) -> float:
    """Return how many answers, all right, show that at most the target is wrong.

    An integer; infinite where the target is 0. `alpha` is how often this may be shown
    in error.
    """
    if not target_error:
        return math.inf
    return math.ceil(math.log(alpha) / math.log1p(-target_error) - 1e-12)


def ranks(n: int, target_error: float, alpha: float) -> np.ndarray:
    """Return which of n images are tried as thresholds: 1 is the surest; n first.

    They are fixed before any answer is looked at: from all images down to the fewest
    that could show the target, evenly spread, two each time that number doubles. More
    of them find the best coverage more exactly, but each has a smaller part of `alpha`.
    """
    doubled = math.log2(max(1.0, n / least_answers(target_error, alpha)))
    count = 1 + int(2 * doubled)
    while count > 1 and least_answers(target_error, alpha / count) >= n:
        count -= 1
    if count == 1:
        return np.array([n])
    least = least_answers(target_error, alpha / count) + 1
    return np.unique(np.linspace(n, least, count).round().astype(np.int64))[::-1]


def curve(
    sure: np.ndarray, right: np.ndarray, target_error: float, alpha: float
) -> list[Point]:
    """Return risk against coverage, with bounds that hold together.

    An image of a fixed rank is the threshold, and those that are surer are answered.
    Given its confidence, they are independent draws from all that is surer, whatever
    the distribution; so their errors are binomial, and the bound is exact for a
    classifier, its temperature included, that these images did not choose. The bounds
    of all ranks hold together by Bonferroni's inequality: any of them is too low with
    probability `alpha`. The target decides which ranks are looked at.

    Source: Geifman & El-Yaniv, arXiv:1705.08500, whose bound this is, on fixed ranks
        instead of those a binary search finds; Angelopoulos et al., arXiv:2110.01052.
    """
    # As they are served: what is equal there cannot be distinguished.
    sure = np.asarray(sure, np.float32)
    ordered = np.sort(sure)[::-1]
    tried = ranks(len(sure), target_error, alpha)
    points = []
    for at in ordered[tried - 1]:
        answered = right[sure > at]
        n, errors = len(answered), int((~answered).sum())
        points.append(
            Point(
                float(np.nextafter(at, np.float32(2))),
                n,
                errors,
                n / len(sure),
                errors / n if n else 0.0,
                upper_bound(errors, n, alpha / len(tried)),
            )
        )
    return points


def best(points: Sequence[Point], target_error: float) -> Point | None:
    """Return the point that answers most images and keeps a target, if any does."""
    kept = [point for point in points if point.bound <= target_error + 1e-12]
    return max(kept, key=lambda point: point.n, default=None)


def reason(
    points: Sequence[Point],
    n: int,
    target_error: float,
    alpha: float,
    what: str = "validation",
) -> str:
    """Return why n images show no threshold that keeps a target; empty if they do."""
    if best(points, target_error) is not None:
        return ""
    goal = f"at most {target_error:.3g} wrong answers, with confidence {1 - alpha:.3g}"
    if not n:
        return f"there are no {what} images to show {goal}"
    # One image is the threshold itself.
    least = least_answers(target_error, alpha) + 1
    if n < least:
        images = f"{n} {what} image{'' if n == 1 else 's'}"
        if math.isinf(least):
            return f"no number of images can show {goal}"
        return f"{images} cannot show {goal}: {least} are needed, or more"
    nearest = min(points, key=lambda point: point.bound)
    why = (
        f"of the {nearest.n} surest answers {nearest.errors} are wrong, so that a "
        f"share of {nearest.bound:.3g} may be"
    )
    if not nearest.n:
        why = "too many of their answers are equally sure for a threshold between them"
    return f"{n} {what} images do not show {goal}: {why}"
