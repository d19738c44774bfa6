"""How many labels images have, which classes never or always occur; range of a number.

Imports no TensorFlow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.class_map import shorten

# A class of which so few images have it, or lack it, is told.
_FEW = 5


@dataclass(frozen=True)
class Fact:
    """Something about what is to be learned; as `data.review.Finding` has it."""

    kind: str
    count: int
    example: str = ""
    detail: str = ""


def counts(source: Source, chosen: Sequence[int] | np.ndarray) -> dict[str, int]:
    """Return how many of some examples have each class, or lie in each stratum.

    Of shares it is their sum, as a whole number.
    """
    places = np.asarray(chosen, np.int64)
    if source.target != targets.NUMBER and source.values is not None:
        sums = source.values[places].sum(axis=0, dtype=np.float64)
        return dict(zip(source.labels, sums.round().astype(int).tolist()))
    names = source.strata
    sizes = np.bincount(source.label[places], minlength=len(names))
    return dict(zip(names, sizes.tolist()))


def deviation(numbers: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the standard deviation; 0 where it is no more than rounding.

    Args:
        numbers: Float64, with the digits of float32, shape (n,), n at least 1.
        weight: What each counts, shape (n,); all the same where None.
    """
    mean = np.average(numbers, weights=weight)
    spread = float(np.sqrt(np.average(np.square(numbers - mean), weights=weight)))
    least = float(np.finfo(np.float32).eps) * float(np.abs(numbers).max())
    return spread if spread > least else 0.0


def facts(source: Source, chosen: Sequence[int] | np.ndarray) -> Iterator[Fact]:
    """Yield what is to be known of the targets of some examples, training ones first.

    Nothing is said where one class is the answer.
    """
    if source.values is None or not len(chosen):
        return
    places = np.asarray(chosen, np.int64)
    values = source.values[places]
    if source.target == targets.NUMBER:
        numbers = values[:, 0].astype(np.float64)
        yield Fact(
            "number",
            len(numbers),
            detail=f"{source.labels[0]} from {numbers.min():g} to {numbers.max():g}, "
            f"mean {numbers.mean():.4g}, standard deviation {numbers.std():.3g}",
        )
        if not deviation(numbers):
            first = source.ids[places[0]]
            yield Fact("constant", len(numbers), first, f"all are {numbers[0]:g}")
        return
    if source.target == targets.SOFT:
        split = np.flatnonzero(values.max(axis=1) < 1)
        yield Fact(
            "shares",
            len(split),
            source.ids[places[split[0]]] if len(split) else "",
            f"mean share of the likeliest class {values.max(axis=1).mean():.3f}",
        )
        return
    yield from _several(source, places, values)


def _several(source: Source, places: np.ndarray, values: np.ndarray) -> Iterator[Fact]:
    sizes, positives, n = values.sum(axis=1), values.sum(axis=0), len(values)
    kinds = len(np.unique(values, axis=0))
    yield Fact(
        "cardinality",
        n,
        detail=f"{sizes.mean():.2f} an image ({sizes.min():.0f} to {sizes.max():.0f}), "
        f"{sizes.mean() / values.shape[1]:.3f} of the classes, {kinds} different sets",
    )
    if (none := np.flatnonzero(sizes == 0)).size:
        yield Fact("unlabelled", len(none), source.ids[places[none[0]]])
    for kind, where in (
        ("never", positives == 0),
        ("always", positives == n),
        ("rarely", (positives > 0) & (positives < _FEW)),
    ):
        if (found := np.flatnonzero(where)).size:
            names = shorten([repr(source.labels[k]) for k in found])
            low, high = int(positives[found].min()), int(positives[found].max())
            size = f"{low}" if low == high else f"{low} to {high}"
            yield Fact(kind, len(found), names, f"{size} of {n} images")
