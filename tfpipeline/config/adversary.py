"""How attacks go, and how training resists them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdversarySettings:
    """How a perturbation is searched for; unset values are those of the attack.

    Args:
        attack: `fgsm`, `iterative_fgsm`, `pgd`, `mi_fgsm`, `di_fgsm` (for transfer),
            `apgd`, `apgd_dlr`, `apgd_rivals`, `square` (black box), `standard` (several
            in turn); for minimal perturbations `fmn`, `deepfool`, `carlini_wagner`.
        loss: Loss that the attack raises: `cross_entropy`, `margin`, or `dlr` (a margin
            that is invariant to the scale of the logits). `apgd_rivals`, `square`,
            `standard` and minimal attacks have their own.
        steps: Largest number of steps, at least 1; images that have succeeded stop
            earlier. `square` makes ten queries per step; `carlini_wagner` divides the
            steps among 6 searches.
        step_size: Step size as a share of epsilon; for `fmn`, the first step in l2.
        restarts: Number of random starts of each attack, at least 1.
        confidence: Margin, at least 0, by which the target's logit must exceed all
            others. Raise it for results that survive JPEG or fool other networks.
        samples: Number of random draws of a randomised network or defence per query; it
            counts as fooled only if all draws are. Use at least 8 for random defences.
        eight_bit: Whether results are restricted to images that an 8-bit PNG can hold.
        batch_size: Number of images that are attacked at once.
    """

    attack: str = "standard"
    loss: str | None = None
    steps: int | None = None
    step_size: float | None = None
    restarts: int | None = None
    confidence: float = 0.0
    samples: int = 1
    eight_bit: bool = True
    batch_size: int = 20


@dataclass(frozen=True)
class RobustSettings:
    """Adversarial training.

    Args:
        method: `none`, `pgd` (train on attacked images), `trades` (clean images, plus a
            penalty on answers that change under attack), or `free` (each batch several
            times, with a growing perturbation).
        epsilon: Radius of the attack in linf, for images in [0, 1]: `2/255`.
        steps: Number of steps of the attack; for `free`, the number of repetitions of a
            batch.
        weight: Weight of the penalty of `trades`.
    """

    method: str = "none"
    epsilon: str | float = "2/255"
    steps: int = 4
    weight: float = 6.0
