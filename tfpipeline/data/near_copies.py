"""Which pictures are copies of each other: made smaller, recompressed, cut a little.

Two stages. Candidates are pictures whose lowest frequencies lie close to each other:
the numbers of which a perceptual hash ("pHash") has the signs. Then the thumbnails of
each candidate are laid over each other, as one may be cut, and compared place by place,
relative to the contrast that is there.

`benchmarks/near_copies.py` measures both stages.

Source: B. Lucas and T. Kanade, "An iterative image registration technique" (1981); with
the mean of both gradients, S. Benhimane and E. Malis (IROS 2004).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tfpipeline.data import thumbnails

# Standard deviation of the brightness, of 255: below, a picture shows nothing.
LEAST_CONTRAST = 3.0

# Frequencies along each side; how far apart those of two copies may lie, of length one,
# and by how much one of them differs. Of pictures that were cut by 3 % on each side, 98
# of 100 are nearer; of 1,170 different photographs no two are.
_FREQUENCIES, _RADIUS, _STEP = 6, 0.36, 0.2

# What may differ between two copies, as a share of the variance: in the whole, in the
# mean of 16 places that all count alike, and in one of them. And by which share of its
# side one of them may be shifted against the other. A cut by 3 % on each side leaves
# 0.01, 0.03, 0.2 and 0.035 at most in 99 of 100 pictures.
_WHOLE, _EACH_PLACE, _WORST_PLACE, _SHIFT = 0.015, 0.04, 0.25, 0.04

# Differences of so many steps of brightness are rounding.
_ROUNDING = 1.5

# Colours differ if by more steps, and by a larger share of the stronger colours. A copy
# in grey has none.
_COLOUR_STEPS, _COLOUR_SHARE = 8.0, 0.5

# Pixels at the border that one of both may not show; places along each side.
_MARGIN, _PLACES = 2, 4

# How often one is laid over the other anew, by how many pixels it may move, and what
# is given up as it would differ by more.
_ROUNDS, _MOST_PIXELS, _HOPELESS = 3, 3.0, 0.2

# Where the pixels of a line are: from -1 at one border to 1 at the other.
_ACROSS = np.linspace(-1, 1, 2 * thumbnails.SIDE + 1, dtype=np.float32)[1::2]

# Pictures in a leaf of the search; how many near one are kept; how many of these are
# compared with it at a time, the nearest first; and for how many pictures at once.
_LEAF, _KEPT, _NEAREST, _TOGETHER = 1024, 256, 32, 256

# Pairs that are laid over each other at once: as many as a core's cache has room for.
_AT_ONCE = 64


def groups(texts: Sequence[str]) -> list[list[int]]:
    """Return groups of copies.

    The first of a group is a picture that is in no earlier group; the others have each
    been compared with it. What is only like another member is no member, so that no
    chain of small differences joins pictures that are not alike.

    Args:
        texts: The thumbnail of each picture; empty where there is none.

    Returns:
        Positions of two or more, ascending. No position stands in two groups.
    """
    same: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        if text:
            same.setdefault(text, []).append(i)
    if not same:
        return []
    grey, colour = thumbnails.decode(list(same))
    shows = np.flatnonzero(grey.std(axis=(1, 2)) >= LEAST_CONTRAST)
    if not len(shows):
        return []
    equal = list(same.values())
    joined = [
        sorted(i for one in star for i in equal[shows[one]])
        for star in _stars(grey[shows], colour[shows])
    ]
    return [group for group in joined if len(group) > 1]


def _stars(grey: np.ndarray, colour: np.ndarray) -> list[list[int]]:
    """Return each picture that is no copy of an earlier one, with its copies."""
    stars: list[list[int]] = []
    free = np.ones(len(grey), bool)
    search = _Search(grey)
    near = search.nearest()

    def compare(pairs: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Return which of each picture's candidates are its copies."""
        first = np.repeat(list(pairs), [len(others) for others in pairs.values()])
        second = np.concatenate(list(pairs.values()))
        alike = are_copies(grey, colour, first, second)
        return {i: second[alike & (first == i)] for i in pairs}

    for start in range(0, len(grey), _TOGETHER):
        chunk = [i for i in range(start, min(start + _TOGETHER, len(grey))) if free[i]]
        pairs = {i: near[i][:_NEAREST] for i in chunk if len(near[i])}
        alike = compare(pairs) if pairs else {}
        for i in chunk:
            if not free[i]:
                continue
            star, done, others = [i], _NEAREST, near[i]
            copies = alike.get(i, others[:0])
            while len(copies):
                star += copies[free[copies]].tolist()
                free[copies] = False
                if done == _KEPT:
                    others = search.near(i)
                # Behind those that are copies there may be any number.
                rest = others[done : done + _NEAREST]
                copies = compare({i: rest})[i] if len(rest) else rest
                done += _NEAREST
            stars.append(star)
    return stars


