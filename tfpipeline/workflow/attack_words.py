"""What `attack` says at its end, in a few lines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpipeline import config_adversary
from tfpipeline.terminal import Closing
from tfpipeline.workflow import networks


def closing_words(
    result: Mapping[str, Any], output: Path, page: Path | None
) -> Closing:
    """Say in a few lines what was reached, and what to be careful of.

    Args:
        result: As in `attack.json`.
        output: The folder.
        page: About it; None where there is none.
    """
    items, told = result["images"], result["summary"]
    success = sum(item["success_8bit"] for item in items)
    done = [
        f"{success} of {told['attacked']} pictures fool {told['network']} as saved "
        f"({told['seconds']['total']:.0f} s).",
        f"Threat model: {told['threat_model']}.",
    ]
    shown = []
    for item in items:
        size = config_adversary.written(item[item["norm"]], item["norm"])
        least = ""
        if item.get("least") is not None:
            smallest = config_adversary.written(item["least"], item["norm"])
            least = f", smallest {smallest}"
        shown.append(
            f"{Path(item['image']).name}: {item['clean_class']} "
            f"{item['clean_probability']:.3f} -> {item['final_class']} "
            f"{item['final_probability']:.3f}; {item['norm']} {size}{least}, "
            f"{item['steps']} steps"
        )
    for name, share in told["transfer"].items():
        fooled = "knows none of these classes, or none of them by sight"
        if share is not None:
            fooled = f"is fooled by {share:.0%} of those that it can lose or mistake"
        shown.append(f"{name}, which took no part, {fooled}.")
    for name, worth in result.get("defences", {}).items():
        shown.append(
            f"Behind {name}: {worth['fooled_unaware']:.0%} still fool; of an attack "
            f"that knows of it {worth['fooled_adaptive']:.0%}."
        )
    careful = []
    if left := len(result["left_out"]):
        careful.append(f"{left} left out, e.g. {result['left_out'][0]['reason']}.")
    if result["errors"]:
        first = result["errors"][0]
        careful.append(
            f"{len(result['errors'])} could not be read, e.g. {first['image']}: "
            f"{first['error']}."
        )
    for name, check in result["checks"].items():
        if not check["passed"]:
            careful.append(f"Careful: {name}: {check['otherwise']}.")
    careful += networks.careful(told)
    sheet = told.get("overview", items[0]["figure"] if len(items) == 1 else "sheet.png")
    return Closing(done, shown, careful, "attack.json", page or output / sheet)
