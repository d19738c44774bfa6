"""What has to be known before a study is believed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.core.checks import Check, if_asked

# With fewer test images, one of them moves an accuracy by more than 0.01.
_ENOUGH_IMAGES = 100


def checks(
    rows: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what has to be known before a study is believed.

    Args:
        rows: One a seed.
        pairs: What is known of each pair.

    Returns:
        What `Check.told` returns of each, by name.
    """
    fewest = min((row["measured_on"] for row in rows), default=0)
    seeds = len({row["seed"] for row in rows})
    unchosen = [row["source"] for row in rows if not _known(row["validation_accuracy"])]
    unchosen = list(dict.fromkeys(unchosen))
    leaks = {pair["source"]: pair["leaks"] for pair in pairs}
    return {
        "enough_test_images": Check(
            if_asked(len(rows), fewest >= _ENOUGH_IMAGES),
            fewest,
            f"The smallest test set has at least {_ENOUGH_IMAGES} images.",
            f"It has {fewest}: one image more or less moves an accuracy "
            f"by {1 / fewest if fewest else 1:.3f}.",
        ).told(),
        "several_seeds": Check(
            if_asked(len(rows), seeds > 1),
            seeds,
            "Everything was repeated, so that intervals are known.",
            "One seed gives no intervals: differences may be luck.",
        ).told(),
        "validation_images": Check(
            if_asked(len(rows), not unchosen),
            unchosen,
            "Every source has validation images: they choose among the heads, and what "
            "to recommend.",
            f"No validation images in {', '.join(unchosen)}: the first head is taken, "
            "a plain linear one, and nothing is recommended.",
        ).told(),
        "no_leaks": Check(
            if_asked(len(leaks), not any(leaks.values())),
            leaks,
            "No test image is one that was learned from.",
            "Some are: accuracies are too high. `audit` names them.",
        ).told(),
    }


def _known(accuracy: float | None) -> bool:
    return accuracy is not None and not math.isnan(accuracy)