class _Search:
    """A tree over the lowest frequencies: who is near whom, without comparing all.

    A leaf has pictures of its own, and all that are near one of them.
    """

    def __init__(self, grey: np.ndarray) -> None:
        self._place = _frequencies(grey)
        self._leaf = np.zeros(len(grey), np.int64)
        self._leaves: list[tuple[np.ndarray, np.ndarray]] = []
        everyone = np.arange(len(grey))
        waiting = [(everyone, everyone)]
        while waiting:
            own, around = waiting.pop()
            values = self._place[own]
            axis = int(values.std(axis=0).argmax())
            middle = np.median(values[:, axis])
            below, others = values[:, axis] <= middle, self._place[around, axis]
            if len(own) <= _LEAF or below.all():
                self._leaf[own] = len(self._leaves)
                self._leaves.append((own, around))
                continue
            waiting.append((own[below], around[others <= middle + _STEP]))
            waiting.append((own[~below], around[others >= middle - _STEP]))

    def nearest(self) -> list[np.ndarray]:
        """Return for each picture those behind it that are near it, nearest first.

        At most `_KEPT` of each.
        """
        near = [np.empty(0, np.int64)] * len(self._place)
        for own, around in self._leaves:
            for start in range(0, len(own), _TOGETHER):
                some = own[start : start + _TOGETHER]
                for i, others in self._near(some, around):
                    near[i] = others[:_KEPT].copy()
        return near

    def near(self, i: int) -> np.ndarray:
        """Return all pictures behind the i-th that are near it, nearest first."""
        _, around = self._leaves[self._leaf[i]]
        return next((mine for _, mine in self._near(np.array([i]), around)), around[:0])

    def _near(
        self, own: np.ndarray, around: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray]]:
        cosine = self._place[own] @ self._place[around].T
        row, column = np.nonzero(cosine >= 1 - _RADIUS**2 / 2)
        behind = around[column] > own[row]
        row, column = row[behind], column[behind]
        order = np.lexsort((-cosine[row, column], row))
        row, column = row[order], column[order]
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        for first, others in zip(row[starts], np.split(around[column], starts[1:])):
            yield int(own[first]), others


def _frequencies(grey: np.ndarray) -> np.ndarray:
    """Return the lowest frequencies of thumbnails, of length one, shape (n, 35)."""
    side = grey.shape[1]
    angle = np.outer(np.arange(_FREQUENCIES), np.arange(side) + 0.5) * np.pi / side
    waves = (np.cos(angle) / side).astype(np.float32)
    values = (waves @ grey.astype(np.float32) @ waves.T).reshape(len(grey), -1)[:, 1:]
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-3)


