"""What shows that an attack was as strong as it can be, or that it was fooled itself.

Source: Carlini et al., "On Evaluating Adversarial Robustness", arXiv:1902.06705.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine.epsilon import within
from tfpipeline.attack.engine.gradient import Apgd, Iterative
from tfpipeline.attack.engine.loop import Goals, Outcome
from tfpipeline.attack.engine.model import Inspection
from tfpipeline.attack.engine.norms import on_levels
from tfpipeline.attack.engine.registry import Part, cost, doubled, spelled
from tfpipeline.attack.engine.sequence import Campaign, has_gradients
from tfpipeline.attack.engine.square import Square
from tfpipeline.core.checks import Check, if_asked

# Of fewer photographs nobody can say whether a network guesses.
ASKED_AT_LEAST = 5

# Images that the costly questions are asked about.
_SOME = 32

_QUESTIONS = 500

# Steps of an attack that is strong enough to be asked these questions: with fewer it
# may fail for want of steps alone. And what is asked where there is none.
_ENOUGH = 10
_FALLBACK = Part(Iterative(40), "margin")

# What is asked about the success of squares, where nothing else was made.
_GUIDED = (_FALLBACK, Part(Apgd(), "margin"))


@dataclass
class Tally:
    """What is counted of all images, however many there are."""

    # Perturbation that counts.
    largest: float = 0.0
    in_ball: bool = True
    in_range: bool = True
    finite: bool = True
    steps: int = 0
    # How many of them found no gradient.
    flat: int = 0

    def add(self, campaign: Campaign, outcome: Outcome, goals: Goals) -> None:
        """Count the images that came out of a campaign."""
        image, size = outcome.image, campaign.sizes(outcome.image, goals.clean)
        # What has not succeeded, and heeds no radius, may lie anywhere.
        counts = outcome.success | (not campaign.minimal)
        self.largest = max(self.largest, float(size[counts].max(initial=0)))
        self.in_ball &= bool(within(size, goals.epsilon)[counts].all())
        self.in_range &= bool(image.min(initial=0) >= 0 and image.max(initial=0) <= 1)
        self.finite &= bool(np.isfinite(image).all())
        self.steps += int(outcome.steps.sum())
        self.flat += int(outcome.flat.sum())

    def checks(self, inspection: Inspection) -> dict[str, Check]:
        """Tell whether the attack has kept its rules, and gradients say anything."""
        own = Check(
            self.finite and self.in_ball and self.in_range,
            {k: vars(self)[k] for k in ("largest", "in_range", "finite")},
            "every image is in [0, 1] and within epsilon, and all values are finite",
            "the attack violated its own bounds: a fault of this program",
        )
        return {"in_the_ball": own} | gradients(
            inspection, self.flat / max(1, self.steps)
        )


def gradients(inspection: Inspection, flat: float) -> dict[str, Check]:
    """Tell whether gradients say anything; `flat` is the share of steps without one."""
    return {
        "gradients_not_zero": Check(
            flat == 0 and inspection.zero_gradients == 0,
            {"share_of_steps": flat, "share_of_images": inspection.zero_gradients},
            "every step and every image had a gradient",
            "gradients are masked: what withstood may only have lacked a gradient",
        ),
        "logits_not_saturated": Check(
            inspection.saturated == 0,
            {"share": inspection.saturated, "median_spread": inspection.spread},
            "the two largest logits differ by less than 50: softmax is not saturated",
            "cross-entropy has no gradient: rely on margin and dlr only",
        ),
        "deterministic": Check(
            inspection.deterministic,
            inspection.deterministic,
            "the network gives the same output twice",
            "the network is random: average over draws, --adversary.samples 10 or more",
        ),
    }


def plausible(right: int, asked: int, classes: int) -> Check:
    """Tell whether a network knows what is on the images, before they are attacked.

    Of so many `asked`, whose class is known, it is right about some.
    """
    share = right / max(1, asked)
    return Check(
        if_asked(asked >= ASKED_AT_LEAST, share > max(0.1, 1 / classes)),
        {"right": right, "asked": asked},
        "before the attack, the network is right more often than chance",
        "the network expects other preprocessing or has other classes, so success "
        "says little: check its preprocessing and the names of the folders",
    )


def climbing(campaign: Campaign) -> Campaign:
    """Return a campaign of all its attacks that climb in a radius, with enough steps.

    Where there is none, of another one that is strong enough.
    """
    parts = [
        part
        for part in campaign.parts
        if not part.attack.minimal
        and has_gradients(part)
        and part.attack.steps >= _ENOUGH
    ]
    return campaign.but(parts or [_FALLBACK])


def bisecting(campaign: Campaign) -> Campaign:
    """Return a campaign of the first of its attacks that has a radius to be halved.

    Where none has, of another one.
    """
    parts = [part for part in campaign.parts if not part.attack.minimal]
    return campaign.but(parts[:1] or [_FALLBACK])


def stronger(
    campaign: Campaign, outcome: Outcome, goals: Goals, title: str | None = None
) -> dict[str, Check]:
    """Try what should not do better than the attack, and what should do everything."""
    return {
        "iterated_beats_single_step": _single(campaign, outcome, goals),
        "random_noise_fails": _random(campaign, goals),
        "unbounded_succeeds": _unbounded(campaign, goals, title),
        "more_steps_change_nothing": _doubled(campaign, outcome, goals, title),
        "gradient_free_not_better": _without_gradient(campaign, outcome, goals, title),
        "monotone": _monotone(campaign, outcome, goals, title),
    }


def _share(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _again(campaign: Campaign, goals: Goals, title: str | None, what: str) -> Outcome:
    """Attack images for a check, if there are any."""
    if not len(goals):
        return Outcome.nothing(goals)
    return campaign.run(goals, title and f"check: {what}")


def _single(campaign: Campaign, outcome: Outcome, goals: Goals) -> Check:
    once = campaign.but([Part(Iterative(1, 1.0))]).run(goals)
    return Check(
        _share(outcome.success) >= _share(once.success),
        {"attack": _share(outcome.success), "single_step": _share(once.success)},
        "many steps succeed at least as often as one",
        "gradients are masked, or the step is too long",
    )


def _random(campaign: Campaign, goals: Goals) -> Check:
    norm, clean = campaign.norm, tf.constant(goals.clean)
    shape, epsilon = clean.shape[1:], tf.constant(goals.epsilon)
    noise = tf.stack(
        [
            norm.start(shape, tf.constant([campaign.seed + 7, int(key)]), tf.ones([]))
            for key in goals.key
        ]
    )
    # At the edge of the ball: of linf, in its corners.
    noise = tf.sign(noise) if norm.name == "linf" else noise
    radius = tf.reshape(epsilon, [-1, 1, 1, 1])
    image = norm.within(clean + radius * noise, clean, epsilon)
    if campaign.grid:
        image = norm.on_grid(image, clean, epsilon)
    rate = _share(campaign.fooled(np.asarray(image), goals.index))
    already = _share(campaign.fooled(goals.clean, goals.index))
    return Check(
        rate - already <= 0.05,
        rate,
        "random noise of the same size fools the network in at most 1 of 20 cases",
        "the network is unreliable near these images anyway; success says little",
    )


def _unbounded(campaign: Campaign, goals: Goals, title: str | None) -> Check:
    # Squares would hide that gradients lead nowhere.
    strong = climbing(campaign)
    free = campaign.unbounded(goals.take(slice(_SOME)))
    success = strong.run(free, title and "check: unbounded").success
    return Check(
        bool(success.all()),
        {
            "success": _share(success),
            "asked": len(free),
            "attack": spelled(strong.parts),
        },
        "without a bound the attack always succeeds",
        "gradients are masked, or the attack has too few steps",
    )


def _doubled(
    campaign: Campaign, outcome: Outcome, goals: Goals, title: str | None
) -> Check:
    """Try again what has withstood: as many images as cost no more than the attack."""
    twice = [
        dataclasses.replace(part, attack=doubled(part.attack))
        for part in list(filter(has_gradients, campaign.parts)) or campaign.parts
    ]
    withstood = np.flatnonzero(~outcome.success)
    most = max(int(outcome.steps.sum()), _SOME * 200) // cost(twice)
    left = goals.take(withstood[: min(_SOME, max(1, most))])
    success = _again(campaign.but(twice), left, title, "twice the steps").success
    before = _share(outcome.success)
    # Of those that were tried again.
    more = _share(success) * (1 - before)
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
    campaign: Campaign, outcome: Outcome, goals: Goals, title: str | None
) -> Check:
    """Ask squares about what withstood; or gradients about what only squares did."""
    guided = any(map(has_gradients, campaign.parts))
    rows = np.flatnonzero(~outcome.success if guided else outcome.success)[:_SOME]
    others = [Part(Square(_QUESTIONS), "margin")] if guided else _GUIDED
    what = f"{'without' if guided else 'with'} gradients"
    success = _again(campaign.but(others), goals.take(rows), title, what).success
    # Squares may have been part of the attack itself.
    fooled = int(success.sum()) + int(outcome.free.sum())
    return Check(
        if_asked(len(rows) + fooled, fooled == (0 if guided else len(rows))),
        {"asked": len(rows), "then_fooled": fooled, "attack": spelled(others)},
        (
            "images that withstood the attack also withstand random squares"
            if guided
            else "images that random squares fool are fooled by gradients as well"
        ),
        "gradients are masked: the true robustness is lower than it looks",
    )


def _monotone(
    campaign: Campaign, outcome: Outcome, goals: Goals, title: str | None
) -> Check:
    """Attack what has fallen once more, from the beginning, at twice the radius."""
    fallen = goals.take(outcome.success)
    # What looks for the smallest perturbation has no radius to be asked at.
    strong = campaign if not campaign.minimal else climbing(campaign)
    twice = np.minimum(2 * fallen.epsilon, campaign.unbounded(fallen).epsilon)
    fallen = dataclasses.replace(fallen, epsilon=twice)
    success = _again(strong, fallen, title, "twice the radius").success
    lost = int((~success).sum())
    return Check(
        if_asked(len(fallen), lost <= 0.01 * len(fallen)),
        {
            "succeeded": len(fallen),
            "again_at_twice_the_radius": len(fallen) - lost,
            "attack": spelled(strong.parts),
        },
        "attacks that succeed also succeed at twice the radius, except for 1 in 100",
        "gradients are masked, or the steps do not fit the radius",
    )


def levels(image: np.ndarray) -> np.ndarray:
    """Return the 8-bit pictures of images in [0, 1]."""
    rounded = np.asarray(on_levels(tf.constant(image, tf.float32))) * 255
    return (rounded + 0.5).astype(np.uint8)
