"""What `attack` says at its end, in a few lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.core.checks import failed, unasked
from tfpipeline.core.console import Closing
from tfpipeline.models import load_network


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
        size = Epsilon(item[item["norm"]], item["norm"])
        least = ""
        if item.get("least") is not None:
            smallest = Epsilon(item["least"], item["norm"])
            least = f", smallest {smallest}"
        shown.append(
            f"{Path(item['image']).name}: {item['clean_class']} "
            f"{item['clean_probability']:.3f} -> {item['final_class']} "
            f"{item['final_probability']:.3f}; {item['norm']} {size}{least}, "
            f"{item['steps']} steps"
        )
    if told.get("least_by"):
        shown.append(f"Smallest perturbations: by {told['least_by']}.")
    for name, share in told["transfer"].items():
        fooled = "knows none of these classes, or none of them by sight"
        if share is not None:
            fooled = f"is fooled by {share:.0%} of those that could fool it"
        shown.append(f"{name}, which took no part, {fooled}.")
    for name, worth in result.get("defences", {}).items():
        shown.append(
            f"Behind {name}: right on {worth['clean_accuracy']:.0%} without an attack; "
            f"{worth['fooled_unaware']:.0%} still fool; of an attack that knows of it "
            f"{worth['fooled_adaptive']:.0%}."
        )
    shown += unasked(result["checks"])
    careful = []
    if left := len(result["left_out"]):
        careful.append(f"{left} left out, e.g. {result['left_out'][0]['reason']}.")
    if result["errors"]:
        first = result["errors"][0]
        careful.append(
            f"{len(result['errors'])} could not be read, e.g. {first['image']}: "
            f"{first['error']}."
        )
    for name, check in failed(result["checks"]).items():
        careful.append(f"Careful: {name}: {check['otherwise']}.")
    careful += load_network.careful(told)
    shown += _lesson(items)
    small = [item for item in items if "full_size" in item and not item["full_size"]]
    if small:
        first_small = Path(small[0]["image"]).name
        careful.append(
            f"Without a full size: {len(small)}, e.g. {first_small}: smaller than the "
            "input of the network, or not squashed into it."
        )
    if told["figures"] < len(items):
        shown.append(
            f"{told['figures']} of {len(items)} have a figure (--figures null: all)."
        )
    one = items[0]["figure"] if len(items) == 1 else None
    sheet = told.get("overview") or one or told["sheet"]
    return Closing(done, shown, careful, "attack.json", page or output / sheet)


def _lesson(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what the lesson reports of the first photograph, and what is true."""
    if "lesson" not in items[0]:
        return []
    told, name = items[0]["lesson"], Path(items[0]["image"]).name
    reported, measured = told["reported"], told["measured"]
    clean, made = reported["clean_on_0_to_255"], reported["attacked_on_0_to_1"]
    real, kept = measured["clean_right"], measured["clipped_right"]
    return [
        f"The lesson's attack on {name}: it reports {clean['class']} "
        f"{clean['probability']:.3f} (on values of 0 to 255) -> {made['class']} "
        f"{made['probability']:.3f} (on 0 to 1). True: {real['class']} "
        f"{real['probability']:.3f} -> {kept['class']} {kept['probability']:.3f} as a "
        f"picture, changed by linf {Epsilon(measured['linf'])}"
        f". Beside the right one: {told['beside']}."
    ]
