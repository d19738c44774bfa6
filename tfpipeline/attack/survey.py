"""What is asked of an attack beyond its pictures: curves, smallest norms, transfer."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.attack import plots
from tfpipeline.attack.engine import (
    defences,
    perturbation_metrics,
    registry,
    sanity_checks,
)
from tfpipeline.attack.engine.loop import Outcome
from tfpipeline.attack.engine.minimal import FastMinimumNorm
from tfpipeline.attack.engine.registry import Part
from tfpipeline.attack.engine.sequence import Campaign, smallest
from tfpipeline.attack.experiment import Strike
from tfpipeline.core import image_io

# Of a random defence: how often an attack that knows of it asks for each step, at
# least, and how often its pictures are shown to it afterwards.
_SAMPLES, _DRAWS = 8, 10


class _Shield:
    """A network behind a defence: what attacks come to that know of it, or do not."""

    def __init__(self, word: str, strike: Strike) -> None:
        defence, plain = defences.find(word), strike.model
        random = defences.is_random(word)
        if random:
            samples = max(_SAMPLES, plain.samples)
            known = dataclasses.replace(plain, changes=[defence], samples=samples)
        else:
            behind = [defences.adaptive(model, word) for model in plain.models]
            known = dataclasses.replace(plain, models=behind)
        self.word, self.draws = word, _DRAWS if random else 1
        self.adaptive = strike.campaign_of(known)
        if random:
            # Each step costs as many as there are samples: of a series, the first.
            self.adaptive = sanity_checks.climbing(self.adaptive)
            self.adaptive = self.adaptive.but(self.adaptive.parts[:1])
        # They say whether an attack is successful, and whether an answer is wrong.
        seen = dataclasses.replace(known, samples=1, confidence=0.0)
        self.judge = strike.campaign_of(seen)
        self.right = strike.campaign_of(dataclasses.replace(seen, targeted=False))

    def counts(self, strike: Strike, pictures: np.ndarray) -> np.ndarray:
        """Return how many are right, and how many fool, unaware and adaptive.

        Of the photographs of a strike, and the uint8 pictures that it made of them.
        """
        goals = strike.goals()
        wrong = self._rate(self.right, goals.clean, strike.labels)
        unaware = self._rate(self.judge, pictures / np.float32(255), goals.index)
        outcome = self.adaptive.run(goals, strike.title(f"knowing of {self.word}"))
        size = self.adaptive.sizes(outcome.image, goals.clean)
        counts = strike.epsilon.holds(size)
        adaptive = self._rate(self.judge, outcome.image[counts], goals.index[counts])
        return np.array([len(goals) - wrong, unaware, adaptive])

    def _rate(self, judge: Campaign, image: np.ndarray, index: np.ndarray) -> float:
        """Return how many images fool a judge, each counted by its share of draws."""
        each = [judge.fooled(image, index, turn).sum() for turn in range(self.draws)]
        return float(np.mean(each))

    def summary(self, shares: np.ndarray) -> dict[str, Any]:
        """Return it for `attack.json`, from `counts` as shares of all photographs."""
        names = ("clean_accuracy", "fooled_unaware", "fooled_adaptive")
        return dict(zip(names, shares.tolist())) | {
            "draws": self.draws,
            "samples_a_step": self.adaptive.model.samples,
            "knowing_attack": registry.spelled(self.adaptive.parts),
        }


class Survey:
    """What many attacks on the same photographs show, block by block."""

    def __init__(self, strike: Strike) -> None:
        self.strike = strike
        matrix = strike.settings.matrix
        self._every = [*strike.networks, *strike.judges] if matrix else []
        # Traced once, for all blocks.
        self._alone = [strike.alone(network) for network in self._every]
        words = dict.fromkeys(strike.settings.defences)
        self._shields = [_Shield(word, strike) for word in words]
        campaign = strike.campaign
        # Who looks for the smallest, and who for smaller ones by bisection.
        minimal = [part for part in campaign.parts if part.attack.minimal]
        self._minimal = campaign.but(minimal or [Part(FastMinimumNorm(), "margin")])
        self._bisecting = sanity_checks.bisecting(campaign)
        # Accuracy asks for no confidence: what is wrong is wrong.
        self._plain = campaign
        if strike.model.confidence:
            plain = dataclasses.replace(strike.model, confidence=0.0)
            self._plain = strike.campaign_of(plain)
        self._known: list[float] = []
        self._least: list[float] = []
        count = len(self._every)
        self._fooled, self._able = np.zeros((count, count)), np.zeros((count, count))
        self._worth = np.zeros((len(self._shields), 3))

    def __copy__(self) -> "Survey":
        """Return the same, which what comes next does not change."""
        same = object.__new__(Survey)
        for name, value in vars(self).items():
            grows = isinstance(value, list | np.ndarray)
            setattr(same, name, copy.copy(value) if grows else value)
        return same

    def add(self, strike: Strike, outcome: Outcome) -> None:
        """Make the further attacks that were asked for on some photographs."""
        known = self._known_radii(strike, outcome)
        if strike.settings.minimal:
            least = self._smallest(strike)
            self._least += least.tolist()
            known = np.minimum(known, least)
        self._known += known.tolist()
        pictures = sanity_checks.levels(outcome.image)
        for row, shield in enumerate(self._shields):
            self._worth[row] += shield.counts(strike, pictures)
        self._cross(strike)

    def _known_radii(self, strike: Strike, outcome: Outcome) -> np.ndarray:
        """Return of each photograph the smallest size that is known to fool.

        A photograph that has fallen is attacked again at the smaller radii, one that
        has not at the larger ones, each time by all that was asked for. Confidence is
        not asked for: where the attack has had some, it is made again without.
        """
        campaign, at, radii = self._plain, strike.epsilon, strike.epsilons
        again = campaign is not strike.campaign and bool(radii)
        clean = strike.goals().clean
        if again and campaign.minimal:
            title = strike.title("without confidence")
            outcome = campaign.run(campaign.unbounded(strike.goals()), title)
        size = campaign.sizes(outcome.image, clean)
        if campaign.minimal:
            return np.where(size > 0, size, np.inf)
        fallen = outcome.success
        if again:
            fallen = campaign.fooled(outcome.image, strike.goals().index)
        known = np.where(fallen, size, np.inf)
        held = np.zeros(len(known))
        below = [epsilon for epsilon in radii if epsilon < at]
        above = [
            epsilon for epsilon in radii if epsilon > at or again and epsilon == at
        ]
        for epsilon in below[::-1] + above:
            small, radius = epsilon < at, epsilon.value
            known_enough = np.isfinite(known) if small else np.isinf(known)
            rows = np.flatnonzero(known_enough & (known > radius) & (held < radius))
            if not len(rows):
                continue
            goals = strike.goals(epsilon).take(rows)
            result = campaign.run(goals, strike.title(f"epsilon {epsilon}"))
            size = campaign.sizes(result.image, goals.clean)
            known[rows[result.success]] = size[result.success]
            if small:
                held[rows[~result.success]] = radius
        return known

    def _smallest(self, strike: Strike) -> np.ndarray:
        """Return the norms of the smallest perturbations.

        By the attack of the minimal norm, and by bisection of the radius below it.
        """
        minimal, bisecting = self._minimal, self._bisecting
        goals = minimal.unbounded(strike.goals())
        first = minimal.run(goals, strike.title("smallest"))
        size = minimal.sizes(first.image, goals.clean)
        radius: np.ndarray = np.where(first.success, size, goals.epsilon)
        below = dataclasses.replace(goals, epsilon=radius.astype(np.float32))
        title = strike.title("smallest, bisection")
        second = smallest(bisecting, below, title=title)
        again = bisecting.sizes(second.image, goals.clean)
        size = np.where(second.success & (again < radius), again, radius)
        return np.where(first.success | second.success, size, np.inf)

    def _least_by(self) -> str:
        """Say who looked for the smallest, and why not all that was asked for."""
        parts = self._bisecting.parts
        words = registry.spelled(self._minimal.parts)
        words += f"; then bisection of the radius by {registry.spelled(parts)}"
        times = registry.cost(self.strike.campaign.parts) / registry.cost(parts)
        if not self.strike.campaign.minimal and times > 1.5:
            name = self.strike.settings.adversary.attack
            words += (
                f" (all of {name} would take up to {times:.0f} times as many steps)"
            )
        return words

    def _cross(self, strike: Strike) -> None:
        """Attack each of the networks alone, and show the pictures to all of them."""
        label, clean = strike.labels, strike.clean
        right = [network.logits(clean).argmax(-1) == label for network in self._every]
        for row, alone in enumerate(self._alone):
            one = alone.on(strike.subjects, len(self._known), strike.title("") or "")
            name = self._every[row].name
            outcome = one.campaign.run(one.goals(), one.title(f"{name} alone"))
            pictures = sanity_checks.levels(outcome.image)
            for column, other in enumerate(self._every):
                # What it is wrong about anyway is no success of the attack.
                able = right[column] | (strike.target is not None)
                fooled = strike.fools(other.logits(pictures), label)
                self._fooled[row, column] += (fooled & able).sum()
                self._able[row, column] += able.sum()

    def _curve(self, wrong: int) -> list[tuple[float, float]]:
        """Return radii, and the share of the photographs that is out of their reach.

        Of all, so many fall without an attack.
        """
        if not self.strike.epsilons:
            return []
        radii = [0.0, *(epsilon.value for epsilon in self.strike.epsilons)]
        right = [True] * len(self._known) + [False] * wrong
        sizes = self._known + [0.0] * wrong
        shares = perturbation_metrics.robust_accuracy(sizes, right, radii)
        return list(zip(radii, shares))

    def report(self, result: dict[str, Any], wrong: int, output: Path) -> None:
        """Put what was measured into a result, and draw it in a folder.

        So many photographs the network is wrong about without an attack.
        """
        summary, epsilon = result["summary"], self.strike.epsilon
        targeted = self.strike.target is not None
        curve = self._curve(0 if targeted else wrong)
        if curve:
            # Of another wrong class than the target nobody may say that it is right.
            share = "target_not_reached" if targeted else "accuracy"
            summary["curve"] = [{"epsilon": at, share: left} for at, left in curve]
        for item, size in zip(result["images"], self._least):
            item["least"] = float(size) if np.isfinite(size) else None
        least = [size for size in self._least if np.isfinite(size)]
        if self._least:
            summary["least_by"] = self._least_by()
        if least:
            summary["median_least"] = float(np.median(least))
        names = [network.name for network in self._every]
        shares = np.divide(self._fooled, np.maximum(self._able, 1))
        matrix = {a: dict(zip(names, row.tolist())) for a, row in zip(names, shares)}
        if matrix:
            summary["matrix"] = matrix
        if self._shields:
            result["defences"] = {
                shield.word: shield.summary(worth / len(self._known))
                for shield, worth in zip(self._shields, self._worth)
            }
        if len(result["images"]) > 1:
            wish = result["images"][0]["target"]
            fool = f"become {wish}" if targeted else "fool it"
            unit, scale = epsilon.unit
            drawn = plots.summary(
                f"{summary['network']}: {summary['success_rate']:.0%} of "
                f"{summary['attacked']} pictures {fool}, {epsilon.norm} at most "
                f"{epsilon}",
                [(radius * scale, left) for radius, left in curve],
                [size * scale for size in least],
                matrix,
                result.get("defences", {}),
                (unit, "share that is not the target" if targeted else plots.LEFT),
            )
            image_io.save_png(output / "overview.png", drawn)
            summary["overview"] = "overview.png"
