"""GROUND: frozen dataclasses of attacks, and epsilon as people write it."""

import re
from dataclasses import dataclass, field

from tfpipeline.config import DistributeSettings, ModelSettings
from tfpipeline.errors import UserError


@dataclass(frozen=True)
class AdversarySettings:
    """How a perturbation is looked for; null is the attack's own.

    Args:
        attack: `fgsm`, `iterative_fgsm`, `pgd`, `mi_fgsm`, `di_fgsm` (for other
            networks), `apgd`, `apgd_dlr`, `apgd_rivals`, `square` (without gradients),
            `standard` (several, one after the other); or for the smallest perturbation
            `fmn`, `deepfool`, `carlini_wagner`.
        loss: `cross_entropy`, `margin`, or `dlr` (a margin that no scale hides).
        steps: At most; images that have succeeded stop.
        step_size: As a share of epsilon.
        restarts: How often each attack begins, elsewhere in the ball.
        confidence: By how much the wanted logit has to be above all others before an
            image stops: raise it for pictures that survive JPEG or fool other networks.
        samples: How often a random network is asked for each answer.
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
class AttackSettings:
    """What `attack` can be told.

    Args:
        images: Photographs: files, folders, or globs.
        output: Folder for the pictures, figures and `attack.json`.
        run: The folder of a finished run, to attack its classifier; null is the network
            of the section `model`, with its own top.
        target: Name or number of the class that the network is to see; null is any
            wrong one.
        epsilon: How large the perturbation may be, of values in [0, 1]: `4/255`, `0.5`.
        norm: In which epsilon is measured: `linf`, `l2`, or `l1`.
        preset: `best`, or `lesson` (that of the lesson this project grew from, with its
            two pixel spaces, beside the right one).
        minimal: Whether to look for the smallest perturbation of each photograph as
            well.
        epsilons: Radii at which the accuracy is measured as well, `2/255 4/255`; none
            is half, once and twice epsilon, where there are several photographs.
        together: Networks that have to be fooled by the same picture: names from the
            table of backbones, or folders of runs.
        judges: Networks that took no part and are shown the pictures.
        matrix: Whether each of all these networks is attacked alone as well, and its
            pictures are shown to the others.
        jpeg: Qualities at which the pictures are kept as JPEG and shown again.
        defences: Input defences that are attacked without knowing of them, and then
            knowing: `jpeg:75`, `bit_depth:4`, `smoothing:3`.
        full_size: Whether the perturbation is carried back to each photograph's own
            size as well.
        seed: Of all draws.
        overwrite: Whether an earlier result in the folder may be replaced.
        resize: How a photograph becomes square: `squash`, `crop`, or `pad`; null is as
            the run did, `squash` without a run.
        model: The network, if it is not that of a run.
        adversary: How the perturbation is looked for.
        distribute: The devices.
    """

    images: list[str] = field(default_factory=list)
    output: str = "attack"
    run: str | None = None
    target: str | int | None = None
    epsilon: str | float = "4/255"
    norm: str = "linf"
    preset: str = "best"
    minimal: bool = False
    epsilons: list[str] = field(default_factory=list)
    together: list[str] = field(default_factory=list)
    judges: list[str] = field(default_factory=list)
    matrix: bool = False
    jpeg: list[str] = field(default_factory=lambda: ["95", "75", "50"])
    defences: list[str] = field(default_factory=list)
    full_size: bool = False
    seed: int = 0
    overwrite: bool = False
    resize: str | None = None
    model: ModelSettings = field(default_factory=ModelSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)


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


def written(radius: float, norm: str) -> str:
    """Return a radius as people write it.

    Args:
        radius: In [0, 1].
        norm: In which it is measured.
    """
    return f"{radius * 255:.3g}/255" if norm == "linf" else f"{radius:.3g}"
