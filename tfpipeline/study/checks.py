"""What has to be known before a study is believed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.core import target as targets
from tfpipeline.core.checks import Check, if_asked
from tfpipeline.metrics import target_score

# With fewer test images, one of them moves an accuracy by more than 0.01.
_ENOUGH_IMAGES = 100


def checks(
    rows: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what has to be known before a study is believed, by name."""
    count, fewest = len(rows), min((row["measured_on"] for row in rows), default=0)
    seeds = len({row["seed"] for row in rows})
    score = target_score.of_row(rows[0] if rows else {})
    unchosen = [
        row["source"]
        for row in rows
        if row[score.validation] is None or math.isnan(row[score.validation])
    ]
    unchosen = list(dict.fromkeys(unchosen))
    leaks = {pair["source"]: pair["leaks"] for pair in pairs}
    single = score.target in targets.CLASSES
    moves = f"with so few, {score.name} is rough"
    figures = "accuracies" if single else f"figures ({score.name})"
    if single:
        moves = f"one image more or less moves an accuracy by {1 / (fewest or 1):.3f}"
    every = {
        "enough_test_images": Check(
            if_asked(count, fewest >= _ENOUGH_IMAGES),
            fewest,
            f"The smallest test set has at least {_ENOUGH_IMAGES} images.",
            f"It has {fewest}: {moves}.",
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
            f"Some test images are also training images: {figures} are too high. "
            "`audit` lists them.",
        ),
    }
    return {name: check.told() for name, check in every.items()}
