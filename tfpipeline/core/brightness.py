"""How bright a sample of more than 8 bits is: one monotone rule for a whole data set.

A file may declare what its samples reach (12 bits packed, the largest value of a PGM);
where it does not, all pictures of one sample type get one range, and what lies outside
of it is clipped. No picture's own largest value ever decides.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfpipeline.core.errors import UserError

FLAG = "--data.range"
_EXPECTED = "auto, full, or two numbers like 0 4095 or -1..1"

# From a sample type for which a range is chosen to all that it can hold; of floats,
# what most programs write.
FULL: dict[str, tuple[float, float]] = {
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "float32": (0, 1),
}

_UNSIGNED = [(0, 2**bits - 1) for bits in (8, 10, 12, 14, 16, 24, 32)]
_SIGNED = [(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 10, 12, 14, 16)]
# Hounsfield units of computed tomography in 12 bits, and what fills 15 and 31.
_SIGNED += [(-1024, 3071), (0, 2**15 - 1), (0, 2**31 - 1), FULL["int32"]]
_FLOAT = [(0.0, 1.0), (-1.0, 1.0), *_UNSIGNED[:5]]

# How far above a range samples may lie, as a share of it, for resampling overshoots;
# below it by less, or signs would be lost. Either way in [0, 1] and [-1, 1] by as much
# as `image_io.OVERSHOOT`.
_ABOVE, _BELOW, _UNIT = 0.05, 0.02, 0.25

# A natural range of which less is used is none; and one of which less is used is
# warned of, for little is left of it in 8 bits.
_LEAST_USED, SMALL_PART = 0.2, 1 / 8

# The share of samples at either end that says nothing of a range: hot pixels.
_OUTLIERS = 1 / 2000

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_PAIR = re.compile(rf"(?:(\w+)\s+)?({_NUMBER})(?:\s*\.\.\s*|\s+)({_NUMBER})", re.I)


class Samples(NamedTuple):
    """The samples of a picture of more than 8 bits, or of signed ones.

    Args:
        values: Of a number type of NumPy, shape (height, width) or (height, width, 3).
        declared: What is black and what is white, where the file says so.
        inverted: Whether the smallest sample is white.
        alpha: float32 in [0, 1], shape (height, width, 1); None where all is opaque.
        multiplied: Whether colours are multiplied by it already.
        hint: What a tag says that may be a fact about this one picture alone.
    """

    values: np.ndarray
    declared: tuple[float, float] | None = None
    inverted: bool = False
    alpha: np.ndarray | None = None
    multiplied: bool = False
    hint: tuple[float, float] | None = None

    @property
    def kind(self) -> str:
        """The sample type for which a range is chosen; empty where it is declared."""
        return "" if self.declared else str(self.values.dtype)


@dataclass(frozen=True)
class Ranges:
    """What is black and what is white, by sample type.

    Args:
        pairs: Sample type, low and high; an empty type stands for all others. A type
            that is not there has its full range.
    """

    pairs: tuple[tuple[str, float, float], ...] = ()

    def of(self, kind: str) -> tuple[float, float]:
        """Return the samples that are black and white."""
        known = {name: (low, high) for name, low, high in self.pairs}
        return known.get(kind) or known.get("") or FULL[kind]

    def knows(self, kind: str) -> bool:
        """Tell whether the range of a sample type was chosen or given."""
        return any(name in ("", kind) for name, _, _ in self.pairs)

    def __str__(self) -> str:
        """Return what `parse` reads."""
        texts = (f"{name} {span(low, high)}" for name, low, high in self.pairs)
        return ", ".join(text.strip() for text in texts) or "full"


WHOLE = Ranges()


def parse(text: str) -> Ranges | None:
    """Return the ranges that `--data.range` names; None for `auto`.

    Raises:
        UserError: It names none.
    """
    if text.strip() in ("auto", "full"):
        return None if text.strip() == "auto" else WHOLE
    pairs = []
    for part in text.split(","):
        match = _PAIR.fullmatch(part.strip())
        kind, low, high = match.groups() if match else ("?", "0", "1")
        if (kind or "") not in ("", *FULL) or not float(low) < float(high) < math.inf:
            raise UserError(
                f"{FLAG}: expected {_EXPECTED}, the darker one first. Received: "
                f"{text!r}."
            )
        pairs.append((kind or "", _exact(low), _exact(high)))
    return Ranges(tuple(pairs))


def _exact(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def number(value: float) -> str:
    """Return a sample in words that are read again as just the same."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def span(low: float, high: float) -> str:
    """Return a range in the words of `--data.range`."""
    return f"{number(low)} {number(high)}"


