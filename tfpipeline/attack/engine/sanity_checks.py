"""What shows that an attack was as strong as it can be, or that it was fooled itself.

Source: Carlini et al., "On Evaluating Adversarial Robustness", arXiv:1902.06705.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine.gradient import Apgd, Iterative
from tfpipeline.attack.engine.loop import Found, Wanted
from tfpipeline.attack.engine.norms import on_levels
from tfpipeline.attack.engine.registry import Part, cost, doubled, spelled
from tfpipeline.attack.engine.sequence import Campaign, has_gradients
from tfpipeline.attack.engine.square import Square
from tfpipeline.core.checks import Check, if_asked

# Images that the costly questions are asked about.
_SOME = 32

_QUESTIONS = 500

# Steps of an attack that is strong enough to be asked these questions: with fewer it
# may fail for want of steps alone. And what is asked where there is none.
_ENOUGH = 10
_FALLBACK = Part(Iterative(40), "margin")

# What is asked about the success of squares, where nothing else was made.
_GUIDED = (_FALLBACK, Part(Apgd(), "margin"))


def enough(campaign: Campaign) -> Campaign:
    """Return a campaign of all its attacks that climb in a radius, with enough steps.

    Where there is none, of another one that is strong enough.

    Args:
        campaign: Of any attacks.
    """
    some = [
        part
        for part in campaign.parts
        if not part.attack.minimal
        and has_gradients(part)
        and part.attack.steps >= _ENOUGH
    ]
    return campaign.but(some or [_FALLBACK])


def quick(campaign: Campaign) -> Campaign:
    """Return a campaign of its first attack that climbs, where each step is dear.

    Args:
        campaign: Of any attacks.
    """
    return campaign.but(enough(campaign).parts[:1])


def bisecting(campaign: Campaign) -> Campaign:
    """Return a campaign of the first of its attacks that has a radius to be halved.

    Where none has, of another one.

    Args:
        campaign: Of any attacks.
    """
    some = [part for part in campaign.parts if not part.attack.minimal]
    return campaign.but(some[:1] or [_FALLBACK])


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
        "monotone": _monotone(campaign, found, wanted, title),
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
    # Squares would hide that gradients lead nowhere.
    strong = enough(campaign)
    got = strong.run(free, title and "check: unbounded")
    return Check(
        bool(got.success.all()),
        {
            "success": _share(got.success),
            "asked": len(some),
            "attack": spelled(strong.parts),
        },
        "without a bound the attack always succeeds",
        "gradients are masked, or the attack has too few steps",
    )


def _doubled(
    campaign: Campaign, found: Found, wanted: Wanted, title: str | None
) -> Check:
    """Try again what has withstood: as many images as cost no more than the attack."""
    guided = [p for p in campaign.parts if has_gradients(p)]
    twice = [
        dataclasses.replace(p, attack=doubled(p.attack))
        for p in guided or campaign.parts
    ]
    withstood = np.flatnonzero(~found.success)
    most = max(int(found.steps.sum()), _SOME * 200) // cost(twice)
    left = withstood[: min(_SOME, max(1, most))]
    got = Found.nothing(wanted.some(left))
    if len(left):
        again = title and "check: twice the steps"
        got = campaign.but(twice).run(wanted.some(left), again)
    before = _share(found.success)
    # Of those that were tried again.
    more = _share(got.success) * (1 - before)
    return Check(
        if_asked(len(left), more < 0.01),
        {
            "before": before,
            "after": before + more,
            "withstood": len(withstood),
            "asked": len(left),
            "attack": spelled(twice),
        },
        "twice the steps change the success by less than a point (of those that were "
        "asked: as many as cost no more than the attack itself)",
        "not converged: give it more --adversary.steps",
    )


def _without_gradient(
    campaign: Campaign, found: Found, wanted: Wanted, title: str | None
) -> Check:
    """Ask squares about what withstood; or gradients about what only squares did."""
    guided = any(map(has_gradients, campaign.parts))
    rows = np.flatnonzero(~found.success if guided else found.success)[:_SOME]
    others = [Part(Square(_QUESTIONS), "margin")] if guided else _GUIDED
    got = Found.nothing(wanted.some(rows))
    if len(rows):
        again = title and f"check: {'without' if guided else 'with'} gradients"
        got = campaign.but(others).run(wanted.some(rows), again)
    # Squares may have been part of the attack itself.
    fooled = int(got.success.sum()) + int(found.free.sum())
    return Check(
        if_asked(len(rows) + fooled, fooled == (0 if guided else len(rows))),
        {"asked": len(rows), "then_fooled": fooled, "attack": spelled(others)},
        (
            "what withstood the attack is not fooled by random squares either"
            if guided
            else "what random squares have fooled is fooled by gradients as well"
        ),
        "gradients are masked: the true robustness is lower than it looks",
    )


def _monotone(
    campaign: Campaign, found: Found, wanted: Wanted, title: str | None
) -> Check:
    """Attack what has fallen once more, from the beginning, at twice the radius."""
    fallen = wanted.some(np.flatnonzero(found.success))
    # What looks for the smallest perturbation has no radius to be asked at.
    strong = campaign if not campaign.minimal else enough(campaign)
    values = int(np.prod(wanted.clean.shape[1:]))
    twice = np.minimum(2 * fallen.epsilon, campaign.norm.unbounded(values))
    fallen = dataclasses.replace(fallen, epsilon=twice.astype(np.float32))
    got = Found.nothing(fallen)
    if len(fallen):
        got = strong.run(fallen, title and "check: twice the radius")
    lost = int((~got.success).sum())
    return Check(
        if_asked(len(fallen), lost <= 0.01 * len(fallen)),
        {
            "succeeded": len(fallen),
            "again_at_twice_the_radius": len(fallen) - lost,
            "attack": spelled(strong.parts),
        },
        "what succeeds does so at twice the radius as well, but for 1 in 100",
        "gradients are masked, or the steps do not fit the radius",
    )


def levels(image: np.ndarray) -> np.ndarray:
    """Return the 8-bit picture of images.

    Args:
        image: In [0, 1].
    """
    rounded = np.asarray(on_levels(tf.constant(image, tf.float32))) * 255
    return (rounded + 0.5).astype(np.uint8)
