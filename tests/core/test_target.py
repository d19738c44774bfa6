"""Targets by their names, and what is said where one has no meaning."""

import pytest

from tfpipeline.core import target
from tfpipeline.core.errors import UserError


def test_unknown_targets_suggest_the_nearest() -> None:
    for name in (None, *target.TARGETS):
        target.check(name)
    with pytest.raises(UserError, match="--data.target 'mutli'.*'multi'"):
        target.check("mutli")


def test_what_is_not_defined_says_what_is() -> None:
    target.expect("soft", "a flag", "Leave it out.")
    with pytest.raises(UserError) as refused:
        target.expect("number", "--robust 1/255", "Leave it out.")
    expected = "--robust 1/255: not defined for --data.target number. Leave it out."
    assert str(refused.value) == expected


def test_every_target_is_watched_by_a_figure_of_its_own() -> None:
    watched = {name: target.quantity(name) for name in target.TARGETS}
    assert watched == {
        "single": "accuracy",
        "soft": "accuracy",
        "multi": "label_accuracy",
        "number": "mae",
    }
