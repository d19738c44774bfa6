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
    """Return what has to be known before a study is believed, by name."""
    count, fewest = len(rows), min((row["measured_on"] for row in rows), default=0)
    seeds = len({row["seed"] for row in rows})
    unchosen = [
        row["source"]
        for row in rows
        if row["validation_accuracy"] is None or math.isnan(row["validation_accuracy"])
    ]
    unchosen = list(dict.fromkeys(unchosen))
    leaks = {pair["source"]: pair["leaks"] for pair in pairs}
    every = {
        "enough_test_images": Check(
            if_asked(count, fewest >= _ENOUGH_IMAGES),
            fewest,
            f"The smallest test set has at least {_ENOUGH_IMAGES} images.",
            f"It has {fewest}: one image changes the accuracy "
            f"by {1 / fewest if fewest else 1:.3f}.",
        ),
        "several_seeds": Check(
            if_asked(count, seeds > 1),
            seeds,
            "There are several seeds, so intervals are known.",
            "One seed gives no intervals: differences may be chance.",
        ),
        "validation_images": Check(
            if_asked(count, not unchosen),
            unchosen,
            "Every source has validation images, which choose the head and the "
            "recommendation.",
            f"No validation images in {', '.join(unchosen)}: the first head, a plain "
            "linear one, is used, and nothing is recommended.",
        ),
        "no_leaks": Check(
            if_asked(len(leaks), not any(leaks.values())),
            leaks,
            "No test image is also a training image.",
            "Some test images are also training images: accuracies are too high. "
            "`audit` lists them.",
        ),
    }
    return {name: check.told() for name, check in every.items()}
