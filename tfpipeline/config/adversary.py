"""How attacks go, and how training resists them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdversarySettings:
    """How a perturbation is looked for; null is the attack's own.

    Args:
        attack: `fgsm`, `iterative_fgsm`, `pgd`, `mi_fgsm`, `di_fgsm` (for other
            networks), `apgd`, `apgd_dlr`, `apgd_rivals`, `square` (without gradients),
            `standard` (several, one after the other); or for the smallest perturbation
            `fmn`, `deepfool`, `carlini_wagner`.
        loss: `cross_entropy`, `margin`, or `dlr` (a margin that no scale hides); not
            for attacks with one of their own: `apgd_rivals`, `square`, `standard`, and
            those for the smallest perturbation.
        steps: At most; images that have succeeded stop. `square` asks ten times as many
            questions (each costs a third); `carlini_wagner` has 6 searches share them.
        step_size: As a share of epsilon; of `fmn` the first step, in l2 and in [0, 1].
        restarts: How often each attack begins, elsewhere in the ball.
        confidence: By how much the wanted logit has to be above all others: raise it
            for pictures that survive JPEG or fool other networks.
        samples: How often a random network is asked for each answer, with other draws;
            it is fooled only if it is so every time. Random defences: 8 at least.
        eight_bit: Whether the images are constrained to those that a PNG can hold.
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
    """How a training makes a network resist attacks; every image goes through it all.

    Args:
        method: `none`, `pgd` (the attacked image instead of the image), `trades` (the
            image, and that the attacked one is answered alike), or `free` (each batch
            several times, while its perturbation grows).
        epsilon: How large the perturbation is, in linf, of values in [0, 1]: `2/255`.
        steps: Of the attack; of `free`, how often each batch is trained on.
        weight: Of the second term of `trades`.
    """

    method: str = "none"
    epsilon: str | float = "2/255"
    steps: int = 4
    weight: float = 6.0
