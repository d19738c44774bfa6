"""Pictures that look wrong beside the others: blurred, dark, bright, empty, odd.

`measure` is part of the look at a file and sees a small copy of its pixels; `suspects`
compares the files of a set. Imports no TensorFlow.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tfpipeline.data.scan_cache import Row

# How the warning of a picture without content begins.
FLAT = "one colour"

# Pixels of the longer side from which on a copy is large enough, and above twice of
# which it is made smaller: about half of what most networks see. What is blurred at
# full size only is no harm to them.
SIDE = 96


def least(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height from which on a copy is large enough to be measured."""
    width, height = (max(1, n * SIDE // max(size)) for n in size)
    return width, height


class Scores(NamedTuple):
    """What `measure` says of a picture; a row of the scan has the same names."""

    shadows: int
    highlights: int
    contrast: int
    sharpness: int
    colour: int


def measure(channels: Sequence[Image.Image]) -> Scores:
    """Return the scores of a picture.

    All are whole numbers below 256, of which Python has one object each.

    - `shadows`, `highlights`: 5th and 99th percentile of the brightness, 0 to 255, by
      which cleanvision (github.com/cleanlab/cleanvision) knows bright and dark
      pictures.
    - `contrast`: standard deviation of the brightness, 0 to 128.
    - `sharpness`: how much the slope of the brightness changes from pixel to pixel
      beside the slope itself, both root mean squares, in hundredths. It is the mean
      angular frequency of the slopes (Rice, Mathematical Analysis of Random Noise,
      1944, 3.3): about 1.2 in a photograph, sqrt(3) in noise, and 1 / (sqrt(2) sigma)
      of a sharp line after a Gaussian blur. The contrast has no part in it, and where
      something is in focus, its lines outweigh a background that is not.
    - `colour`: how far the strongest colour is from grey, 0 to 128.

    Args:
        channels: Of a copy with `SIDE` to twice as many pixels in its longer side, less
            where the picture is smaller: brightness, and Cb and Cr where it has any.
    """
    # Three rows of six: the others say the same.
    grey = np.asarray(channels[0])
    end = max(1, len(grey) // 6) * 6 - 3
    a, b, c = (grey[start:end:6].astype(np.float32) for start in range(3))
    levels = np.sort(grey[::6], axis=None, kind="stable")
    mean = float(a.mean())
    planes: Any = channels[1:]
    colours = [level for plane in planes for level in plane.getextrema()]
    return Scores(
        shadows=int(levels[int(0.05 * levels.size)]),
        highlights=int(levels[int(0.99 * levels.size)]),
        contrast=round(max(0.0, _power(a) - mean**2) ** 0.5),
        sharpness=round(100 * _sharpness(a, b, c)),
        colour=max((abs(level - 128) for level in colours), default=0),
    )


def _sharpness(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Return the changes of the slope by the slope, of rows and of what is below."""
    along, down = a[:, 1:] - a[:, :-1], c - b
    slopes = _power(along) + _power(down)
    changes = _power(along[:, 1:] - along[:, :-1]) + _power(down - b + a)
    return (changes / slopes) ** 0.5 if slopes else 0.0


def _power(values: np.ndarray) -> float:
    """Return the mean square."""
    return float(np.vdot(values, values)) / max(1, values.size)


class Suspect(NamedTuple):
    """A picture that looks wrong: where, how, in words, and how far it is out."""

    position: int
    kind: str
    detail: str
    # From the median of the set, in its standard deviations by the quartiles.
    distance: float


class _Kind(NamedTuple):
    """A score that is suspicious where it is low, and from where on."""

    score: Callable[[Row], float]
    # Below this it is listed, whatever the others are; nan where only they tell.
    certain: float
    # Below this it is listed where it is far from the others as well.
    doubtful: float
    # What the standard deviation is at least, so that equal files leave room.
    least: float
    words: Callable[[Row], str]


def _pixels(row: Row) -> float:
    return math.log(math.sqrt(row.width * row.height))


def _aspect(row: Row) -> float:
    return max(row.width, row.height) / min(row.width, row.height)


# How far from the median is far, in standard deviations.
FAR = 3.5

# Of more than this share of a set, a score says what the set is and not what is wrong.
MOST = 0.5

# Fewer pictures have no distribution.
FEW = 10

# Bounds by 1,790 photographs, slices and drawings that nobody had touched, of which
# these rules list 4: a blurred one, two grey ones, and a false alarm. Sharpness was
# 66 to 174 with the median at 127, and after a Gaussian blur of 4 pixels of 500 it was
# 35 to 91; the 99th percentile of brightness was 106 or more, and at a fifth of the
# light 51 at most; the 5th was 166 at most, and 229 or more nearer to white; contrast
# was 18 or more, and 5 at most where it was cut to a twentieth; the longer side was 2.2
# times the other at most. With a fifth of the others' side a picture is enlarged.
_KINDS = {
    "blurred": _Kind(
        lambda row: row.sharpness if row.contrast > 5 else 200,
        *(70, 90, 5.0),
        lambda row: f"sharpness {row.sharpness / 100:.2f}",
    ),
    "dark": _Kind(
        lambda row: row.highlights,
        *(64, 96, 5.0),
        lambda row: f"99 % of it below {row.highlights / 2.55:.0f} % brightness",
    ),
    "bright": _Kind(
        lambda row: 255 - row.shadows,
        *(30, 65, 5.0),
        lambda row: f"95 % of it above {row.shadows / 2.55:.0f} % brightness",
    ),
    "low_information": _Kind(
        lambda row: row.contrast,
        *(6, 10, 2.0),
        lambda row: f"contrast {row.contrast / 2.55:.1f} %",
    ),
    "odd_aspect": _Kind(
        lambda row: -math.log(_aspect(row)),
        *(-math.log(5), -math.log(2.5), 0.1),
        lambda row: f"{row.width}x{row.height}",
    ),
}
_SIZE_FACTOR = 5.0
_GREY, _COLOUR_SHARE = 3, 0.9
KINDS = (*_KINDS, "odd_size", "grey")
_OF_SIZES = ("odd_aspect", "odd_size")


def suspects(rows: Sequence[Row]) -> list[Suspect]:
    """Return the pictures that look wrong, those farthest from the others first.

    Unusable files, and pictures of one colour, are reported as that and not here. A
    picture may be there by several kinds.
    """
    usable = [i for i, row in enumerate(rows) if _is_usable(row)]
    # Of more than 8 bits nothing but the size is known.
    measured = [i for i in usable if rows[i].shadows >= 0]
    rules = {name: functools.partial(_low, name, kind) for name, kind in _KINDS.items()}
    listed: list[Suspect] = []
    for name, rule in (rules | {"odd_size": _odd_sizes, "grey": _grey}).items():
        places = usable if name in _OF_SIZES else measured
        if places:
            listed += [
                suspect._replace(position=places[suspect.position])
                for suspect in rule([rows[i] for i in places])
            ]
    return sorted(listed, key=lambda suspect: -suspect.distance)


def _is_usable(row: Row) -> bool:
    return row.height > 0 and not row.reason and not row.warning.startswith(FLAT)


def _distances(scores: np.ndarray, least: float) -> np.ndarray:
    """Return how far scores lie below their median, in standard deviations."""
    lower, middle, upper = np.percentile(scores, (25, 50, 75))
    # Quartiles of a normal distribution are 1.349 standard deviations apart.
    return np.asarray((middle - scores) / max(least, (upper - lower) / 1.349))


def _low(name: str, kind: _Kind, rows: Sequence[Row]) -> list[Suspect]:
    scores = np.array([kind.score(row) for row in rows])
    distances = _distances(scores, kind.least)
    far = (distances > FAR) if len(rows) >= FEW else np.zeros(len(rows), bool)
    is_listed = (scores < kind.certain) | ((scores < kind.doubtful) & far)
    if is_listed.mean() > MOST:
        return []
    return [
        Suspect(i, name, kind.words(rows[i]), float(distances[i]))
        for i in np.flatnonzero(is_listed).tolist()
    ]


def _odd_sizes(rows: Sequence[Row]) -> list[Suspect]:
    scores = np.array([_pixels(row) for row in rows])
    middle = float(np.median(scores))
    distances = np.abs(_distances(scores, 0.1))
    if len(rows) < FEW:
        return []
    odd = (np.abs(scores - middle) > math.log(_SIZE_FACTOR)) & (distances > FAR)
    return [
        Suspect(
            *(i, "odd_size"),
            f"{rows[i].width}x{rows[i].height}, "
            f"{math.exp(scores[i] - middle):.2g} times the others' side",
            float(distances[i]),
        )
        for i in np.flatnonzero(odd).tolist()
    ]


def _grey(rows: Sequence[Row]) -> list[Suspect]:
    """Return grey pictures where nearly all others have colours."""
    colour = np.array([row.colour for row in rows])
    # What is dark or nearly uniform has no room for colours.
    grey = (colour <= _GREY) & np.array([row.contrast > 10 for row in rows])
    if len(rows) < FEW or (colour > _GREY).mean() < _COLOUR_SHARE:
        return []
    distances = _distances(colour, 1.0)
    return [
        Suspect(i, "grey", "no colours", float(distances[i]))
        for i in np.flatnonzero(grey).tolist()
    ]
