"""What has to be known before a study is believed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

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
        `passed`, `value`, `meaning` and `otherwise` of each.
    """
    fewest = min((row["measured_on"] for row in rows), default=0)
    seeds = len({row["seed"] for row in rows})
    unchosen = [row["source"] for row in rows if not _known(row["validation_accuracy"])]
    unchosen = list(dict.fromkeys(unchosen))
    leaks = {pair["source"]: pair["leaks"] for pair in pairs}
    return {
        "enough_test_images": {
            "passed": fewest >= _ENOUGH_IMAGES,
            "value": fewest,
            "meaning": f"The smallest test set has at least {_ENOUGH_IMAGES} images.",
            "otherwise": f"It has {fewest}: one image more or less moves an accuracy "
            f"by {1 / fewest if fewest else 1:.3f}.",
        },
        "several_seeds": {
            "passed": seeds > 1,
            "value": seeds,
            "meaning": "Everything was repeated, so that intervals are known.",
            "otherwise": "One seed gives no intervals: differences may be luck.",
        },
        "validation_images": {
            "passed": not unchosen,
            "value": unchosen,
            "meaning": "Every source has validation images: they choose among the "
            "heads, and what to recommend.",
            "otherwise": f"No validation images in {', '.join(unchosen)}: the first "
            "head is taken, a plain linear one, and nothing is recommended.",
        },
        "no_leaks": {
            "passed": not any(leaks.values()),
            "value": leaks,
            "meaning": "No test image is one that was learned from.",
            "otherwise": "Some are: accuracies are too high. `audit` names them.",
        },
    }


def _known(accuracy: float | None) -> bool:
    return accuracy is not None and not math.isnan(accuracy)
