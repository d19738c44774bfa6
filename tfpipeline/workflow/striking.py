"""Attacks on photographs: what is asked for, made, and true of the saved files."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline import config_adversary
from tfpipeline.adversarial import attacks, defences, honesty
from tfpipeline.adversarial.attacks import Part
from tfpipeline.adversarial.campaign import Campaign, smallest
from tfpipeline.adversarial.honesty import Check
from tfpipeline.adversarial.loop import Found, Wanted
from tfpipeline.adversarial.minimal_norm import FastMinimumNorm
from tfpipeline.adversarial.norms import GREY_LEVEL, NORMS, inside
from tfpipeline.adversarial.victim import Inspection, Model, Victim, inspect
from tfpipeline.config_attack import AttackSettings
from tfpipeline.errors import UserError
from tfpipeline.models import naming
from tfpipeline.workflow.networks import Network
from tfpipeline.workflow.subjects import Subject

# Photographs that a victim is looked at with before it is attacked.
_LOOKED_AT = 8

# Halvings of a radius that is looked for.
_ROUNDS = 8


@dataclass(frozen=True)
class Plan:
    """What is asked for, in numbers.

    Args:
        epsilon: Radius, of values in [0, 1].
        epsilons: Radii at which the accuracy is measured, rising.
        parts: Attacks, one after the other.
        target: Number of the class that is to be seen, or None.
        shields: Input defences, by the user's word.
    """

    epsilon: float
    epsilons: tuple[float, ...]
    parts: tuple[Part, ...]
    target: int | None
    shields: dict[str, defences.Defence] = field(default_factory=dict)


def plan(settings: AttackSettings, network: Network, count: int) -> Plan:
    """Return what is asked for, in numbers.

    Args:
        settings: Of the command.
        network: That is attacked.
        count: Photographs.

    Raises:
        UserError: A setting means nothing.
    """
    target = None
    if settings.target is not None:
        word = str(settings.target)
        (target,) = naming.find([word], network.labels, "--target")
    targeted = target is not None
    parts = attacks.choose(settings.adversary, settings.norm, targeted=targeted)
    epsilon = config_adversary.epsilon(settings.epsilon, "--epsilon")
    linf = settings.norm == "linf"
    if linf and epsilon > 1:
        raise UserError(
            f"--epsilon {settings.epsilon}: expected at most 1: pixels are in [0, 1]. "
            f"If you meant steps of 8 bits, write {settings.epsilon}/255."
        )
    if linf and settings.adversary.eight_bit and 0 < epsilon < GREY_LEVEL * 0.999:
        raise UserError(
            f"--epsilon {settings.epsilon}: less than one step of an 8-bit picture, "
            "1/255: no such file differs from the photograph. Raise it, or say "
            "--adversary.eight_bit false."
        )
    more = [config_adversary.epsilon(word, "--epsilons") for word in settings.epsilons]
    if not more and count > 1:
        more = [epsilon / 2, 2 * epsilon]
    for word, radius in zip(settings.epsilons, more):
        if linf and not GREY_LEVEL * 0.999 <= radius <= 1:
            raise UserError(
                f"--epsilons {word}: expected a radius from 1/255 to 1, as a share of "
                "the range of values."
            )
    if linf and settings.adversary.eight_bit:
        more = [round(one / GREY_LEVEL) * GREY_LEVEL for one in more]
    radii = sorted({round(one, 9) for one in more if one > 0} | {round(epsilon, 9)})
    return Plan(
        epsilon,
        tuple(radii) if more else (),
        parts,
        target,
        {word: defences.find(word) for word in settings.defences},
    )


def models(networks: Sequence[Network], size: tuple[int, int]) -> list[Model]:
    """Return networks as an attack sees them: all of them take the same images.

    Args:
        networks: Of the same classes.
        size: Height and width of the images.

    Raises:
        UserError: Their classes differ.
    """
    first = networks[0]
    for other in networks[1:]:
        if other.labels != first.labels:
            raise UserError(
                f"--together {other.name}: expected the classes of {first.name}, in "
                "the same order. Name it under --judges instead."
            )
    return [_model(network, size) for network in networks]


def _model(network: Network, size: tuple[int, int]) -> Model:
    def answer(image: tf.Tensor) -> tf.Tensor:
        if network.size != size:
            image = tf.image.resize(image, network.size, antialias=True)
        return network.model(image, training=False)

    return answer


def in_unit(pictures: np.ndarray) -> np.ndarray:
    """Return 8-bit pictures as a network sees them.

    Args:
        pictures: uint8, any shape.

    Returns:
        float32 in [0, 1].
    """
    values: np.ndarray = pictures.astype(np.float32) / np.float32(255)
    return values


@dataclass
class Strike:
    """An attack on some photographs of one network, or of several together.

    Args:
        networks: To be fooled; the first one's classes count.
        subjects: Photographs that the first one is right about.
        plan: What is asked for.
        settings: Of the command.
        strategy: Where the steps run.
        titles: Whether to show progress bars.
    """

    networks: Sequence[Network]
    subjects: Sequence[Subject]
    plan: Plan
    settings: AttackSettings
    strategy: tf.distribute.Strategy
    titles: bool = True

    def __post_init__(self) -> None:
        height, width, _ = self.subjects[0].picture.shape
        self.victim = self._victim(models(self.networks, (height, width)))
        self.campaign = self._campaign(self.victim)

    def _victim(self, some: Sequence[Model]) -> Victim:
        adversary, targeted = self.settings.adversary, self.plan.target is not None
        return Victim(
            some,
            targeted,
            samples=adversary.samples,
            seed=self.settings.seed,
            confidence=adversary.confidence,
        )

    def _campaign(self, victim: Victim) -> Campaign:
        settings, adversary = self.settings, self.settings.adversary
        return Campaign(
            victim,
            NORMS[settings.norm],
            self.plan.parts,
            self.strategy,
            adversary.eight_bit,
            settings.seed,
            adversary.batch_size,
        )

    @functools.cached_property
    def clean(self) -> np.ndarray:
        """The photographs, uint8, shape (n, height, width, 3)."""
        return np.stack([subject.picture for subject in self.subjects])

    def wanted(self, epsilon: float) -> Wanted:
        """Return what is asked for at a radius.

        Args:
            epsilon: The radius.
        """
        target = self.plan.target
        index = [s.label if target is None else target for s in self.subjects]
        return Wanted.of(self.clean, index, epsilon)

    def look(self) -> Inspection:
        """Look at the victim before it is attacked.

        Raises:
            UserError: It gives no logits.
        """
        few = np.arange(min(_LOOKED_AT, len(self.subjects)))
        some = self.wanted(self.plan.epsilon).some(few)
        return inspect(self.victim, some.clean, some.index)

    def run(self) -> Found:
        """Make the images."""
        wanted = self.wanted(self.plan.epsilon)
        if self.campaign.minimal:
            # What is smaller than asked for counts; what is larger is told.
            free = self.campaign.norm.unbounded(int(np.prod(wanted.clean.shape[1:])))
            radius = np.full(len(wanted), free, np.float32)
            wanted = dataclasses.replace(wanted, epsilon=radius)
        found = self.campaign.run(wanted, self._title("attack"))
        size = self.campaign.sizes(found.image, wanted.clean)
        found.success &= inside(size, self.plan.epsilon)
        return found

    def checks(self, found: Found, inspection: Inspection) -> dict[str, Check]:
        """Return what shows whether the attack was as strong as it can be.

        Args:
            found: What it came to.
            inspection: Of the victim.
        """
        wanted = self.wanted(self.plan.epsilon)
        own = {"in_the_ball": honesty.valid(self.campaign, found, wanted)}
        return (
            own
            | honesty.gradients(inspection, found)
            | honesty.stronger(self.campaign, found, wanted, self._title("check"))
        )

    def curve(self, at_epsilon: float) -> list[tuple[float, float]]:
        """Return the share that is fooled at each of the plan's radii.

        Args:
            at_epsilon: The share at epsilon itself, which is known.
        """
        quick, found = honesty.quick(self.campaign), []
        for radius in self.plan.epsilons:
            rate = at_epsilon
            if not np.isclose(radius, self.plan.epsilon):
                told = config_adversary.written(radius, self.settings.norm)
                got = quick.run(self.wanted(radius), self._title(f"epsilon {told}"))
                rate = float(got.success.mean())
            found.append((radius, rate))
        return found

    def least(self) -> tuple[Found, np.ndarray]:
        """Return the smallest perturbations, and their norms.

        By the attack of the minimal norm, and by bisection of the radius below it.
        """
        part = [p for p in self.plan.parts if p.attack.minimal]
        minimal = self.campaign.but(part or [Part(FastMinimumNorm(), "margin")])
        values = int(np.prod(self.clean.shape[1:]))
        wanted = self.wanted(self.campaign.norm.unbounded(values))
        first = minimal.run(wanted, self._title("smallest"))
        size = np.where(
            first.success, minimal.sizes(first.image, wanted.clean), wanted.epsilon
        )
        radius: np.ndarray = size.astype(np.float32)
        below = dataclasses.replace(wanted, epsilon=radius)
        quick = honesty.quick(self.campaign)
        second = smallest(quick, below, _ROUNDS, self._title("smallest, bisection"))
        again = quick.sizes(second.image, wanted.clean)
        better = second.success & (~first.success | (again < size))
        first.image[better] = second.image[better]
        first.success |= second.success
        size[better] = again[better]
        first.steps += second.steps
        return first, np.where(first.success, size, np.inf)

    def behind(self, word: str, pictures: np.ndarray) -> dict[str, Any]:
        """Return what an input defence is worth, against both kinds of attacks.

        Args:
            word: The defence, as the user called it.
            pictures: What the attack on the undefended network made, uint8.
        """
        defence = self.plan.shields[word]
        known = self._victim(
            [defences.adaptive(m, defence) for m in self.victim.models]
        )
        campaign, wanted = self._campaign(known), self.wanted(self.plan.epsilon)
        right = dataclasses.replace(known, targeted=False, confidence=0.0)
        label = np.array([subject.label for subject in self.subjects])
        judge = self._campaign(right)
        clean = ~judge.fooled(wanted.clean, label)
        plain = self._campaign(dataclasses.replace(known, confidence=0.0))
        blind = plain.fooled(in_unit(pictures), wanted.index)
        got = campaign.run(wanted, self._title(f"knowing of {word}"))
        return {
            "clean_accuracy": float(clean.mean()),
            "fooled_unaware": float(blind.mean()),
            "fooled_adaptive": float(got.success.mean()),
        }

    def _title(self, words: str) -> str | None:
        return words if self.titles else None
