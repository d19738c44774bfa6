"""Classes that have too few usable images, and are left out."""

from collections.abc import Collection, Sequence

import numpy as np

from tfpipeline.core import console
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.class_map import shorten

FLAG = "--data.min_per_class"


def counts(source: Source, groups: Sequence[str]) -> np.ndarray:
    """Return how many different images each class has, int64, shape (classes,).

    A group of copies counts once, for the class of its first image, as where it is
    divided; where an image has several labels, or shares, for each of these.
    """
    if source.values is not None:
        leaders = np.unique(np.array(groups), return_index=True)[1]
        return np.asarray((source.values[leaders] > 0).sum(axis=0), np.int64)
    first: dict[str, int] = {}
    for label, group in zip(source.label.tolist(), groups):
        first.setdefault(group, label)
    return np.bincount([*first.values()], minlength=len(source.labels))


def few(
    source: Source, groups: Sequence[str], least: int, *, are: str = "are"
) -> dict[str, str]:
    """Return why a class is left out, by its name.

    Args:
        source: Usable examples.
        groups: The name of each one's group of copies.
        least: Different images that a class has to have.
        are: What is said of the classes before `left out`.
    """
    count = counts(source, groups)
    rare = {name: int(n) for name, n in zip(source.labels, count) if n < least}
    if rare:
        named = shorten([f"{name!r} ({n})" for name, n in rare.items()])
        console.warn_once(
            f"{source.name}: {len(rare)} of {len(source.labels)} classes have fewer "
            f"than {least} different usable images and {are} left out, as {FLAG} says: "
            f"{named}"
        )
    return {n: f"{FLAG} {least}: {count} usable images" for n, count in rare.items()}


def others(source: Source, names: Collection[str]) -> np.ndarray:
    """Return the indices of the examples of all classes but some, ascending, int64.

    Those of several labels, or shares, all stay.
    """
    if source.values is not None:
        return np.arange(len(source))
    out = [i for i, name in enumerate(source.labels) if name in names]
    return np.flatnonzero(~np.isin(source.label, out))
