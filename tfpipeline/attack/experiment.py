"""Attacks on photographs: what is asked for, in numbers, and who is asked."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.attack.engine.loop import Goals, Outcome
from tfpipeline.attack.engine.model import AttackedModel, Inspection, Model, inspect
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.attack.photos import Subject
from tfpipeline.config.attack import AttackSettings
from tfpipeline.core import brightness, console, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import sample_ranges
from tfpipeline.models import constant_weights
from tfpipeline.models.load_network import Network

# Photographs that a network is inspected with before it is attacked.
_INSPECTED = 8


def radii(settings: AttackSettings, count: int) -> tuple[Epsilon, list[Epsilon]]:
    """Return epsilon, and the radii, rising, that accuracy is measured at.

    Of several photographs they are at least half, once and twice epsilon.
    """
    norm, grid = settings.norm, settings.adversary.eight_bit
    epsilon = Epsilon.read(settings.epsilon, "--epsilon", norm, grid=grid)
    more = Epsilon.read_all(settings.epsilons, "--epsilons", norm, grid=grid)
    if not more and count > 1:
        more = epsilon.around()
    return epsilon, sorted({epsilon, *more}) if more else []


def models(networks: Sequence[Network], size: tuple[int, int]) -> list[Model]:
    """Return networks of the same classes as an attack sees them, at one size."""
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
        """Answer as `Network.logits` does to a file: resized, in 8 bits."""
        wide = tf.cast(image, tf.float64) * 255
        small = tf.einsum("ab,nbwc,dw->nadc", down, wide, across)
        scaled = 1e6 * small
        whole = tf.floor(tf.round(scaled) / 1e6 + 0.5)
        # The gradient is that of what was not rounded.
        seen = small + tf.stop_gradient(whole - small)
        return ask(tf.cast(seen, tf.float32) / 255)

    return answer


def _check_networks(
    every: Sequence[Network], judges: Sequence[Network], *, matrix: bool
) -> None:
    """Refuse networks that cannot be told apart, or compared, before any attack."""
    names = [network.name for network in (*every, *judges)]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"--judges, --together: expected every network once. Received {name} "
                "twice, counted with the one that is attacked. Leave one out."
            )
    for network in judges if matrix else ():
        first = every[0]
        if difference := first.labels.difference(network.labels, first.name, "it"):
            raise UserError(
                f"--matrix with {network.name}: expected the classes of {first.name}, "
                f"in the same order. {difference} Leave it out."
            )


def compare_ranges(
    networks: Sequence[Network], paths: Sequence[Path], max_pixels: int
) -> None:
    """Warn of networks whose range for some photographs is not that of the first."""
    first, *others = networks
    trained = [n for n in others if not n.imagenet and n.ranges != first.ranges]
    rows = sample_ranges.deep_files(paths, max_pixels) if trained else []
    for kind in sorted({row.samples for row in rows if not row.reason} - {""}):
        own = first.ranges.of(kind)
        for other in trained:
            mine = other.ranges.of(kind)
            if other.ranges.knows(kind) and mine != own:
                console.warn_once(
                    f"{other.name} reads {kind} samples by {brightness.span(*mine)}, "
                    f"but is shown the photographs as {first.name} reads them, by "
                    f"{brightness.span(*own)}: what it says may mean little"
                )


class Strike:
    """An attack on photographs of one network, or of several together.

    The first one's classes and size count; judges take no part. Of so many photographs
    in all, `on` says which ones.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        judges: Sequence[Network],
        settings: AttackSettings,
        strategy: tf.distribute.Strategy,
        count: int,
    ) -> None:
        _check_networks(networks, judges, matrix=settings.matrix)
        self.networks, self.judges = networks, judges
        self.settings, self.strategy = settings, strategy
        self.epsilon, self.epsilons = radii(settings, count)
        self.target: int | None = None
        if settings.target is not None:
            words = [str(settings.target)]
            (self.target,) = networks[0].labels.find(words, "--target")
        self._aim(models(networks, networks[0].size))
        self.subjects: Sequence[Subject] = ()
        self.clean = np.zeros((0, *networks[0].size, 3), np.uint8)
        self._first, self._where = 0, ""

    def _aim(self, answers: Sequence[Model]) -> None:
        adversary = self.settings.adversary
        self.model = AttackedModel(
            answers,
            self.target is not None,
            samples=adversary.samples,
            seed=self.settings.seed,
            confidence=adversary.confidence,
        )
        norm = self.settings.norm
        self.campaign = Campaign.of(self.model, adversary, norm, self.strategy)

    def on(self, subjects: Sequence[Subject], first: int, where: str = "") -> "Strike":
        """Return the same attack, already traced, on photographs after others.

        `where` stands in the titles of progress bars.
        """
        other = copy.copy(self)
        other.subjects, other._first, other._where = subjects, first, where
        other.clean = np.stack([subject.picture for subject in subjects])
        return other

    def alone(self, network: Network) -> "Strike":
        """Return the same attack on another network of the same classes."""
        other = copy.copy(self)
        other.networks = [network]
        # At the size of the pictures there are.
        other._aim([_model(network, self.networks[0].size)])
        return other

    def campaign_of(self, model: AttackedModel) -> Campaign:
        """Return the attacks that were asked for, on another model."""
        return dataclasses.replace(self.campaign, model=model, loops={})

    @property
    def labels(self) -> np.ndarray:
        """What is on the photographs, shape (n,)."""
        return np.array([subject.label for subject in self.subjects])

    def fools(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Tell which answers are what the attack wants, by the true labels."""
        first, target = logits.argmax(-1), self.target
        return np.asarray(first != labels if target is None else first == target)

    def goals(self, epsilon: Epsilon | None = None) -> Goals:
        """Return what is asked for at a radius, by default the main one."""
        target = self.target
        index = [s.label if target is None else target for s in self.subjects]
        goals = Goals.of(self.clean, index, (epsilon or self.epsilon).value)
        return dataclasses.replace(goals, key=goals.key + self._first)

    def look(self) -> Inspection:
        """Inspect the model before it is attacked."""
        few = self.goals().take(slice(_INSPECTED))
        return inspect(self.model, few.clean, few.index)

    def run(self) -> Outcome:
        """Make the images."""
        goals = self.goals()
        if self.campaign.minimal:
            # What is smaller than asked for counts; what is larger is reported.
            goals = self.campaign.unbounded(goals)
        outcome = self.campaign.run(goals, self.title("attack"))
        size = self.campaign.sizes(outcome.image, goals.clean)
        outcome.success &= self.epsilon.holds(size)
        return outcome

    def title(self, words: str) -> str | None:
        """Return the title of a progress bar, or None where there is none."""
        chief = distribute.is_chief(self.strategy)
        return f"{self._where}{words}" if chief else None
