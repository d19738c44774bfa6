"""What is asked of an attack beyond its pictures: curves, smallest norms, transfer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import images
from tfpipeline.adversarial import honesty
from tfpipeline.adversarial.loop import Found
from tfpipeline.errors import UserError
from tfpipeline.report import perturbations
from tfpipeline.workflow import lesson, telling
from tfpipeline.workflow.attack_report import Outcome
from tfpipeline.workflow.striking import Strike
from tfpipeline.workflow.subjects import Subject


@dataclass
class Survey:
    """What many attacks on the same photographs have shown.

    Args:
        rates: Radii, and the share that is fooled at each.
        least: The smallest perturbations, and their norms.
        matrix: Of each network that was attacked, the share of its pictures that fools
            each network.
        defences: What each input defence is worth.
    """

    rates: list[tuple[float, float]] = field(default_factory=list)
    least: tuple[Found, np.ndarray] | None = None
    matrix: dict[str, dict[str, float]] = field(default_factory=dict)
    defences: dict[str, dict[str, Any]] = field(default_factory=dict)


def check_some(
    good: Sequence[Subject],
    left: Sequence[tuple[Subject, str]],
    bad: Sequence[tuple[Path, str]],
) -> None:
    """Refuse to go on where there is nothing to attack.

    Args:
        good: Photographs to attack.
        left: Photographs that are not, and why.
        bad: Files that could not be read, and why.

    Raises:
        UserError: There is none to attack.
    """
    if left and not good:
        subject, reason = left[0]
        raise UserError(
            f"--images: expected at least one photograph to attack. {subject.path}: "
            f"{reason}."
        )
    telling.check_some(good, bad)


def survey(outcome: Outcome) -> Survey:
    """Make the further attacks that were asked for.

    Args:
        outcome: Of the attack itself.
    """
    strike, found = outcome.strike, outcome.found
    made = Survey(strike.curve(float(found.success.mean())))
    if strike.settings.minimal:
        made.least = strike.least()
    pictures = honesty.levels(found.image)
    for word in strike.plan.shields:
        made.defences[word] = strike.behind(word, pictures)
    if strike.settings.matrix:
        made.matrix = _matrix(outcome)
    return made


def _matrix(outcome: Outcome) -> dict[str, dict[str, float]]:
    """Attack each of the networks alone, and show the pictures to all of them."""
    strike = outcome.strike
    every = [*strike.networks, *outcome.judges]
    label = np.array([subject.label for subject in strike.subjects])
    clean = strike.clean
    right = {one.name: one.logits(clean).argmax(-1) == label for one in every}
    found: dict[str, dict[str, float]] = {}
    for network in every:
        if network.labels != strike.networks[0].labels:
            raise UserError(
                f"--matrix with {network.name}: expected the classes of "
                f"{strike.networks[0].name}. Leave it out."
            )
        alone = Strike(
            [network],
            strike.subjects,
            strike.plan,
            strike.settings,
            strike.strategy,
            strike.titles,
        )
        got = honesty.quick(alone.campaign).run(alone.wanted(strike.plan.epsilon))
        pictures = honesty.levels(got.image)
        found[network.name] = {}
        for other in every:
            # What it is wrong about anyway is no success of the attack.
            able = strike.plan.target is not None or right[other.name]
            fooled = outcome.fooled(other.logits(pictures), label)
            share = fooled[able].mean() if np.any(able) else 0.0
            found[network.name][other.name] = float(share)
    return found


def add(result: dict[str, Any], made: Survey, outcome: Outcome, output: Path) -> None:
    """Put what was found into a result, and draw it.

    Args:
        result: For `attack.json`.
        made: What was found.
        outcome: Of the attack itself.
        output: The folder.
    """
    strike, summary = outcome.strike, result["summary"]
    norm = strike.settings.norm
    unit, times = ("1/255", 255.0) if norm == "linf" else (norm, 1.0)
    curve, least = [], []
    if made.rates:
        radii, rates = zip(*made.rates)
        result["checks"]["monotone"] = honesty.monotone(radii, rates).told()
        before = summary["clean_accuracy"] or 1.0
        curve = [(0.0, before)]
        # What fools at a radius does so at every larger one.
        reached = np.maximum.accumulate(rates)
        curve += [(r, before * (1 - float(rate))) for r, rate in zip(radii, reached)]
        summary["curve"] = [
            {"epsilon": radius, "accuracy": accuracy} for radius, accuracy in curve
        ]
    if made.least is not None:
        _, sizes = made.least
        for item, size in zip(result["images"], sizes):
            item["least"] = float(size) if np.isfinite(size) else None
        least = [float(size) * times for size in sizes if np.isfinite(size)]
        if least:
            summary["median_least"] = float(np.median(least)) / times
    if made.matrix:
        summary["matrix"] = made.matrix
    if made.defences:
        result["defences"] = made.defences
    if strike.settings.preset == "lesson":
        _lesson(result, outcome, output)
    if len(strike.subjects) > 1:
        drawn = perturbations.summary(
            [(radius * times, accuracy) for radius, accuracy in curve],
            least,
            made.matrix,
            unit,
        )
        images.save_png(output / "overview.png", drawn)
        summary["overview"] = "overview.png"


def _lesson(result: dict[str, Any], outcome: Outcome, output: Path) -> None:
    """Make the lesson's attack beside the right one."""
    target = outcome.strike.plan.target
    assert target is not None
    attack = lesson.Lesson(outcome.network, target)
    for item, subject in zip(result["images"], outcome.strike.subjects):
        told, shown = attack.attack(subject)
        file = f"lesson/{item['adversarial']}"
        images.save_png(output / file, shown)
        item["lesson"] = told | {"shown": file}
    result["summary"]["lesson_defects"] = list(lesson.DEFECTS)
