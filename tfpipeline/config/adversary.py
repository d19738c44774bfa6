"""How attacks go, how training resists them, and epsilon as people write it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tfpipeline.core.errors import UserError


@dataclass(frozen=True)
class AdversarySettings:
    """How a perturbation is looked for; null is the attack's own.

    Args:
        attack: `fgsm`, `iterative_fgsm`, `pgd`, `mi_fgsm`, `di_fgsm` (for other
            networks), `apgd`, `apgd_dlr`, `apgd_rivals`, `square` (without gradients),
            `standard` (several, one after the other); or for the smallest perturbation
            `fmn`, `deepfool`, `carlini_wagner`.
        loss: `cross_entropy`, `margin`, or `dlr` (a margin that no scale hides); not
            for those that have one of their own: `apgd_rivals`, `square`, `standard`,
            and all that look for the smallest perturbation.
        steps: At most; images that have succeeded stop. Of `square` ten times as many
            questions are asked, for each costs a third; `carlini_wagner` shares them
            among its 6 searches.
        step_size: As a share of epsilon; of `fmn` the first step, in l2 and in [0, 1].
        restarts: How often each attack begins, elsewhere in the ball.
        confidence: By how much the wanted logit has to be above all others before an
            image stops: raise it for pictures that survive JPEG or fool other networks.
        samples: How often a random network is asked for each answer, each time with
            other draws; it is fooled only if it is so every time. Random defences are
            asked 8 times at least.
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


def epsilon(word: str | float, flag: str) -> float:
    """Return a radius that was written as a number or a fraction.

    Args:
        word: E.g. `4/255` or `0.5`.
        flag: What the user named it by.

    Raises:
        UserError: It is neither, or negative, or without an end.
    """
    number = r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*"
    found = re.fullmatch(rf"{number}(?:/{number})?", str(word))
    below = float(found[2]) if found and found[2] else 1.0
    if found is None or not below:
        raise UserError(
            f"{flag}: expected a number or a fraction from 0, of values in [0, 1], "
            f"e.g. 4/255 or 0.5. Received: {word}."
        )
    return float(found[1]) / below


def check_radius(word: str | float, norm: str, *, eight_bit: bool) -> None:
    """Refuse a radius of a perturbation that no picture, or every one, lies in.

    Args:
        word: As the user wrote it.
        norm: In which it is measured.
        eight_bit: Whether the pictures are to be 8-bit ones.

    Raises:
        UserError: It is none, nought, less than a step of 8 bits, or all of [0, 1].
    """
    radius = epsilon(word, "--epsilon")
    if not radius:
        raise UserError(
            f"--epsilon {word}: expected more than 0: nothing could be changed."
        )
    if norm != "linf":
        return
    if radius > 1:
        raise UserError(
            f"--epsilon {word}: expected at most 1: pixels are in [0, 1]. If you meant "
            f"steps of 8 bits, write {word}/255."
        )
    if eight_bit and radius < 0.999 / 255:
        raise UserError(
            f"--epsilon {word}: less than one step of an 8-bit picture, 1/255: no such "
            "file differs from the photograph. Raise it, or say --adversary.eight_bit "
            "false."
        )


def written(radius: float, norm: str) -> str:
    """Return a radius as people write it.

    Args:
        radius: In [0, 1].
        norm: In which it is measured.
    """
    return f"{radius * 255:.3g}/255" if norm == "linf" else f"{radius:.3g}"


def epsilons(words: str | Sequence[str], flag: str) -> list[float]:
    """Return radii that were written with commas between them, rising.

    Args:
        words: E.g. `1/255,2/255`.
        flag: What the user named them by.

    Raises:
        UserError: One is no radius.
    """
    parts = words.split(",") if isinstance(words, str) else words
    return sorted({epsilon(word.strip(), flag) for word in parts})
