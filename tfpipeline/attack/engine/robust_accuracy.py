"""How much of a classifier's accuracy is left under attack."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.attack.engine import registry
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.model import AttackedModel, Inspection, inspect
from tfpipeline.attack.engine.sanity_checks import gradients
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core.checks import Check
from tfpipeline.core.errors import UserError

# Images that are held in memory at once, and that a network is inspected with.
_CHUNK, _INSPECTED = 256, 8


def check(adversary: AdversarySettings, flag: str) -> None:
    """Refuse attacks that heed no radius; a flag names the radii."""
    parts = registry.choose(adversary, "linf", targeted=False)
    if any(part.attack.minimal for part in parts):
        raise UserError(
            f"--adversary.attack {adversary.attack}: expected an attack with a radius "
            f"for {flag}, e.g. standard or apgd."
        )


def measure(
    answer: Callable[[Any], Any],
    batches: Iterable[tuple[Any, Any, Any]],
    adversary: AdversarySettings,
    epsilons: Sequence[Epsilon],
    strategy: tf.distribute.Strategy,
    seed: int = 0,
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
        strategy: Where the steps run.
        seed: Of the attacks.

    Returns:
        `norm`, `attack`, `attacks` (in words), `n`, `steps_without_gradient` (a share),
        `checks` of the network as `attack` makes them before it begins, and `accuracy`
        by radius, as people write it.
    """
    # Without confidence: what is wrong is wrong.
    model = AttackedModel([answer], False, samples=adversary.samples, seed=seed)
    campaign = Campaign.of(model, adversary, "linf", strategy)
    chief = distribute.is_chief(strategy)
    count, right = 0, dict.fromkeys(epsilons, 0)
    steps, flat = 0, 0
    inspection: Inspection | UserError | None = None
    for images, labels in _chunks(batches):
        goals = Goals.of(images, list(labels), 0.0)
        goals.key[:] += count
        count += len(images)
        left = goals.take(~campaign.fooled(images, labels))
        if inspection is None:
            # What is right says more.
            few = (left if len(left) else goals).take(slice(_INSPECTED))
            try:
                inspection = inspect(model, few.clean, few.index)
            except UserError as error:
                # What was trained for hours is reported, not refused.
                inspection = error
        for epsilon in epsilons:
            left.epsilon[:] = epsilon.value
            if len(left):
                outcome = campaign.run(left, f"attack {epsilon}" if chief else None)
                left = left.take(~outcome.success)
                steps, flat = steps + outcome.steps.sum(), flat + outcome.flat.sum()
            right[epsilon] += len(left)
    share = float(flat / max(1, steps))
    return {
        "norm": "linf",
        "attack": adversary.attack,
        "attacks": registry.spelled(campaign.parts),
        "n": count,
        # Above zero, what withstood may only have had nothing to climb.
        "steps_without_gradient": share,
        "checks": {} if inspection is None else _checks(inspection, share),
        "accuracy": {str(at): number / max(1, count) for at, number in right.items()},
    }


def _checks(inspection: Inspection | UserError, flat: float) -> dict[str, Any]:
    """Tell whether gradients say anything, and whether the answers are logits."""
    if isinstance(inspection, UserError):
        wrong = "without logits, accuracy under attack says nothing"
        check = Check(False, str(inspection), "answers are logits", wrong)
        return {"logits": check.told()}
    logits = Check(True, True, "answers are logits, not probabilities", "")
    checks = {"logits": logits} | gradients(inspection, flat)
    return {name: check.told() for name, check in checks.items()}


def _chunks(
    batches: Iterable[tuple[Any, Any, Any]],
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yield images and labels without padding, so many at a time."""
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for batch, label, weight in batches:
        real = np.asarray(weight) > 0
        images.append(np.asarray(batch, np.float32)[real])
        labels.append(np.asarray(label)[real])
        if sum(map(len, images)) >= _CHUNK:
            yield np.concatenate(images), np.concatenate(labels)
            images, labels = [], []
    if images:
        yield np.concatenate(images), np.concatenate(labels)
