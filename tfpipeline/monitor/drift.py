"""Whether pictures that have arrived are of the kind of a run's held-out pictures."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.data.sources.base import BETWEEN
from tfpipeline.metrics import two_sample
from tfpipeline.metrics.two_sample import Statistic

# Decimals of probability and novelty that count: another runtime differs in more.
_DECIMALS = 3

# What the parts of the test are about, in words of the page.
WORDS = {
    "features": "features of the network (energy distance)",
    "novelty": "novelty: how unlike the training pictures (mean square)",
    "confidence": "probability of the predicted class (rank test)",
    "shares": "how often each class is predicted (chi-squared)",
}


# The same where not one class is the answer.
_OTHER_WORDS = {
    targets.MULTI: {
        "confidence": "highest probability of a class (rank test)",
        "shares": "how often each label is predicted (sum of chi-squared)",
    },
    targets.NUMBER: {"values": "predicted values (energy distance)"},
}

# Digits of a predicted value that count, as files of predictions have them.
_DIGITS = 6


class Seen(NamedTuple):
    """What is known of some pictures.

    Args:
        label: Index of the predicted class, shape (n,); of several labels whether each
            is predicted, bool, shape (n, classes); of a number its value, shape (n,).
        probability: Of that class, calibrated, or of the most probable one, shape
            (n,); None of a number.
        features: Whitened, shape (n, width); None where unknown.
        novelty: How unlike what the run has learned it is, shape (n,); None where
            unknown.
    """

    label: np.ndarray
    probability: np.ndarray | None
    features: np.ndarray | None = None
    novelty: np.ndarray | None = None

    @property
    def target(self) -> str:
        """What was predicted: one of `core.target.TARGETS`."""
        if self.probability is None:
            return targets.NUMBER
        return targets.MULTI if self.label.ndim == 2 else targets.SINGLE

    def part(self, chosen: np.ndarray) -> "Seen":
        """Return the same of some of the pictures, by their positions."""
        probability, features, novelty = (
            None if values is None else values[chosen] for values in self[1:]
        )
        return Seen(self.label[chosen], probability, features, novelty)

    def said(self, place: int, labels: Sequence[str]) -> str:
        """Return in words what was predicted for a picture, by the class names."""
        own = self.label[place]
        if self.target == targets.NUMBER:
            return f"{own:.{_DIGITS}g}"
        if self.target == targets.MULTI:
            return BETWEEN.join(labels[k] for k in np.flatnonzero(own).tolist())
        return labels[int(own)]


class Drift(NamedTuple):
    """What the comparison came to.

    Args:
        p: How often pictures of one kind differ as much by chance.
        tests: By name: `p` (adjusted for the number of tests), and what was compared,
            in the `held_out` and in the `arrived` pictures.
        change: How much more each arrived picture is like the others that arrived than
            like held-out ones, shape (n,); None without features.
    """

    p: float
    tests: dict[str, dict[str, Any]]
    change: np.ndarray | None


def statistics(
    held_out: Seen, arrived: Seen, *, ignore_shares: bool = False
) -> dict[str, Statistic]:
    """Return what is compared in the pictures of both, as far as it is known.

    Where shares are ignored, all but those are compared within each predicted class;
    that is for single classes.
    """
    label, probability, features, novelty = (
        None if a is None or b is None else np.concatenate([a, b])
        for a, b in zip(held_out, arrived)
    )
    assert label is not None
    second = np.arange(len(label)) >= len(held_out.label)

    def part(make: Callable[[np.ndarray], Statistic], values: np.ndarray) -> Statistic:
        if ignore_shares:
            return two_sample.within(make, values, label, second)
        return make(values)

    parts: dict[str, Statistic] = {}
    if features is not None:
        parts["features"] = part(two_sample.energy, features)
    if novelty is not None:
        rounded = np.round(novelty, _DECIMALS)
        parts["novelty"] = part(two_sample.excess, rounded)
    if probability is None:
        digits = [float(f"{value:.{_DIGITS}g}") for value in label.tolist()]
        return parts | {"values": two_sample.values(np.array(digits))}
    rounded = np.round(probability, _DECIMALS)
    parts["confidence"] = part(two_sample.rank_shift, rounded)
    if held_out.target == targets.MULTI:
        parts["shares"] = two_sample.rates(label)
    elif not ignore_shares:
        parts["shares"] = two_sample.shares(label)
    return parts


def compare(
    held_out: Seen, arrived: Seen, permutations: int, seed: int, *, ignore_shares: bool
) -> Drift:
    """Return whether pictures are of the kind of held-out ones.

    Args:
        held_out: Pictures of the run that its network has not learned from.
        arrived: The others.
        permutations: Random choices of which of them all have arrived.
        seed: Of these.
        ignore_shares: Whether choices keep how often each class is predicted.
    """
    parts = statistics(held_out, arrived, ignore_shares=ignore_shares)
    label = np.concatenate([held_out.label, arrived.label])
    second = np.arange(len(label)) >= len(held_out.label)
    strata = label if ignore_shares else None
    found = two_sample.permutation_test(parts, second, permutations, seed, strata)
    values = {
        "novelty": (held_out.novelty, arrived.novelty),
        "confidence": (held_out.probability, arrived.probability),
        "values": (held_out.label, arrived.label),
    }
    tests: dict[str, dict[str, Any]] = {}
    words = WORDS | _OTHER_WORDS.get(held_out.target, {})
    for name, p in found.parts.items():
        tests[name] = {"p": p, "about": words[name]}
        if name in values:
            medians = [float(np.median(np.asarray(v))) for v in values[name]]
            tests[name] |= {"held_out": medians[0], "arrived": medians[1]}
    change = None
    if held_out.features is not None and arrived.features is not None:
        features = np.concatenate([held_out.features, arrived.features])
        change = two_sample.witness(features, second)[second]
    return Drift(found.p, tests, change)
