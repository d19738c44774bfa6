"""What a comparison comes to, as `monitor.json` has it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.config.monitoring import MonitorSettings
from tfpipeline.monitor import drift
from tfpipeline.monitor.drift import Drift, Seen


def compare(
    held_out: Seen, arrived: Seen, settings: MonitorSettings
) -> tuple[Drift, tuple[Seen, Seen]]:
    """Return the test of at most `most` pictures of each, and which those were."""
    rng = np.random.default_rng([settings.seed, 3])
    own, other = (
        seen.part(draw(np.arange(len(seen.label)), settings.most, rng))
        for seen in (held_out, arrived)
    )
    choices = settings.permutations, settings.seed
    found = drift.compare(own, other, *choices, ignore_shares=settings.ignore_shares)
    return found, (own, other)


def draw(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most so many of some rows, at random, in their order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def result(
    settings: MonitorSettings,
    labels: Sequence[str],
    found: Drift,
    compared: tuple[Seen, Seen],
    counts: dict[str, Any],
    bad: list[dict[str, str]],
) -> dict[str, Any]:
    """Return the content of `monitor.json`, but for what has changed most."""
    held_out, arrived = compared
    return {
        "drift": found.p <= settings.false_alarms,
        "p": found.p,
        "false_alarms": settings.false_alarms,
        "tests": {
            name: {"drift": own["p"] <= settings.false_alarms, **own}
            for name, own in found.tests.items()
        },
        "shares": _shares(labels, held_out.label, arrived.label),
        "changed": [],
        "errors": bad,
        "summary": {
            "run": str(settings.run),
            "held_out": len(held_out.label),
            "compared": len(arrived.label),
            **counts,
            "ignore_shares": settings.ignore_shares,
            "permutations": settings.permutations,
        },
    }


def _shares(
    labels: Sequence[str], held_out: np.ndarray, arrived: np.ndarray
) -> list[dict[str, Any]]:
    """Return how often each class is predicted, the largest difference first."""
    rows: list[dict[str, Any]] = [
        {"class": name, "held_out": float(own), "arrived": float(other)}
        for name, own, other in zip(
            labels,
            np.bincount(held_out, minlength=len(labels)) / len(held_out),
            np.bincount(arrived, minlength=len(labels)) / len(arrived),
        )
    ]
    return sorted(rows, key=lambda row: -abs(row["arrived"] - row["held_out"]))
