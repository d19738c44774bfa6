"""What shows that an attack was as strong as it can be, or that it was fooled itself.

Source: Carlini et al., "On Evaluating Adversarial Robustness", arXiv:1902.06705.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.adversarial.attacks import Part, with_steps
from tfpipeline.adversarial.campaign import Campaign
from tfpipeline.adversarial.iterative import Iterative
from tfpipeline.adversarial.loop import Found, Wanted
from tfpipeline.adversarial.norms import inside, on_levels
from tfpipeline.adversarial.square import Square
from tfpipeline.adversarial.victim import Inspection

# Images that the costly questions are asked about.
_SOME = 32

_QUESTIONS = 500

# Steps of an attack that is strong enough to be asked many questions.
_ENOUGH = 10


@dataclass(frozen=True)
class Check:
    """One thing that should be true.

    Args:
        passed: Whether it is.
        value: What was measured.
        meaning: What is true if it passed.
        otherwise: What it means if it did not.
    """

    passed: bool
    value: Any
    meaning: str
    otherwise: str

    def told(self) -> dict[str, Any]:
        """Return it for `attack.json`."""
        return dataclasses.asdict(self)


def quick(campaign: Campaign) -> Campaign:
    """Return a campaign of its first attack with a radius, for many questions.

    Args:
        campaign: Of any attacks.
    """
    some = [part for part in campaign.parts if not part.attack.minimal]
    # With a few steps an attack may fail for want of steps alone.
    gradient = [
        part
        for part in some
        if not isinstance(part.attack, Square) and part.attack.steps >= _ENOUGH
    ]
    fallback = Part(Iterative(40), "margin")
    return campaign.but([*gradient[:1], fallback][:1])


def valid(campaign: Campaign, found: Found, wanted: Wanted) -> Check:
    """Tell whether all images are in range, in their balls, and numbers.

    Args:
        campaign: What was done.
        found: What came out.
        wanted: What went in.
    """
    image = found.image
    finite = bool(np.isfinite(image).all())
    size = campaign.sizes(image, wanted.clean)
    # What has not succeeded, and heeds no radius, may lie anywhere.
    counts = found.success | (not campaign.minimal)
    in_ball = bool(inside(size, wanted.epsilon)[counts].all())
    ranged = bool(image.min(initial=0) >= 0 and image.max(initial=0) <= 1)
    return Check(
        finite and in_ball and ranged,
        {
            "largest": float(size[counts].max(initial=0)),
            "in_range": ranged,
            "finite": finite,
        },
        "every image is in [0, 1] and in the ball, and all its values are numbers",
        "the attack broke its own rules: a fault of this program",
    )


def gradients(inspection: Inspection, found: Found) -> dict[str, Check]:
    """Tell whether gradients say anything.

    Args:
        inspection: Of the victim.
        found: What came out.
    """
    steps = max(1, int(found.steps.sum()))
    flat = float(found.flat.sum() / steps)
    return {
        "gradients_not_zero": Check(
            flat == 0 and inspection.zero_gradients == 0,
            {"share_of_steps": flat, "share_of_images": inspection.zero_gradients},
            "no step, and no image, was without a gradient",
            "gradients are masked: what withstood may only have had nothing to climb",
        ),
        "logits_not_saturated": Check(
            inspection.saturated == 0,
            {"share": inspection.saturated, "median_spread": inspection.spread},
            "the best two logits lie less than 50 apart, so that a softmax has digits",
            "cross-entropy sees nothing: trust margin and dlr only",
        ),
        "deterministic": Check(
            inspection.deterministic,
            inspection.deterministic,
            "the network answers twice the same",
            "a random network: expect over it, --adversary.samples 10 or more",
        ),
    }


def stronger(
    campaign: Campaign, found: Found, wanted: Wanted, title: str | None = None
) -> dict[str, Check]:
    """Try what should not do better than the attack, and what should do everything.

    Args:
        campaign: What was done.
        found: What came out.
        wanted: What went in.
        title: Of the progress bars.
    """
    return {
        "iterated_beats_single_step": _single(campaign, found, wanted),
        "random_noise_fails": _random(campaign, wanted),
        "unbounded_succeeds": _unbounded(campaign, wanted, title),
        "more_steps_change_nothing": _doubled(campaign, found, wanted, title),
        "gradient_free_not_better": _without_gradient(campaign, found, wanted, title),
    }


def _share(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _single(campaign: Campaign, found: Found, wanted: Wanted) -> Check:
    once = campaign.but([Part(Iterative(1, 1.0))]).run(wanted)
    return Check(
        _share(found.success) >= _share(once.success),
        {"attack": _share(found.success), "single_step": _share(once.success)},
        "many steps succeed at least as often as one",
        "gradients are masked, or the step is too long",
    )


def _random(campaign: Campaign, wanted: Wanted) -> Check:
    norm, clean = campaign.norm, tf.constant(wanted.clean)
    shape, epsilon = clean.shape[1:], tf.constant(wanted.epsilon)
    noise = tf.stack(
        [
            norm.start(shape, tf.constant([campaign.seed + 7, int(key)]), tf.ones([]))
            for key in wanted.key
        ]
    )
    # At the edge of the ball: of linf, in its corners.
    noise = tf.sign(noise) if norm.name == "linf" else noise
    radius = tf.reshape(epsilon, [-1, 1, 1, 1])
    image = norm.within(clean + radius * noise, clean, epsilon)
    if campaign.grid:
        image = norm.on_grid(image, clean, epsilon)
    rate = _share(campaign.fooled(np.asarray(image), wanted.index))
    already = _share(campaign.fooled(wanted.clean, wanted.index))
    return Check(
        rate - already <= 0.05,
        rate,
        "random noise of the same size fools the network in at most 1 of 20 cases",
        "the network is no good near these images, attack or not; success says little",
    )


def _unbounded(campaign: Campaign, wanted: Wanted, title: str | None) -> Check:
    some = wanted.some(np.arange(min(len(wanted), _SOME)))
    values = int(np.prod(wanted.clean.shape[1:]))
    radius = np.full(len(some), campaign.norm.unbounded(values), np.float32)
    free = dataclasses.replace(some, epsilon=radius)
    got = quick(campaign).run(free, title and "check: unbounded")
    return Check(
        bool(got.success.all()),
        _share(got.success),
        "without a bound the attack always succeeds",
        "gradients are masked, or the attack has too few steps",
    )


def _doubled(
    campaign: Campaign, found: Found, wanted: Wanted, title: str | None
) -> Check:
    left = np.flatnonzero(~found.success)[:_SOME]
    first = quick(campaign)
    twice = [
        dataclasses.replace(p, attack=with_steps(p.attack, 2 * p.attack.steps))
        for p in first.parts
        if not isinstance(p.attack, Square)
    ]
    got = Found.nothing(wanted.some(left))
    if len(left) and twice:
        again = title and "check: twice the steps"
        got = first.but(twice).run(wanted.some(left), again)
    before = _share(found.success)
    # Of those that were tried again.
    more = _share(got.success) * (1 - before)
    return Check(
        more < 0.01,
        {"before": before, "after": before + more},
        "twice the steps change the success by less than a point",
        "not converged: give it more --adversary.steps",
    )


def _without_gradient(
    campaign: Campaign, found: Found, wanted: Wanted, title: str | None
) -> Check:
    left = np.flatnonzero(~found.success)[:_SOME]
    got = Found.nothing(wanted.some(left))
    if len(left):
        free = campaign.but([Part(Square(_QUESTIONS), "margin")])
        got = free.run(wanted.some(left), title and "check: without gradients")
    # Squares may have been part of the attack itself.
    already = int(found.free.sum())
    return Check(
        not got.success.any() and not already,
        {"withstood": len(left), "then_fooled": int(got.success.sum()) + already},
        "what withstood the attack is not fooled by random squares either",
        "gradients are masked: the true robustness is lower than it looks",
    )


def monotone(epsilons: Sequence[float], rates: Sequence[float]) -> Check:
    """Tell whether success grows with the radius.

    Args:
        epsilons: Rising.
        rates: Success at each, every one from attacks of its own.
    """
    falls = [a - b for a, b in zip(rates, rates[1:])]
    return Check(
        max(falls, default=0) <= 0.01,
        {f"{e * 255:g}/255": rate for e, rate in zip(epsilons, rates)},
        "a larger radius never succeeds less often, but for 1 in 100",
        "gradients are masked, or the steps do not fit the radius",
    )


def levels(image: np.ndarray) -> np.ndarray:
    """Return the 8-bit picture of images.

    Args:
        image: In [0, 1].
    """
    rounded = np.asarray(on_levels(tf.constant(image, tf.float32))) * 255
    return (rounded + 0.5).astype(np.uint8)
