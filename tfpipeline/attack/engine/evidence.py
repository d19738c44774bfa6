"""What should be true of an attack, and what is counted while it goes on."""

from dataclasses import dataclass

import numpy as np

from tfpipeline.attack.engine.loop import Found, Wanted
from tfpipeline.attack.engine.model import Inspection
from tfpipeline.attack.engine.norms import inside
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.core.checks import Check, if_asked

# Of fewer photographs nobody can say whether a network guesses.
ASKED_AT_LEAST = 5


@dataclass
class Tally:
    """What is counted of all images, however many there are.

    Args:
        largest: Perturbation that counts.
        in_ball: Whether all such are in their balls.
        in_range: Whether all images are in [0, 1].
        finite: Whether all values are numbers.
        steps: That were made.
        flat: How many of them found no gradient.
    """

    largest: float = 0.0
    in_ball: bool = True
    in_range: bool = True
    finite: bool = True
    steps: int = 0
    flat: int = 0

    def add(self, campaign: Campaign, found: Found, wanted: Wanted) -> None:
        """Count some images.

        Args:
            campaign: What was done.
            found: What came out.
            wanted: What went in.
        """
        image, size = found.image, campaign.sizes(found.image, wanted.clean)
        # What has not succeeded, and heeds no radius, may lie anywhere.
        counts = found.success | (not campaign.minimal)
        self.largest = max(self.largest, float(size[counts].max(initial=0)))
        self.in_ball &= bool(inside(size, wanted.epsilon)[counts].all())
        self.in_range &= bool(image.min(initial=0) >= 0 and image.max(initial=0) <= 1)
        self.finite &= bool(np.isfinite(image).all())
        self.steps += int(found.steps.sum())
        self.flat += int(found.flat.sum())

    def checks(self, inspection: Inspection) -> dict[str, Check]:
        """Tell whether the attack has kept its rules, and gradients say anything.

        Args:
            inspection: Of the victim.
        """
        own = Check(
            self.finite and self.in_ball and self.in_range,
            {
                "largest": self.largest,
                "in_range": self.in_range,
                "finite": self.finite,
            },
            "every image is in [0, 1] and in the ball, and all its values are numbers",
            "the attack broke its own rules: a fault of this program",
        )
        return {"in_the_ball": own} | gradients(
            inspection, self.flat / max(1, self.steps)
        )


def gradients(inspection: Inspection, flat: float) -> dict[str, Check]:
    """Tell whether gradients say anything.

    Args:
        inspection: Of the victim.
        flat: Share of the steps that found no gradient.
    """
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


def plausible(right: int, asked: int, classes: int) -> Check:
    """Tell whether a network knows what is on the images, before they are attacked.

    Args:
        right: Images that it is right about.
        asked: Of so many whose class is known.
        classes: Among which it chooses.
    """
    share = right / max(1, asked)
    return Check(
        if_asked(asked >= ASKED_AT_LEAST, share > max(0.1, 1 / classes)),
        {"right": right, "asked": asked},
        "before the attack the network is right more often than a guess would be",
        "the network expects another pixel space or knows other classes, and success "
        "says little: look at its preprocessing, and at the names of the folders",
    )
