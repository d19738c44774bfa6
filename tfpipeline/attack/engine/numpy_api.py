"""Arrays in, adversarial arrays out: an attack in one call, for other programs."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine import registry, sanity_checks
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.attack.engine.loop import Goals, Outcome
from tfpipeline.attack.engine.model import AttackedModel, Change, Model, inspect
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core import console

# Images that the network is inspected with, before it is attacked.
_INSPECTED = 16


@dataclass(frozen=True)
class Perturbing:
    """An attack on any network, which is inspected before.

    Args:
        epsilon: Radius in [0, 1], a number or a fraction such as `4/255`.
        norm: `linf`, `l2` or `l1`.
        targeted: Whether images are to get a class, and not only to lose theirs.
        adversary: The attack and how it goes.
        seed: Of all draws.
        changes: Random changes before the network, of images and a seed each: the
            attack expects over `adversary.samples` draws of them.

    Raises:
        UserError: A name is unknown, or a number means nothing.
    """

    epsilon: str | float
    norm: str = "linf"
    targeted: bool = False
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    seed: int = 0
    changes: Sequence[Change] = ()

    def __post_init__(self) -> None:
        registry.choose(self.adversary, self.norm, targeted=self.targeted)
        self._radius()

    def _radius(self) -> Epsilon:
        grid = self.adversary.eight_bit
        return Epsilon.read(self.epsilon, "--epsilon", self.norm, grid=grid)

    def __call__(self, network: Model, images: Any, index: Any) -> Outcome:
        """Return the images that the attack found, and which of them fool.

        Where gradients say nothing, or the network answers twice in two ways, that is
        said in a warning: what withstands may only look robust then. So is how many
        images are wrong without an attack: they are no success of it.

        Args:
            network: A Keras model, or any function, from images in [0, 1], shape
                (n, height, width, 3), to logits, shape (n, classes).
            images: In [0, 1], shape (n, height, width, 3), or uint8.
            index: The target or the label of each, shape (n,).

        Raises:
            UserError: The images are not in [0, 1], or the answers are no logits.
        """
        adversary, given = self.adversary, {}
        if isinstance(network, keras.Model):
            given["training"] = False
        model = AttackedModel(
            [functools.partial(network, **given)],
            self.targeted,
            self.changes,
            samples=adversary.samples,
            seed=self.seed,
            confidence=adversary.confidence,
        )
        goals = Goals.of(np.asarray(images), index, self._radius().value)
        few = goals.take(slice(_INSPECTED))
        inspection = inspect(model, few.clean, few.index) if len(few) else None
        strategy = tf.distribute.get_strategy()
        campaign = Campaign.of(model, adversary, self.norm, strategy)
        if not self.targeted:
            _warn_of_wrong(campaign, goals)
        outcome = campaign.run(goals)
        if inspection is not None:
            flat = float(outcome.flat.sum()) / max(1, int(outcome.steps.sum()))
            for name, check in sanity_checks.gradients(inspection, flat).items():
                if check.passed is False:
                    console.warn(f"{name}: {check.otherwise}.")
        return outcome


def _warn_of_wrong(campaign: Campaign, goals: Goals) -> None:
    """Warn of images that are wrong already: anything would succeed on them."""
    plain = dataclasses.replace(campaign.model, confidence=0.0)
    judge = dataclasses.replace(campaign, model=plain)
    wrong = int(judge.fooled(goals.clean, goals.index).sum())
    if wrong:
        console.warn(
            f"{wrong} of {len(goals)} images are wrong without an attack, and no "
            "success of it: other labels, or another pixel space?"
        )
