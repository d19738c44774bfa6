"""What a comparison comes to, as `monitor.json` has it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpipeline.config.monitoring import MonitorSettings
from tfpipeline.core import target as targets
from tfpipeline.monitor import drift
from tfpipeline.monitor.drift import Drift, Seen

# Ranges of a predicted number, each with as many of the held-out pictures.
_PARTS = 10


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
    is_single = held_out.target == targets.SINGLE
    return {
        "drift": found.p <= settings.false_alarms,
        "p": found.p,
        "false_alarms": settings.false_alarms,
        "tests": {
            name: {"drift": own["p"] <= settings.false_alarms, **own}
            for name, own in found.tests.items()
        },
        "shares": _shares(labels, held_out, arrived),
        "changed": [],
        "errors": bad,
        "summary": {
            "run": str(settings.run),
            "held_out": len(held_out.label),
            "compared": len(arrived.label),
            **counts,
            **({} if is_single else {"target": held_out.target}),
            "ignore_shares": settings.ignore_shares,
            "permutations": settings.permutations,
        },
    }


def _shares(
    labels: Sequence[str], held_out: Seen, arrived: Seen
) -> list[dict[str, Any]]:
    """Return how often each class is predicted, the largest difference first.

    Of a number, how many values are in each tenth of the held-out ones.
    """
    both = held_out.label, arrived.label
    if held_out.target == targets.MULTI:
        shares = [label.mean(axis=0) for label in both]
    else:
        if held_out.target == targets.NUMBER:
            edges = np.unique(
                np.quantile(held_out.label, np.arange(1, _PARTS) / _PARTS)
            )
            labels = _ranges(edges.tolist())
            places = [np.searchsorted(edges, label, side="right") for label in both]
        else:
            places = [held_out.label, arrived.label]
        counts = [np.bincount(place, minlength=len(labels)) for place in places]
        shares = [own / len(label) for own, label in zip(counts, both)]
    rows: list[dict[str, Any]] = [
        {"class": name, "held_out": float(own), "arrived": float(other)}
        for name, own, other in zip(labels, *shares)
    ]
    return sorted(rows, key=lambda row: -abs(row["arrived"] - row["held_out"]))


def _ranges(edges: Sequence[float]) -> list[str]:
    """Return what the ranges between, below and above some numbers are called."""
    words = [f"{edge:.4g}" for edge in edges]
    inner = [f"{low} to {high}" for low, high in zip(words, words[1:])]
    return [f"below {words[0]}", *inner, f"{words[-1]} or more"]
