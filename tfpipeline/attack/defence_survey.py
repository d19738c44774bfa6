"""What an input defence is worth: against who does not know of it, and who does."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfpipeline.attack.engine import defences, registry, sanity_checks
from tfpipeline.attack.engine.norms import inside
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.attack.experiment import Strike, in_unit

# Of a random defence: how often an attack that knows of it asks for each step, at
# least, and how often its pictures are shown to it afterwards.
_SAMPLES, _DRAWS = 8, 10


@dataclass(frozen=True)
class Shield:
    """A network behind a defence, as each is asked about it.

    Args:
        word: What the user calls the defence.
        knowing: The attack that knows of it.
        judge: Whether the attack is successful.
        right: Whether an answer is wrong, whatever the attack wanted.
        draws: How often a picture is shown.
    """

    word: str
    knowing: Campaign
    judge: Campaign
    right: Campaign
    draws: int

    @classmethod
    def of(cls, word: str, strike: Strike) -> "Shield":
        """Return the network of an attack behind a defence.

        Args:
            word: Of the plan's defences.
            strike: On any photographs.
        """
        defence, plain = strike.plan.shields[word], strike.victim
        random = defences.is_random(word)
        if random:
            samples = max(_SAMPLES, plain.samples)
            known = dataclasses.replace(plain, changes=[defence], samples=samples)
        else:
            behind = [defences.adaptive(model, word) for model in plain.models]
            known = dataclasses.replace(plain, models=behind)
        seen = dataclasses.replace(known, samples=1, confidence=0.0)
        knowing = strike.campaign_of(known)
        if random:
            # Each step costs as many as there are samples: of a series, the first.
            knowing = sanity_checks.quick(knowing)
        return cls(
            word,
            knowing,
            strike.campaign_of(seen),
            strike.campaign_of(dataclasses.replace(seen, targeted=False)),
            _DRAWS if random else 1,
        )

    def behind(self, strike: Strike, pictures: np.ndarray) -> np.ndarray:
        """Return how many are right, and how many fool, unaware and knowing.

        Args:
            strike: On some photographs.
            pictures: What it has made of them, uint8, shape (n, height, width, 3).
        """
        wanted = strike.wanted(strike.plan.epsilon)
        wrong = self._rate(self.right, wanted.clean, strike.labels)
        blind = self._rate(self.judge, in_unit(pictures), wanted.index)
        got = self.knowing.run(wanted, strike.title(f"knowing of {self.word}"))
        size = self.knowing.sizes(got.image, wanted.clean)
        counts = inside(size, strike.plan.epsilon)
        knowing = self._rate(self.judge, got.image[counts], wanted.index[counts])
        return np.array([len(wanted) - wrong, blind, knowing])

    def _rate(self, judge: Campaign, image: np.ndarray, index: np.ndarray) -> float:
        """Return how many images fool a judge, each counted by its share of draws."""
        each = [judge.fooled(image, index, turn).sum() for turn in range(self.draws)]
        return float(np.mean(each))

    def told(self, shares: np.ndarray) -> dict[str, Any]:
        """Return it for `attack.json`.

        Args:
            shares: What `behind` has returned of all photographs, as shares of them.
        """
        names = ("clean_accuracy", "fooled_unaware", "fooled_adaptive")
        return dict(zip(names, shares.tolist())) | {
            "draws": self.draws,
            "samples_a_step": self.knowing.victim.samples,
            "knowing_attack": registry.spelled(self.knowing.parts),
        }
