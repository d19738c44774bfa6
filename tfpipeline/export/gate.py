"""What a version is asked about before it is published, and what is let pass."""

import math
from collections.abc import Sequence

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import spread
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import converters

# What the gate of the version itself is called among those of other runtimes.
SAVEDMODEL = "savedmodel"

# Float32 here and there: more than the order of sums makes is a fault.
_TOLERANCE = 1e-4

# Images by which the ranges of 8-bit numbers are set, at most.
_RANGES = 100


def divide(
    held_out: Sequence[Row], train: Sequence[Row], most: int, needed: bool
) -> tuple[list[Row], list[Row]]:
    """Return the images of the gate, and others by which 8-bit ranges are set.

    What a network was fitted to says too little of it: the ranges come from training
    images, or, where there are none, from every other one of the images that there are.

    Args:
        held_out: Images that the gate may ask about, at least one.
        train: Training images; none where they are not known.
        most: Images of the gate.
        needed: Whether ranges are to be set.

    Returns:
        Both evenly spread over what there is; the second without any copy of an image
        of the first, and empty where none is needed.

    Raises:
        UserError: There are too few different images.
    """
    halved = needed and not train
    pool = held_out[::2] if halved else held_out
    gate = [pool[i] for i in spread.spread(len(pool), most)]
    if not needed:
        return gate, []
    of_gate = {row.sha256 for row in gate}
    others = held_out[1::2] if halved else train
    others = [row for row in others if row.sha256 not in of_gate]
    if not others:
        raise UserError(
            "--also litert_int8: expected images that set its ranges, and others that "
            f"the gate asks about. Received: {len(held_out)}, of which none is no copy "
            "of those. Name more by --images, or leave that flag out, and training "
            "images set them."
        )
    return gate, [others[i] for i in spread.spread(len(others), _RANGES)]


def tolerance(settings: ExportSettings, name: str) -> float:
    """Return by how much a probability may differ.

    Args:
        settings: What was asked for: one number for all, or one each for some.
        name: `savedmodel`, or another runtime.
    """
    given = settings.tolerance
    if isinstance(given, int | float):
        return given
    return (tolerances() | (given or {}))[name]


def tolerances() -> dict[str, float]:
    """Return by how much a probability may differ unless told, by what is written."""
    targets = converters.TARGETS
    return {SAVEDMODEL: _TOLERANCE} | {n: one.tolerance for n, one in targets.items()}


def check(given: float | dict[str, float] | None) -> None:
    """Refuse a name that nobody knows, and what is no difference.

    Args:
        given: One number for all, or one each for some.

    Raises:
        UserError: With the nearest known name, or what was expected.
    """
    known = tolerances()
    for name, value in given.items() if isinstance(given, dict) else (("", given),):
        if name and name not in known:
            raise unknown("--tolerance", name, known)
        if value is not None and not (0 < value and math.isfinite(value)):
            raise UserError(
                f"--tolerance{'.' if name else ''}{name}: expected a positive number. "
                f"Received: {value}."
            )
