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
    """Return how many of some examples have each class, or lie in each stratum."""
    places = np.asarray(chosen, np.int64)
    if source.target == targets.MULTI and source.values is not None:
        sums = source.values[places].sum(axis=0)
        return dict(zip(source.labels, sums.astype(int).tolist()))
    names = source.strata
    sizes = np.bincount(source.label[places], minlength=len(names))
    return dict(zip(names, sizes.tolist()))


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
        if numbers.std() == 0:
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
    for kind, where, words in (
        ("never", positives == 0, "{} of {} images"),
        ("always", positives == n, "{} of {} images"),
        ("rarely", (positives > 0) & (positives < _FEW), "{} of {} images"),
    ):
        if (found := np.flatnonzero(where)).size:
            names = shorten([repr(source.labels[k]) for k in found])
            most = words.format(int(positives[found[0]]), n)
            yield Fact(kind, len(found), names, most)
