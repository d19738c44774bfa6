"""Pictures with several objects of the drawn world: which kinds there are, or how many.

No object covers another one but for what its corners do. All kinds are those of the
source `demo`, which no pretraining has seen.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.demo import scene, world
from tfpipeline.demo.shapes import Array

# Part of every cached picture's path: raise it when a drawing changes.
VERSION = "several1"

# How many objects a picture of several labels has, and the most that are counted.
MOST_KINDS, MOST_COUNTED = 4, 9

# Of how many pictures a kind is, relative to the first one: some kinds are rarer.
_SHARES = (1.0, 0.85, 0.7, 0.6, 0.45, 0.3)

# How far an object may reach from its middle, in its own size: it is turned.
_REACH = 1.25

# Objects whose middles are so far apart, in the sum of their sizes, hardly touch.
_APART = 0.92

_TRIES = 200


def picture_of_kinds(
    index: int, seed: int, size: int = 96
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a picture with one to four objects of different kinds, and their names.

    Args:
        index: Number of the picture; with the seed and size it decides everything.
        seed: Of a set of pictures.
        size: Height and width, pixels.
    """
    rng = np.random.default_rng([seed, 0x6B696E64, index])
    count = int(rng.integers(1, MOST_KINDS + 1))
    shares = np.array(_SHARES) / sum(_SHARES)
    kinds = rng.choice(world.TRANSFER_CLASSES, count, replace=False, p=shares)
    low, high = (0.5, 0.72) if count == 1 else (0.38, 0.5) if count == 2 else (0.3, 0.4)
    scales = rng.uniform(low, high, count)
    picture = _scene(rng, [str(kind) for kind in kinds], scales, size)
    return picture, tuple(sorted(str(kind) for kind in kinds))


def picture_to_count(index: int, seed: int, size: int = 96) -> tuple[np.ndarray, int]:
    """Return a picture with 0 to 9 objects of one kind, and how many there are.

    How large they are says nothing of how many there are.

    Args:
        index: As `picture_of_kinds` takes it.
        seed: Likewise.
        size: Likewise.
    """
    rng = np.random.default_rng([seed, 0x636F756E, index])
    count = int(rng.integers(MOST_COUNTED + 1))
    kind = str(rng.choice(world.TRANSFER_CLASSES))
    scales = np.full(count, rng.uniform(0.16, 0.22)) * rng.uniform(0.9, 1.1, count)
    return _scene(rng, [kind] * count, scales, size), count


def _scene(
    rng: scene.Rng, kinds: list[str], scales: np.ndarray, size: int
) -> np.ndarray:
    x, y = scene.grid(size)
    image, mean = scene.ground(rng, x, y)
    image = np.array(scene.clutter(rng, image, x, y, 4), np.float32)
    for kind, scale, middle in zip(kinds, scales, _middles(rng, scales)):
        _object(rng, image, mean, kind, (float(scale), *middle))
    # Nothing lies over an object: it would be there, and not be seen.
    return scene.photograph(rng, image)


def _middles(rng: scene.Rng, scales: np.ndarray) -> list[tuple[float, float]]:
    """Return where objects stand, each as a whole inside and away from the others."""
    while True:
        placed: list[tuple[float, float]] = []
        for scale in scales:
            free = 1 - _REACH * scale
            tries = rng.uniform(-free, free, (_TRIES, 2))
            apart = [
                np.hypot(*(tries - other).T) > _APART * (scale + before)
                for other, before in zip(placed, scales)
            ]
            able = np.flatnonzero(np.all(apart, axis=0)) if apart else np.array([0])
            if not len(able):
                break
            placed.append((float(tries[able[0], 0]), float(tries[able[0], 1])))
        if len(placed) == len(scales):
            return placed
        scales = 0.97 * scales


def _object(
    rng: scene.Rng,
    image: Array,
    mean: Array,
    kind: str,
    where: tuple[float, float, float],
) -> None:
    """Draw an object into a picture, within a window that is just large enough."""
    scale, across, down = where
    size = len(image)
    wide = min(size, 2 * round(_REACH * scale * size / 2) + 2)
    left, top = (
        int(np.clip(round((1 + middle) * size / 2 - wide / 2), 0, size - wide))
        for middle in (across, down)
    )
    window = image[top : top + wide, left : left + wide]
    # The window's own coordinates reach from -1 to 1 as well.
    within = scale * size / wide
    u, v = scene.posed(rng, *scene.grid(wide), within)
    parts = world.OBJECTS[kind](u, v, lambda low, high: float(rng.uniform(low, high)))
    window[...] = scene.place(rng, window, mean, parts, within)


def _labels(index: int, seed: int, size: int) -> tuple[np.ndarray, str]:
    picture, kinds = picture_of_kinds(index, seed, size)
    return picture, "|".join(kinds)


def _number(index: int, seed: int, size: int) -> tuple[np.ndarray, str]:
    picture, count = picture_to_count(index, seed, size)
    return picture, str(count)


# Of each set: what draws a picture, the column that says what is in it, and of how many
# kinds or counts there are as many pictures each as are asked for.
SETS: dict[str, tuple[Callable[[int, int, int], tuple[np.ndarray, str]], str, int]] = {
    "multi": (_labels, "label", len(world.TRANSFER_CLASSES)),
    "number": (_number, "count", MOST_COUNTED + 1),
}


def write_folder(
    folder: Path, name: str, pictures: int, seed: int, size: int = 96
) -> None:
    """Write a set of pictures as PNG files, and `labels.csv` with what is in them.

    Args:
        folder: New; it is there as a whole or not at all.
        name: Of `SETS`.
        pictures: How many.
        seed: Of the set.
        size: Height and width, pixels.
    """
    draw, column, _ = SETS[name]
    files = [f"images/{index:05d}.png" for index in range(pictures)]
    said = [""] * pictures

    def one(index: int) -> np.ndarray:
        picture, said[index] = draw(index, seed, size)
        return picture

    def last(half_done: Path) -> None:
        rows = zip(files, said)
        file_io.write_csv(half_done / "labels.csv", ("path", column), rows)

    world.write_pictures(folder, files, one, last)
