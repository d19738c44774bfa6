"""What measured rates mean: how long a training will take, and what holds it back."""

from collections.abc import Mapping

# For so many images a training is foretold.
COUNTS = (1_000, 10_000, 100_000, 1_000_000)

# Reading has to be so much faster than the network for the network never to wait.
_AHEAD = 1.25


def forecast(
    rates: Mapping[str, float], fixed_seconds: float, epochs: int
) -> list[dict[str, float]]:
    """Return how long trainings of a head on a frozen network will take, by `COUNTS`.

    All that is beyond tracing, saving and the page, which nothing here measures. Every
    part grows with the number of images: their audit, their one way through the
    network, and the epochs of the head. A later run on the same images needs the last
    alone.
    """
    rows = []
    for count in COUNTS:
        again = fixed_seconds + epochs * count / rates["head"]
        first = again + count / rates["audit"] + count / rates["extraction"]
        rows.append({"images": count, "first_seconds": first, "again_seconds": again})
    return rows


def verdict(rates: Mapping[str, float]) -> tuple[str, str]:
    """Return what holds extraction back, in a word, and what to do about it."""
    ahead = rates["reading"] / rates["network"]
    if ahead >= _AHEAD:
        return "compute-bound", (
            f"The network takes the time: reading could feed {ahead:.1f} times as "
            "many images. More cores, a GPU, a smaller --model.backbone or "
            "--model.image_size help; a faster disk does not."
        )
    if ahead <= 1 / _AHEAD:
        return "input-bound", (
            f"Reading holds the network back, which could take {1 / ahead:.1f} times "
            "as many images. More cores or smaller pictures help; so does "
            "`python -m tfpipeline.pack` on a slow disk. A faster network does not."
        )
    return "balanced", (
        "Reading and the network are about as fast as each other: only more cores "
        "for both help."
    )


def duration(seconds: float) -> str:
    """Return a duration as people say it."""
    for unit, length in (("s", 1), ("min", 60)):
        if seconds < 100 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 3600:.0f} h"
