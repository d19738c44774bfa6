"""The table of attacks, and what a user may change."""

import pytest

from tfpipeline.attack.engine import registry
from tfpipeline.attack.engine.gradient import Apgd, Iterative
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core.errors import UserError


def choose(norm: str = "linf", targeted: bool = False, **given):
    return registry.choose(AdversarySettings(**given), norm, targeted=targeted)


def test_a_name_stands_for_its_row() -> None:
    assert choose(attack="pgd") == registry.ATTACKS["pgd"]


def test_what_is_changed_is_changed() -> None:
    (part,) = choose(attack="pgd", steps=7, step_size=0.5, restarts=3, loss="dlr")
    assert part.attack == Iterative(7, 0.5, random_start=True)
    assert (part.restarts, part.loss) == (3, "dlr")


def test_rivals_are_left_out_where_there_is_a_target() -> None:
    parts = choose(attack="standard", targeted=True)
    assert not any(isinstance(p.attack, Apgd) and p.attack.rivals for p in parts)
    assert len(parts) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"attack": "pdg"}, "Did you mean 'pgd'"),
        ({"attack": "pgd", "loss": "margn"}, "Did you mean 'margin'"),
        ({"norm": "l3"}, "Known: l1, l2, linf"),
        ({"attack": "carlini_wagner"}, "expected --norm l2"),
        ({"attack": "apgd_rivals", "targeted": True}, "Use apgd_dlr"),
        ({"attack": "pgd", "steps": 0}, "--adversary.steps: expected at least 1"),
        ({"attack": "pgd", "step_size": -1.0}, "expected a positive number"),
        ({"attack": "apgd", "step_size": 0.1}, "chooses its steps itself"),
        ({"attack": "fmn", "loss": "dlr"}, "has a loss of its own"),
        ({"attack": "apgd_rivals", "loss": "margin"}, "has a loss of its own"),
        ({"attack": "standard", "loss": "dlr"}, "goes through several losses"),
        ({"restarts": 0}, "--adversary.restarts"),
        ({"attack": "fgsm", "restarts": 3}, "each restart would be the same"),
        ({"confidence": -1.0}, "--adversary.confidence"),
    ],
)
def test_what_means_nothing_is_refused(given: dict, words: str) -> None:
    with pytest.raises(UserError, match=words.replace("[", r"\[")):
        choose(**given)


@pytest.mark.parametrize(
    ("name", "norm", "steps", "made"),
    [
        ("pgd", "linf", 7, 7),
        ("square", "linf", 7, 70),
        ("carlini_wagner", "l2", 60, 60),
        ("carlini_wagner", "l2", 5, 5),
        ("fmn", "l2", 7, 7),
    ],
)
def test_steps_are_what_the_settings_say(
    name: str, norm: str, steps: int, made: int
) -> None:
    (part,) = choose(norm, attack=name, steps=steps)
    assert part.attack.steps == made
    assert registry.doubled(part.attack).steps == 2 * made


def test_attacks_are_told_in_words() -> None:
    assert registry.spelled(choose(attack="standard")) == (
        "apgd up cross_entropy, 100 steps; apgd up dlr, 100 steps; "
        "apgd towards 9 wrong classes, 100 steps; square, 1000 steps"
    )
    assert registry.spelled(choose(attack="fgsm")) == (
        "iterative up cross_entropy, 1 step"
    )
