"""The attacks that are known by name."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfpipeline.attack.engine.base import Attack
from tfpipeline.attack.engine.gradient import Apgd, Iterative
from tfpipeline.attack.engine.losses import LOSSES
from tfpipeline.attack.engine.minimal import CarliniWagner, DeepFool, FastMinimumNorm
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.square import Square
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core.errors import UserError, check_each, unknown


@dataclass(frozen=True)
class Part:
    """One attack of a series, what it climbs, and how often it begins elsewhere."""

    attack: Attack
    loss: str = "cross_entropy"
    restarts: int = 1


# As many wrong classes as AutoAttack tries.
_RIVALS = Part(Apgd(rivals=True), "dlr", restarts=9)


# What each name stands for: attacks one after the other, each on the images that have
# withstood those before.
ATTACKS: Mapping[str, tuple[Part, ...]] = {
    "fgsm": (Part(Iterative(1, 1.0)),),
    "iterative_fgsm": (Part(Iterative(10)),),
    "pgd": (Part(Iterative(40, random_start=True), restarts=1),),
    "mi_fgsm": (Part(Iterative(10, 0.1, momentum=1.0)),),
    "di_fgsm": (Part(Iterative(20, 0.1, momentum=1.0, diversity=0.7)),),
    "apgd": (Part(Apgd()),),
    "apgd_dlr": (Part(Apgd(), "dlr"),),
    "apgd_rivals": (_RIVALS,),
    "deepfool": (Part(DeepFool()),),
    "fmn": (Part(FastMinimumNorm()),),
    "carlini_wagner": (Part(CarliniWagner()),),
    "square": (Part(Square(), "margin"),),
    "standard": (Part(Apgd()), Part(Apgd(), "dlr"), _RIVALS, Part(Square(), "margin")),
}

# In which norms an attack can be made, where it is not in all of them.
ONLY_IN = {"carlini_wagner": ("l2",), "deepfool": ("linf", "l2")}

# Attacks whose loss is their own, and those that begin at the photograph.
OWN_LOSS = (DeepFool, FastMinimumNorm, CarliniWagner, Square)
_FROM_IMAGE = (DeepFool, FastMinimumNorm, CarliniWagner)


def choose(
    settings: AdversarySettings, norm: str, *, targeted: bool
) -> tuple[Part, ...]:
    """Return the attacks that a name stands for, with what the user has changed.

    Where there is a target, rivals are left out.
    """
    name = settings.attack
    for flag, word, table in (
        ("--adversary.attack", name, ATTACKS),
        ("--adversary.loss", settings.loss or "margin", LOSSES),
        ("--norm", norm, NORMS),
    ):
        if word not in table:
            raise unknown(flag, word, table)
    steps, restarts, size = settings.steps, settings.restarts, settings.step_size
    check_each(
        "adversary",
        settings,
        {
            "steps": ("at least 1", steps is None or steps >= 1),
            "step_size": ("a positive number", size is None or 0 < size < 1e6),
            "restarts": ("at least 1", restarts is None or restarts >= 1),
            "confidence": ("at least 0", settings.confidence >= 0),
            "samples": ("at least 1", settings.samples >= 1),
            "batch_size": ("at least 1", settings.batch_size >= 1),
        },
    )
    if norm not in ONLY_IN.get(name, NORMS):
        raise UserError(
            f"--adversary.attack {name}: expected --norm "
            f"{' or '.join(ONLY_IN[name])}. Received: {norm}."
        )
    parts = ATTACKS[name]
    if targeted:
        parts = tuple(part for part in parts if part != _RIVALS)
        if not parts:
            raise UserError(
                f"--adversary.attack {name} with --target: it goes through the wrong "
                "classes, and a target is one. Use apgd_dlr."
            )
    return tuple(_with_settings(part, settings) for part in parts)


def _with_settings(part: Part, settings: AdversarySettings) -> Part:
    attack, name = part.attack, settings.attack
    if settings.steps is not None:
        attack = with_steps(attack, settings.steps)
    if settings.step_size is not None:
        if not isinstance(attack, Iterative | FastMinimumNorm):
            raise UserError(
                f"--adversary.step_size: {name} chooses its steps itself. Leave it out."
            )
        attack = dataclasses.replace(attack, step_size=settings.step_size)
    if settings.loss is not None:
        kind = ""
        if isinstance(attack, OWN_LOSS) or getattr(attack, "rivals", False):
            kind = "has a loss of its own"
        if len(ATTACKS[name]) > 1:
            kind = "goes through several losses"
        if kind:
            raise UserError(f"--adversary.loss: {name} {kind}. Leave it out.")
    restarts = settings.restarts or part.restarts
    if part == _RIVALS:
        # Each restart is another rival.
        restarts = max(restarts, part.restarts)
    alike = isinstance(attack, _FROM_IMAGE) or (
        isinstance(attack, Iterative) and not attack.random_start
    )
    if alike and restarts > 1:
        raise UserError(
            f"--adversary.restarts: {name} begins at the photograph; each restart "
            "would be the same. Leave it out."
        )
    return Part(attack, settings.loss or part.loss, restarts)


_WORDS: Mapping[type, str] = {
    Iterative: "iterative",
    Apgd: "apgd",
    DeepFool: "deepfool",
    FastMinimumNorm: "fmn",
    CarliniWagner: "carlini_wagner",
    Square: "square",
}


def spelled(parts: Sequence[Part]) -> str:
    """Return attacks in words, e.g. `apgd up dlr, 100 steps`."""
    words = []
    for part in parts:
        up = "" if isinstance(part.attack, OWN_LOSS) else f" up {part.loss}"
        if getattr(part.attack, "rivals", False):
            up = f" towards {part.restarts} wrong classes"
        elif part.restarts > 1:
            up += f" {part.restarts} times"
        steps, kind = part.attack.steps, type(part.attack)
        name = _WORDS.get(kind, kind.__name__)
        words.append(f"{name}{up}, {steps} step{'s' * (steps != 1)}")
    return "; ".join(words)


def cost(parts: Sequence[Part]) -> int:
    """Return how many steps an image takes at most."""
    return sum(part.attack.steps * part.restarts for part in parts)


def with_steps(attack: Attack, steps: int) -> Attack:
    """Return an attack with another number of steps, as the user counts them."""
    if isinstance(attack, CarliniWagner):
        # With less than a step each, there are fewer searches.
        searches = min(attack.searches, steps)
        return dataclasses.replace(attack, searches=searches, inner=steps // searches)
    if isinstance(attack, Square):
        # A question without a gradient costs a third; many are needed.
        steps *= 10
    changed: Attack = dataclasses.replace(attack, steps=steps)  # type: ignore
    return changed


def doubled(attack: Attack) -> Attack:
    """Return an attack with twice the steps."""
    if isinstance(attack, Square):
        return dataclasses.replace(attack, steps=2 * attack.steps)
    return with_steps(attack, 2 * attack.steps)
