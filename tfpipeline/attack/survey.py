"""What is asked of an attack beyond its pictures: curves, smallest norms, transfer."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.attack import lesson, plots
from tfpipeline.attack.defence_survey import Shield
from tfpipeline.attack.engine import perturbation_metrics, registry, sanity_checks
from tfpipeline.attack.engine.loop import Found
from tfpipeline.attack.engine.minimal import FastMinimumNorm
from tfpipeline.attack.engine.registry import Part
from tfpipeline.attack.engine.sequence import Campaign, smallest
from tfpipeline.attack.experiment import Strike, in_unit
from tfpipeline.attack.outputs import Outcome
from tfpipeline.config.adversary import written
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.models.load_network import Network

# Halvings of a radius that is looked for.
_ROUNDS = 8


def check_networks(
    every: Sequence[Network], judges: Sequence[Network], *, matrix: bool
) -> None:
    """Refuse networks that cannot be told apart, or compared, before anything is made.

    Args:
        every: That are attacked.
        judges: That take no part.
        matrix: Whether all are attacked alone.

    Raises:
        UserError: Two have one name, or their classes differ.
    """
    names = [network.name for network in (*every, *judges)]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"--judges, --together: expected every network once. Received {name} "
                "twice, counted with the one that is attacked. Leave one out."
            )
    for network in judges if matrix else ():
        if network.labels != every[0].labels:
            raise UserError(
                f"--matrix with {network.name}: expected the classes of "
                f"{every[0].name}, in the same order. Leave it out."
            )


class Survey:
    """What many attacks on the same photographs show, block by block.

    Args:
        strike: The attack, on no photographs yet.
        judges: Networks that took no part.
    """

    def __init__(self, strike: Strike, judges: Sequence[Network]) -> None:
        self.strike = strike
        self._every = [*strike.networks, *judges] if strike.settings.matrix else []
        # Traced once, for all blocks.
        self._alone = [strike.alone(network) for network in self._every]
        self._shields = {w: Shield.of(w, strike) for w in strike.plan.shields}
        self._minimal = self._least_parts()
        # Accuracy asks for no confidence: what is wrong is wrong.
        self._plain = strike.campaign
        if strike.victim.confidence:
            plain = dataclasses.replace(strike.victim, confidence=0.0)
            self._plain = strike.campaign_of(plain)
        self._known: list[float] = []
        self._least: list[float] = []
        count = len(self._every)
        self._fooled, self._able = np.zeros((count, count)), np.zeros((count, count))
        self._worth = {word: np.zeros(3) for word in self._shields}
        self._lesson: lesson.Lesson | None = None

    def copied(self) -> "Survey":
        """Return the same, which what comes next does not change."""
        same = copy.copy(self)
        same._known, same._least = list(self._known), list(self._least)
        same._fooled, same._able = self._fooled.copy(), self._able.copy()
        same._worth = {word: worth.copy() for word, worth in self._worth.items()}
        return same

    def add(self, outcome: Outcome) -> None:
        """Make the further attacks that were asked for.

        Args:
            outcome: Of the attack on some photographs.
        """
        strike, found = outcome.strike, outcome.found
        known = self._known_radii(strike, found)
        if strike.settings.minimal:
            least = self._smallest(strike)
            self._least += least.tolist()
            known = np.minimum(known, least)
        self._known += known.tolist()
        pictures = sanity_checks.levels(found.image)
        for word, shield in self._shields.items():
            self._worth[word] += shield.behind(strike, pictures)
        self._cross(outcome)

    def _known_radii(self, strike: Strike, found: Found) -> np.ndarray:
        """Return of each photograph the smallest size that is known to fool.

        A photograph that has fallen is attacked again at the smaller radii, one that
        has not at the larger ones, each time by all that was asked for. Confidence is
        not asked for: where the attack has had some, it is made again without.
        """
        campaign, at, radii = self._plain, strike.plan.epsilon, strike.plan.epsilons
        again = campaign is not strike.campaign and bool(radii)
        clean = in_unit(strike.clean)
        if again and campaign.minimal:
            free = campaign.norm.unbounded(int(np.prod(clean.shape[1:])))
            told = strike.title("without confidence")
            found = campaign.run(strike.wanted(free), told)
        size = campaign.sizes(found.image, clean)
        if campaign.minimal:
            return np.where(size > 0, size, np.inf)
        fallen = found.success
        if again:
            fallen = campaign.fooled(found.image, strike.wanted(at).index)
        known = np.where(fallen, size, np.inf)
        held = np.zeros(len(known))
        below = [radius for radius in radii if radius < at * 0.999]
        above = [
            radius for radius in radii if radius > at * (0.999 if again else 1.001)
        ]
        for radius in below[::-1] + above:
            small = radius < at * 0.999
            known_enough = np.isfinite(known) if small else np.isinf(known)
            rows = np.flatnonzero(known_enough & (known > radius) & (held < radius))
            if not len(rows):
                continue
            some = strike.wanted(radius).some(rows)
            told = written(radius, strike.settings.norm)
            got = campaign.run(some, strike.title(f"epsilon {told}"))
            size = campaign.sizes(got.image, some.clean)
            known[rows[got.success]] = size[got.success]
            if small:
                held[rows[~got.success]] = radius
        return known

    def _least_parts(self) -> tuple[Campaign, Campaign]:
        """Return who looks for the smallest, and who for smaller ones by bisection."""
        campaign = self.strike.campaign
        part = [p for p in self.strike.plan.parts if p.attack.minimal]
        minimal = campaign.but(part or [Part(FastMinimumNorm(), "margin")])
        return minimal, sanity_checks.bisecting(campaign)

    def _smallest(self, strike: Strike) -> np.ndarray:
        """Return the norms of the smallest perturbations.

        By the attack of the minimal norm, and by bisection of the radius below it.
        """
        minimal, halving = self._minimal
        values = int(np.prod(strike.clean.shape[1:]))
        wanted = strike.wanted(minimal.norm.unbounded(values))
        first = minimal.run(wanted, strike.title("smallest"))
        size = np.where(
            first.success, minimal.sizes(first.image, wanted.clean), wanted.epsilon
        )
        radius: np.ndarray = size.astype(np.float32)
        below = dataclasses.replace(wanted, epsilon=radius)
        second = smallest(halving, below, _ROUNDS, strike.title("smallest, bisection"))
        again = halving.sizes(second.image, wanted.clean)
        size = np.where(second.success & (again < size), again, size)
        return np.where(first.success | second.success, size, np.inf)

    def _least_by(self) -> str:
        """Say who looked for the smallest, and why not all that was asked for."""
        minimal, halving = self._minimal
        told = registry.spelled(minimal.parts)
        told += f"; then bisection of the radius by {registry.spelled(halving.parts)}"
        every = registry.cost(self.strike.campaign.parts)
        times = every / registry.cost(halving.parts)
        if not self.strike.campaign.minimal and times > 1.5:
            name = self.strike.settings.adversary.attack
            told += f" (all of {name} would take up to {times:.0f} times as many steps)"
        return told

    def _cross(self, outcome: Outcome) -> None:
        """Attack each of the networks alone, and show the pictures to all of them."""
        strike = outcome.strike
        label, clean = strike.labels, strike.clean
        right = [one.logits(clean).argmax(-1) == label for one in self._every]
        for row, alone in enumerate(self._alone):
            one = alone.on(strike.subjects, len(self._known), strike.title("") or "")
            name = self._every[row].name
            wanted = one.wanted(strike.plan.epsilon)
            got = one.campaign.run(wanted, one.title(f"{name} alone"))
            pictures = sanity_checks.levels(got.image)
            for column, other in enumerate(self._every):
                # What it is wrong about anyway is no success of the attack.
                able = right[column] | (strike.plan.target is not None)
                fooled = outcome.fooled(other.logits(pictures), label)
                self._fooled[row, column] += (fooled & able).sum()
                self._able[row, column] += able.sum()

    def lesson(
        self, outcome: Outcome, items: Sequence[dict[str, Any]], output: Path
    ) -> None:
        """Make the lesson's attack beside the right one, and write what it shows.

        Args:
            outcome: Of the attack on some photographs.
            items: What is told of each.
            output: The folder.
        """
        target = self.strike.plan.target
        assert target is not None
        self._lesson = self._lesson or lesson.Lesson(outcome.network, target)
        for item, subject in zip(items, outcome.strike.subjects):
            told, shown = self._lesson.attack(subject)
            file = Path("lesson", item["adversarial"])
            beside = file.with_stem(f"{file.stem}_beside")
            image_io.save_png(output / file, shown)
            ours = image_io.decode(output / item["adversarial"])
            drawn = lesson.beside(subject.picture, shown, ours, told, item)
            image_io.save_png(output / beside, drawn)
            item["lesson"] = told | {"shown": str(file), "beside": str(beside)}

    def _curve(self, wrong: int) -> list[tuple[float, float]]:
        """Return radii, and the share of the photographs that is out of their reach.

        Args:
            wrong: Photographs that fall without an attack.
        """
        if not self.strike.plan.epsilons:
            return []
        radii = (0.0, *self.strike.plan.epsilons)
        right = [True] * len(self._known) + [False] * wrong
        sizes = self._known + [0.0] * wrong
        return list(
            zip(radii, perturbation_metrics.robust_accuracy(sizes, right, radii))
        )

    def told(self, result: dict[str, Any], wrong: int, output: Path) -> None:
        """Put what was found into a result, and draw it.

        Args:
            result: For `attack.json`.
            wrong: Photographs that the network is wrong about without an attack.
            output: The folder.
        """
        settings, summary = self.strike.settings, result["summary"]
        unit, times = (
            ("1/255", 255.0) if settings.norm == "linf" else (settings.norm, 1)
        )
        targeted = self.strike.plan.target is not None
        curve = self._curve(0 if targeted else wrong)
        if curve:
            # Of another wrong class than the target nobody may say that it is right.
            share = "target_not_reached" if targeted else "accuracy"
            summary["curve"] = [{"epsilon": at, share: left} for at, left in curve]
        for item, size in zip(result["images"], self._least):
            item["least"] = float(size) if np.isfinite(size) else None
        least = [size * times for size in self._least if np.isfinite(size)]
        if self._least:
            summary["least_by"] = self._least_by()
        if least:
            summary["median_least"] = float(np.median(least)) / times
        names = [network.name for network in self._every]
        shares = np.divide(self._fooled, np.maximum(self._able, 1))
        matrix = {a: dict(zip(names, row.tolist())) for a, row in zip(names, shares)}
        if matrix:
            summary["matrix"] = matrix
        if self._worth:
            count = len(self._known)
            result["defences"] = {
                word: self._shields[word].told(worth / count)
                for word, worth in self._worth.items()
            }
        if settings.preset == "lesson":
            summary["lesson_defects"] = list(lesson.DEFECTS)
        if len(result["images"]) > 1:
            wish = result["images"][0]["target"]
            fool = f"become {wish}" if targeted else "fool it"
            drawn = plots.summary(
                f"{summary['network']}: {summary['success_rate']:.0%} of "
                f"{summary['attacked']} pictures {fool}, {settings.norm} at most "
                f"{written(self.strike.plan.epsilon, settings.norm)}",
                [(radius * times, left) for radius, left in curve],
                least,
                matrix,
                result.get("defences", {}),
                (unit, "share that is not the target" if targeted else plots.LEFT),
            )
            image_io.save_png(output / "overview.png", drawn)
            summary["overview"] = "overview.png"
