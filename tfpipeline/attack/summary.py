"""What `attack.json` and `attack.csv` hold of all photographs together."""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.attack.blocks import Blocks
from tfpipeline.attack.engine import registry, sanity_checks
from tfpipeline.attack.experiment import Strike
from tfpipeline.attack.lesson import DEFECTS
from tfpipeline.attack.photos import NETWORK
from tfpipeline.core import contact_sheets, image_io
from tfpipeline.core.checks import Check, if_asked
from tfpipeline.models import load_network


def result(done: Blocks, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return what `attack.json` holds, but for the seconds; draw what belongs to it."""
    progress, strike, settings = done.progress, done.strike, done.strike.settings
    items, left = progress.items, progress.left
    threat = _threat(strike)
    own = {
        "threat_model": Check(True, threat, "what the attacker may do"),
        "only_right_ones": Check(
            all(item["clean_class"] == item["label"] for item in items),
            {"attacked": len(items), "left_out": len(left)},
            "only photographs that the network classifies correctly are attacked",
            "errors without an attack were counted as successes",
        ),
        "survives_8_bits": Check(
            if_asked(
                sum(item["success"] for item in items),
                all(i["success_8bit"] or not i["success"] for i in items),
            ),
            sum(i["success"] and not i["success_8bit"] for i in items),
            "attacks that succeed also succeed on the decoded file",
            "rounding to 8 bits undoes the attack, or makes it larger than epsilon: "
            "leave --adversary.eight_bit on",
        ),
        "clean_accuracy_plausible": _plausible(done),
    }
    count = len(items)
    success = sum(item["success_8bit"] for item in items)
    reached = [item for item in items if item["success_8bit"]]
    total = count + progress.wrong
    folder = done.output.folder
    captions = [
        f"{i['label']}\n"
        + (f"now {i['final_class']}" if i["success_8bit"] else "NOT FOOLED")
        for i in items[: len(progress.first)]
    ]
    sheet = contact_sheets.contact_sheet(
        progress.first, captions, min(5, len(captions))
    )
    image_io.save_png(folder / "sheet.png", sheet)
    whole: dict[str, Any] = {
        "images": items,
        "left_out": left,
        "errors": [
            {"image": str(path), "error": reason} for path, reason in progress.bad
        ],
        "checks": {name: check.told() for name, check in {**own, **checks}.items()},
        "summary": {
            **load_network.about(strike.networks[0]),
            "together": [other.name for other in strike.networks[1:]],
            "attack": settings.adversary.attack,
            "attacks": registry.spelled(strike.campaign.parts),
            "threat_model": threat,
            "attacked": count,
            "success_rate": success / count,
            # Of labels that the network itself has given, accuracy says nothing.
            "labels_from": dict(collections.Counter(i["label_from"] for i in items)),
            "clean_accuracy": count / total if total else None,
            # What became another class than the target is not right either.
            "robust_accuracy": (
                (count - success) / total if total and strike.target is None else None
            ),
            "success_rate_jpeg": {
                word: float(np.mean([i["success_jpeg"][word] for i in items]))
                for word in settings.jpeg
            },
            "median": {
                name: float(np.median([i[name] for i in reached]))
                for name in ("linf", "l2", "l1", "l0", "psnr", "ssim", "steps")
                if reached and all(i[name] is not None for i in reached)
            },
            "transfer": {
                judge.name: _transfer([i["judges"][judge.name] for i in items])
                for judge in strike.judges
            },
            "steps": progress.tally.steps,
            "stopped": str(done.stopped) if done.stopped else None,
            "figures": sum(item["figure"] is not None for item in items),
            "table": "attack.csv",
            "sheet": "sheet.png",
            "sheet_shows": len(progress.first),
        },
    }
    progress.survey.report(whole, progress.wrong, folder)
    if settings.preset == "lesson":
        whole["summary"]["lesson_defects"] = list(DEFECTS)
    return whole


def table(
    items: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[list[object]]]:
    """Return the header and the rows of `attack.csv`: one photograph a row.

    What lies deeper in an item of `attack.json` gets a column of its own.
    """
    rows = [dict(_flatten("", item)) for item in items]
    header = list(dict.fromkeys(name for row in rows for name in row))
    return header, [[row.get(name) for name in header] for row in rows]


def _flatten(prefix: str, item: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in item.items():
        if isinstance(value, Mapping):
            yield from _flatten(f"{prefix}{name}.", value)
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value


def _plausible(done: Blocks) -> Check:
    """Tell whether the network knows the classes that folders and names tell of."""
    right = [i["clean_class"] == i["label"] for i in _known(done.progress.items)]
    right += [i["class"] == i["label"] for i in _known(done.progress.left)]
    classes = len(done.strike.networks[0].labels)
    return sanity_checks.plausible(sum(right), len(right), classes)


def _known(items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [item for item in items if item["label_from"] != NETWORK]


def _transfer(verdicts: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share that fools a judge, of those that can; None without any."""
    known = [v["fooled"] for v in verdicts if v["fooled"] is not None]
    return float(np.mean(known)) if known else None


def _threat(strike: Strike) -> str:
    epsilon, target = strike.epsilon, strike.target
    goal = "any wrong class"
    if target is not None:
        goal = f"the class {strike.networks[0].labels[target]!r}"
    grid = "8-bit pictures" if epsilon.grid else "any values"
    if not epsilon.whole().holds(epsilon.value):
        grid += f" (of which none differs by more than {epsilon.whole()})"
    return (
        f"changes of {epsilon.norm} norm at most {epsilon} of values in [0, 1], {grid} "
        f"at the network's input size, by somebody who knows the network; goal: {goal}"
    )
