"""What `attack.json` holds of all photographs together."""

import collections
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.attack.blocks import Attacking
from tfpipeline.attack.engine import evidence, registry
from tfpipeline.attack.engine.norms import GREY_LEVEL
from tfpipeline.attack.experiment import Strike
from tfpipeline.attack.photos import NETWORK
from tfpipeline.config import adversary as adversary_config
from tfpipeline.core.checks import Check, if_asked
from tfpipeline.models import load_network


def result(done: Attacking, checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return what `attack.json` holds, but for the seconds; draw what belongs to it.

    Args:
        done: All photographs were attacked.
        checks: That were made.
    """
    made, strike, settings = done.made, done.strike, done.strike.settings
    items, left = made.written.items, made.left
    threat = _threat(strike)
    told = {
        "threat_model": Check(True, threat, "what the attacker may do", "").told(),
        "only_right_ones": Check(
            all(item["clean_class"] == item["label"] for item in items),
            {"attacked": len(items), "left_out": len(left)},
            "only photographs that the network is right about are attacked",
            "mistakes without an attack were counted as success",
        ).told(),
        "survives_8_bits": Check(
            if_asked(
                sum(item["success"] for item in items),
                all(i["success_8bit"] or not i["success"] for i in items),
            ),
            sum(i["success"] and not i["success_8bit"] for i in items),
            "what has succeeded does so on the decoded file as well",
            "rounding to 8 bits undoes the attack, or makes it larger than epsilon: "
            "leave --adversary.eight_bit on",
        ).told(),
        "clean_accuracy_plausible": _known(done).told(),
    }
    told |= {name: check.told() for name, check in checks.items()}
    count = len(items)
    success = sum(item["success_8bit"] for item in items)
    reached = [item for item in items if item["success_8bit"]]
    total = count + made.wrong
    made.written.sheet()
    found = {
        "images": items,
        "left_out": left,
        "errors": [{"image": str(path), "error": reason} for path, reason in made.bad],
        "checks": told,
        "summary": {
            **load_network.about(strike.networks[0]),
            "together": [other.name for other in strike.networks[1:]],
            "attack": settings.adversary.attack,
            "attacks": registry.spelled(strike.plan.parts),
            "threat_model": threat,
            "attacked": count,
            "success_rate": success / count,
            # Of labels that the network itself has given, accuracy says nothing.
            "labels_from": dict(collections.Counter(i["label_from"] for i in items)),
            "clean_accuracy": count / total if total else None,
            # What became another class than the target is not right either.
            "robust_accuracy": (
                (count - success) / total
                if total and strike.plan.target is None
                else None
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
                for judge in done.judges
            },
            "steps": made.tally.steps,
            "stopped": str(done.stopped) if done.stopped else None,
            "figures": sum(item["figure"] is not None for item in items),
            "table": "attack.csv",
            "sheet": "sheet.png",
            "sheet_shows": len(made.written.first),
        },
    }
    made.survey.told(found, made.wrong, done.output.folder)
    return found


def table(
    items: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[list[object]]]:
    """Return the header and the rows of `attack.csv`: one photograph a row.

    Args:
        items: As in `attack.json`; what lies deeper gets a column of its own.
    """
    rows = [dict(_flat("", item)) for item in items]
    header = list(dict.fromkeys(name for row in rows for name in row))
    return header, [[row.get(name) for name in header] for row in rows]


def _flat(prefix: str, item: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in item.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value


def _known(done: Attacking) -> Check:
    """Tell whether the network knows the classes that folders and names tell of."""
    every = [
        (one["label_from"], one["label"] == one[seen])
        for some, seen in (
            (done.made.written.items, "clean_class"),
            (done.made.left, "class"),
        )
        for one in some
    ]
    right = [is_right for who, is_right in every if who != NETWORK]
    classes = len(done.strike.networks[0].labels)
    return evidence.plausible(sum(right), len(right), classes)


def _transfer(verdicts: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the share that fools a judge, of those that can; None without any."""
    known = [v["fooled"] for v in verdicts if v["fooled"] is not None]
    return float(np.mean(known)) if known else None


def _threat(strike: Strike) -> str:
    settings, plan = strike.settings, strike.plan
    radius = adversary_config.written(plan.epsilon, settings.norm)
    goal = "any wrong class"
    if plan.target is not None:
        goal = f"the class {strike.networks[0].labels[plan.target]!r}"
    grid = "any values"
    if settings.adversary.eight_bit:
        grid = "8-bit pictures"
        steps = np.floor(plan.epsilon / GREY_LEVEL + 1e-3)
        if settings.norm == "linf" and abs(plan.epsilon - steps * GREY_LEVEL) > 1e-5:
            grid += f" (of which none differs by more than {steps:.0f}/255)"
    return (
        f"changes of {settings.norm} norm at most {radius} of values in [0, 1], {grid} "
        f"at the network's input size, by somebody who knows the network; goal: {goal}"
    )