def extremes(values: np.ndarray) -> tuple[float, float]:
    """Return the smallest and largest sample, a few at either end left out."""
    flat = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if not flat.size:
        return 0.0, 0.0
    drop = min(max(1, int(flat.size * _OUTLIERS)), (flat.size - 1) // 2)
    ends = np.partition(flat, (drop, flat.size - 1 - drop))
    return float(ends[drop]), float(ends[-1 - drop])


def peak(values: np.ndarray) -> float:
    """Return the largest sample of all, hot ones among them; 0 where there is none."""
    flat = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return float(flat.max()) if flat.size else 0.0


def shown(samples: Samples, ranges: Ranges) -> np.ndarray:
    """Return a picture by its range: float32 in [0, 255], shape (height, width, 3).

    What is no number is black; what is transparent lies over white.
    """
    low, high = samples.declared or ranges.of(samples.kind)
    exact = samples.values.dtype.itemsize < 4
    image = scale(samples.values.astype(np.float32 if exact else np.float64), low, high)
    if samples.inverted:
        image = 255 - image
    image = image.astype(np.float32, copy=False)
    if image.ndim == 2:
        image = np.broadcast_to(image[..., None], (*image.shape, 3))
    if samples.alpha is not None:
        below = 255 * (1 - samples.alpha)
        image = image * (1 if samples.multiplied else samples.alpha) + below
        image = np.minimum(image, 255)
    return image


def scale(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return samples, floats, from 0 to 255; those outside of a range are clipped."""
    values = (values - low) * (255 / (high - low))
    values = np.nan_to_num(values, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    return np.clip(values, 0, 255, out=values)


def fits(low: float, high: float, whole: tuple[float, float]) -> bool:
    """Tell whether samples lie in a range, but for what resampling overshoots by."""
    width = whole[1] - whole[0]
    unit = max(map(abs, whole)) <= 1
    above, below = (_UNIT, _UNIT) if unit else (_ABOVE * width, _BELOW * width)
    if whole[0] == 0:
        # More is no overshoot, but samples with a sign.
        below = min(below, max(0.0, _UNIT * high))
    return whole[0] - below <= low and high <= whole[1] + above


def natural(kind: str) -> list[tuple[float, float]]:
    """Return the ranges that programs write samples of a type in, narrow ones first."""
    if kind.startswith("f"):
        return sorted(_FLOAT, key=lambda r: r[1] - r[0])
    least, most = FULL[kind]
    known = [*_UNSIGNED, *(() if kind.startswith("u") else _SIGNED)]
    inside = [r for r in dict.fromkeys(known) if least <= r[0] and r[1] <= most]
    return sorted(inside, key=lambda r: (r[1] - r[0], -r[0]))


def choose(kind: str, low: float, high: float) -> tuple[float, float]:
    """Return the range of a data set whose samples go from `low` to `high`.

    The narrowest natural one that holds them, where it is used by a fifth or has 8
    bits; else they themselves, from nought where they begin near it.
    """
    known = natural(kind)
    for whole in known:
        used = (high - low) / (whole[1] - whole[0])
        eight = kind != "float32" and whole == (0, 255)
        if fits(low, high, whole) and (used >= _LEAST_USED or eight or low == high):
            return whole
    if low == high:
        return min(low, 0), max(high, 0)
    if 0 <= low < high / 2:
        low = 0
    if kind == "float32":
        step = 10.0 ** (math.floor(math.log10(high - low)) - 2)
        return (
            round(math.floor(low / step) * step, 12),
            round(math.ceil(high / step) * step, 12),
        )
    return low, high


def used(
    lows: Sequence[float], highs: Sequence[float], whole: Sequence[float]
) -> float:
    """Return which share of a range the middle one of some pictures uses."""
    middle = float(np.median(highs)) - float(np.median(lows))
    return middle / (whole[1] - whole[0])