def are_copies(
    grey: np.ndarray, colour: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Tell which pairs show the same picture, up to a cut, brightness and contrast.

    Args:
        grey: Brightness of thumbnails, uint8, shape (n, 24, 24).
        colour: Their colour differences, float32, shape (n, 72).
        first: Of each pair one position, int64, shape (m,).
        second: The other.

    Returns:
        bool, shape (m,).
    """
    alike = _same_colours(colour[first], colour[second])
    open_ = np.flatnonzero(alike)
    for start in range(0, len(open_), _AT_ONCE):
        part = open_[start : start + _AT_ONCE]
        alike[part] = _same_places(grey[first[part]], grey[second[part]])
    return alike


def _same_colours(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Tell where colours agree; what is grey may be a copy of what is not."""
    one, other, apart = (np.sqrt(np.square(c).mean(axis=1)) for c in (a, b, a - b))
    most = np.maximum(_COLOUR_STEPS, _COLOUR_SHARE * np.maximum(one, other))
    return (np.minimum(one, other) < _COLOUR_STEPS / 2) | (apart <= most)


def _same_places(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Tell which thumbnails are the same once they are laid over each other."""
    deviation = np.sqrt(a.std(axis=(1, 2)) * b.std(axis=(1, 2)))
    a, b = _even(_blurred(a)), _even(_blurred(b))
    moves = np.zeros((len(a), 4), np.float32)
    moved, open_ = a, np.arange(len(a))
    for _ in range(_ROUNDS):
        more, left = _moves(moved, b[open_])
        hopeful = left <= _HOPELESS
        open_, more = open_[hopeful], more[hopeful]
        moves[open_] = np.clip(moves[open_] + more, -_MOST_PIXELS, _MOST_PIXELS)
        moved = _moved(a[open_], moves[open_])
    inside = slice(_MARGIN, -_MARGIN)
    a, b = _even(moved[:, inside, inside]), _even(b[open_, inside, inside])
    rounding = 2 * np.square(_ROUNDING / deviation[open_])
    shown = (_places(a) + _places(b)) / 2 + rounding[:, None]
    whole = np.square(a - b).mean(axis=(1, 2))
    differs = _places(a - b) / shown
    pixels = np.abs(moves[open_]).reshape(-1, 2, 2).sum(axis=2).max(axis=1)
    alike = np.zeros(len(moves), bool)
    alike[open_] = (
        (whole <= _WHOLE)
        & (differs.mean(axis=1) <= _EACH_PLACE)
        & (differs.max(axis=1) <= _WORST_PLACE)
        & (pixels <= _SHIFT * thumbnails.SIDE)
    )
    return alike


def _blurred(values: np.ndarray) -> np.ndarray:
    """Return thumbnails without what a shift by half a pixel changes most."""
    wide = np.pad(values.astype(np.float32), ((0, 0), (1, 1), (1, 1)), "edge")
    rows = (wide[:, :-2] + 3 * wide[:, 1:-1] + wide[:, 2:]) / 5
    return (rows[:, :, :-2] + 3 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 5


def _even(values: np.ndarray) -> np.ndarray:
    """Return pictures with a mean of nought and a variance of one."""
    values = values - values.mean(axis=(1, 2), keepdims=True)
    return values / np.maximum(values.std(axis=(1, 2), keepdims=True), 1e-3)


def _places(values: np.ndarray) -> np.ndarray:
    """Return the variance in each of 16 places, shape (n, 16)."""
    side = values.shape[1] // _PLACES
    parts = values.reshape(-1, _PLACES, side, _PLACES, side)
    return parts.var(axis=(2, 4)).reshape(len(values), _PLACES**2)


def _moves(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how pictures have to be moved so that they lie over others.

    Returns:
        Pixels by which the right border is stretched, all is shifted to the right, and
        the same downwards, shape (n, 4); and the share of the variance, about, that
        will differ then, shape (n,).
    """
    inside = slice(_MARGIN, -_MARGIN)
    mean = (a + b) / 2
    down, right = np.gradient(mean, axis=(1, 2))
    # What each move changes; brightness and contrast may differ as well.
    ways = [right * _ACROSS, right, down * _ACROSS[:, None], down]
    ways += [np.ones_like(mean), mean]
    basis = np.stack([way[:, inside, inside] for way in ways], axis=1)
    pixels = (thumbnails.SIDE - 2 * _MARGIN) ** 2
    basis = basis.reshape(len(a), len(ways), pixels)
    gap = (b - a)[:, inside, inside].reshape(len(a), pixels, 1)
    ridge = 1e-3 * pixels * np.eye(len(ways), dtype=np.float32)
    turned = basis.transpose(0, 2, 1)
    best = np.linalg.solve(basis @ turned + ridge, basis @ gap)
    return best[:, :4, 0], np.square(gap - turned @ best).mean(axis=(1, 2))


def _moved(values: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return pictures that are stretched and shifted."""
    rows, columns = _interpolation(moves[:, 2:]), _interpolation(moves[:, :2])
    return rows @ values @ columns.transpose(0, 2, 1)


def _interpolation(moves: np.ndarray) -> np.ndarray:
    """Return the matrices that stretch and shift a line, cubic, shape (n, 24, 24)."""
    places = np.arange(thumbnails.SIDE, dtype=np.float32)
    source = places + moves[:, :1] * _ACROSS + moves[:, 1:]
    # Behind the border there is what is at the border.
    source = np.clip(source, 0, thumbnails.SIDE - 1)
    apart = np.abs(source[:, :, None] - places)
    near = (1.25 * apart - 2.25) * apart**2 + 1
    far = ((-0.75 * apart + 3.75) * apart - 6) * apart + 3
    weights = np.where(apart < 1, near, np.where(apart < 2, far, 0))
    return weights / weights.sum(axis=2, keepdims=True)
