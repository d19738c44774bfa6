"""Attacks on photographs: what is asked for, made, and true of the saved files."""

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine import defences, registry
from tfpipeline.attack.engine.loop import Found, Wanted
from tfpipeline.attack.engine.model import Inspection, Model, Victim, inspect
from tfpipeline.attack.engine.norms import GREY_LEVEL, NORMS, inside
from tfpipeline.attack.engine.registry import Part
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.attack.photos import Subject
from tfpipeline.config import adversary as adversary_config
from tfpipeline.config.attack import AttackSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.models import constant_weights
from tfpipeline.models.load_network import Network

# Photographs that a victim is looked at with before it is attacked.
_LOOKED_AT = 8


@dataclass(frozen=True)
class Plan:
    """What is asked for, in numbers.

    Args:
        epsilon: Radius, of values in [0, 1].
        epsilons: Radii at which the accuracy is measured, rising.
        parts: Attacks, one after the other.
        target: Number of the class that is to be seen, or None.
        shields: Input defences, by the user's word: see `defences.find`.
    """

    epsilon: float
    epsilons: tuple[float, ...]
    parts: tuple[Part, ...]
    target: int | None
    shields: dict[str, Callable[..., tf.Tensor]] = field(default_factory=dict)


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
        (target,) = network.labels.find([word], "--target")
    targeted = target is not None
    parts = registry.choose(settings.adversary, settings.norm, targeted=targeted)
    epsilon = adversary_config.epsilon(settings.epsilon, "--epsilon")
    linf = settings.norm == "linf"
    more = [adversary_config.epsilon(word, "--epsilons") for word in settings.epsilons]
    grid = linf and settings.adversary.eight_bit
    if not more and count > 1:
        # Whole steps of 8 bits, where pictures have such.
        share = GREY_LEVEL if grid else 0.0
        more = [epsilon / 2, 2 * epsilon]
        if share:
            more = [math.floor(one / share + 1e-3) * share for one in more]
    for word, radius in zip(settings.epsilons, more):
        if linf and not GREY_LEVEL * 0.999 <= radius <= 1:
            raise UserError(
                f"--epsilons {word}: expected a radius from 1/255 to 1, as a share of "
                "the range of values."
            )
    if linf:
        more = [min(one, 1.0) for one in more]
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
        if difference := first.labels.difference(other.labels, first.name, "it"):
            raise UserError(
                f"--together {other.name}: expected the classes of {first.name}, in "
                f"the same order. {difference} Name it under --judges instead."
            )
    return [_model(network, size) for network in networks]


def _model(network: Network, size: tuple[int, int]) -> Model:
    # Traced once: every attack and every check would else do it anew, which takes
    # longer than most of them.
    ask: Model = constant_weights.traced(network.model, network.size)
    if network.size == size:
        return ask
    down, across = (
        tf.constant(image_io.along(own, other), tf.float64)
        for own, other in zip(size, network.size)
    )

    def answer(image: tf.Tensor) -> tf.Tensor:
        """Answer as `Network.logits` does to a file: by `images.resize`, in 8 bits."""
        wide = tf.cast(image, tf.float64) * 255
        small = tf.einsum("ab,nbwc,dw->nadc", down, wide, across)
        scaled = 1e6 * small
        whole = tf.floor(tf.round(scaled) / 1e6 + 0.5)
        # The gradient is that of what was not rounded.
        seen = small + tf.stop_gradient(whole - small)
        return ask(tf.cast(seen, tf.float32) / 255)

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


class Strike:
    """An attack on photographs of one network, or of several together.

    Args:
        every: To be fooled; the first one's classes and size count.
        plan: What is asked for.
        settings: Of the command.
        strategy: Where the steps run.
        titles: Whether to show progress bars.
    """

    def __init__(
        self,
        every: Sequence[Network],
        plan: Plan,
        settings: AttackSettings,
        strategy: tf.distribute.Strategy,
        titles: bool = True,
    ) -> None:
        self.networks, self.plan = every, plan
        self.settings, self.strategy, self.titles = settings, strategy, titles
        self.victim = self.victim_of(models(every, every[0].size))
        self.campaign = self.campaign_of(self.victim)
        self.subjects: Sequence[Subject] = ()
        self.clean = np.zeros((0, *every[0].size, 3), np.uint8)
        self._first, self._where = 0, ""

    def on(self, subjects: Sequence[Subject], first: int, where: str = "") -> "Strike":
        """Return the same attack, already traced, on some photographs.

        Args:
            subjects: That the first network is right about.
            first: How many others come before them.
            where: In the title of progress bars.
        """
        other = copy.copy(self)
        other.subjects, other._first, other._where = subjects, first, where
        other.clean = np.stack([subject.picture for subject in subjects])
        return other

    def alone(self, network: Network) -> "Strike":
        """Return the same attack on another network.

        Args:
            network: Of the same classes.
        """
        first = self.networks[0]
        # At the size of the pictures there are.
        other = copy.copy(self)
        other.networks = [network]
        other.victim = self.victim_of([_model(network, first.size)])
        other.campaign = self.campaign_of(other.victim)
        return other

    def victim_of(self, some: Sequence[Model], **changes: Any) -> Victim:
        """Return networks as they are to be fooled.

        Args:
            some: From images to logits.
            changes: Of the fields of the victim.
        """
        adversary = self.settings.adversary
        plain = Victim(
            some,
            self.plan.target is not None,
            samples=adversary.samples,
            seed=self.settings.seed,
            confidence=adversary.confidence,
        )
        return dataclasses.replace(plain, **changes)

    def campaign_of(self, victim: Victim) -> Campaign:
        """Return the attacks that were asked for, on a victim.

        Args:
            victim: To be fooled.
        """
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

    @property
    def labels(self) -> np.ndarray:
        """What is on the photographs, shape (n,)."""
        return np.array([subject.label for subject in self.subjects])

    def wanted(self, epsilon: float) -> Wanted:
        """Return what is asked for at a radius.

        Args:
            epsilon: The radius.
        """
        target = self.plan.target
        index = [s.label if target is None else target for s in self.subjects]
        some = Wanted.of(self.clean, index, epsilon)
        return dataclasses.replace(some, key=some.key + self._first)

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
        found = self.campaign.run(wanted, self.title("attack"))
        size = self.campaign.sizes(found.image, wanted.clean)
        found.success &= inside(size, self.plan.epsilon)
        return found

    def title(self, words: str) -> str | None:
        """Return the title of a progress bar, or None where there is none.

        Args:
            words: What is being done.
        """
        return f"{self._where}{words}" if self.titles else None
