"""How attacks go, and how training resists them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdversarySettings:
    """How a perturbation is searched; unset values are those of the attack.

    Args:
        attack: `fgsm`, `iterative_fgsm`, `pgd`, `mi_fgsm`, `di_fgsm` (for transfer),
            `apgd`, `apgd_dlr`, `apgd_rivals`, `square` (black box), `standard` (several
            in turn); for minimal perturbations `fmn`, `deepfool`, `carlini_wagner`.
        loss: `cross_entropy`, `margin`, or `dlr` (a margin that is invariant to scale).
            `apgd_rivals`, `square`, `standard` and minimal attacks have their own.
        steps: Maximum; images that have succeeded stop earlier. `square` makes ten
            queries per step; `carlini_wagner` divides them among 6 searches.
        step_size: As a share of epsilon; for `fmn` the first step, in l2.
        restarts: Number of random starts of each attack.
        confidence: Margin by which the wanted logit has to exceed all others. Raise it
            for results that survive JPEG or fool other networks.
        samples: Draws of a random network for each query; it counts as fooled if all
            draws are. At least 8 for random defences.
        eight_bit: Whether results are restricted to images that a PNG can hold.
        batch_size: Images that are attacked at once.
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
    """How training makes a network robust.

    Args:
        method: `none`, `pgd` (train on attacked images), `trades` (clean images, plus a
            term that keeps the answer under attack), or `free` (each batch several
            times, with a growing perturbation).
        epsilon: Radius in linf, for images in [0, 1]: `2/255`.
        steps: Steps of the attack; for `free` the number of repetitions of a batch.
        weight: Of the second term of `trades`.
    """

    method: str = "none"
    epsilon: str | float = "2/255"
    steps: int = 4
    weight: float = 6.0
