"""How much of a classifier's accuracy is left under attack."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine import registry
from tfpipeline.attack.engine.evidence import gradients
from tfpipeline.attack.engine.loop import Wanted
from tfpipeline.attack.engine.model import Inspection, Victim, inspect
from tfpipeline.attack.engine.norms import GREY_LEVEL, NORMS
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.config.adversary import AdversarySettings, written
from tfpipeline.core.checks import Check
from tfpipeline.core.errors import UserError

# Images that are held in memory at once, and that a network is looked at with.
_CHUNK, _LOOKED_AT = 256, 8


@dataclass(frozen=True)
class Place:
    """Where and how it is measured.

    Args:
        strategy: Where the steps run.
        seed: Of the attacks.
        chief: Whether this process shows progress.
    """

    strategy: tf.distribute.Strategy
    seed: int = 0
    chief: bool = True


def check(adversary: AdversarySettings, epsilons: Sequence[float], flag: str) -> None:
    """Refuse radii that no 8-bit picture can have, and attacks that heed none.

    Args:
        adversary: The section `adversary`.
        epsilons: In linf.
        flag: What the user named them by.

    Raises:
        UserError: One is too small or too large, or the attack is of another kind.
    """
    parts = registry.choose(adversary, "linf", targeted=False)
    if any(part.attack.minimal for part in parts):
        raise UserError(
            f"--adversary.attack {adversary.attack}: expected an attack with a radius "
            f"for {flag}, e.g. standard or apgd."
        )
    least = GREY_LEVEL * 0.999 if adversary.eight_bit else 0.0
    for radius in epsilons:
        if not least <= radius <= 1:
            raise UserError(
                f"{flag}: expected radii from 1/255 to 1, of values in [0, 1]. "
                f"Received: {written(radius, 'linf')}."
            )


def measure(
    answer: Callable[[Any], Any],
    batches: Iterable[tuple[Any, Any, Any]],
    adversary: AdversarySettings,
    epsilons: Sequence[float],
    place: Place,
) -> dict[str, Any]:
    """Return the accuracy that is left at some radii.

    What fools at a radius fools at every larger one as well: only those images are
    attacked again that have withstood.

    Args:
        answer: From images in [0, 1] to logits.
        batches: `(images, labels, weights)`; where the weight is 0, it is padding. Of
            all workers the same, or of one alone.
        adversary: The section `adversary`.
        epsilons: In linf, rising.
        place: Where it is measured.

    Returns:
        `norm`, `attack`, `attacks` (in words), `n`, `steps_without_gradient` (a share),
        `checks` of the network as `attack` makes them before it begins, and `accuracy`
        by radius, as people write it.
    """
    parts = registry.choose(adversary, "linf", targeted=False)
    # Without confidence: what is wrong is wrong.
    victim = Victim([answer], False, samples=adversary.samples)
    campaign = Campaign(
        victim,
        NORMS["linf"],
        parts,
        place.strategy,
        adversary.eight_bit,
        place.seed,
        adversary.batch_size,
    )
    count, right = 0, dict.fromkeys(epsilons, 0)
    steps, flat = 0, 0
    looked: Inspection | UserError | None = None
    for images, labels in _chunks(batches):
        wanted = Wanted.of(images, list(labels), 0.0)
        wanted.key[:] += count
        count += len(images)
        left = wanted.some(~campaign.fooled(images, labels))
        if looked is None:
            # What is right says more.
            some = (left if len(left) else wanted).some(slice(_LOOKED_AT))
            looked = _look(victim, some)
        for radius in epsilons:
            left.epsilon[:] = radius
            told = f"attack {written(radius, 'linf')}" if place.chief else None
            found = campaign.run(left, told) if len(left) else None
            if found is not None:
                left = left.some(~found.success)
                steps, flat = steps + found.steps.sum(), flat + found.flat.sum()
            right[radius] += len(left)
    share = float(flat / max(1, steps))
    return {
        "norm": "linf",
        "attack": adversary.attack,
        "attacks": registry.spelled(parts),
        "n": count,
        # Above nought, what withstood may only have had nothing to climb.
        "steps_without_gradient": share,
        "checks": {} if looked is None else _checks(looked, share),
        "accuracy": {
            written(radius, "linf"): right[radius] / max(1, count)
            for radius in epsilons
        },
    }


def _look(victim: Victim, some: Wanted) -> Inspection | UserError:
    """Look at a victim; what was trained for hours is told of, not refused."""
    try:
        return inspect(victim, some.clean, some.index)
    except UserError as error:
        return error


def _checks(looked: Inspection | UserError, flat: float) -> dict[str, Any]:
    """Tell whether gradients say anything, and whether the answers are logits."""
    if isinstance(looked, UserError):
        wrong = "without logits, accuracy under attack says nothing"
        return {"logits": Check(False, str(looked), "answers are logits", wrong).told()}
    logits = Check(True, True, "answers are logits, not probabilities", "")
    checks = {"logits": logits} | gradients(looked, flat)
    return {name: check.told() for name, check in checks.items()}


def _chunks(
    batches: Iterable[tuple[Any, Any, Any]],
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yield images and labels without padding, so many at a time."""
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for some, label, weight in batches:
        real = np.asarray(weight) > 0
        images.append(np.asarray(some, np.float32)[real])
        labels.append(np.asarray(label)[real])
        if sum(map(len, images)) >= _CHUNK:
            yield np.concatenate(images), np.concatenate(labels)
            images, labels = [], []
    if images:
        yield np.concatenate(images), np.concatenate(labels)
