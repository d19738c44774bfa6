"""Settings that no target has are refused before any work."""

import dataclasses

import pytest

from tests.data.sources.test_targets import prepare, several, written
from tfpipeline.config import RunSettings
from tfpipeline.core.errors import UserError
from tfpipeline.train.targets import limits


def changed(section: str, **changes) -> RunSettings:
    settings = RunSettings()
    own = dataclasses.replace(getattr(settings, section), **changes)
    return dataclasses.replace(settings, **{section: own})


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"thresholds": "f2"}, "Unknown --calibration.thresholds 'f2'.*'f1'"),
        ({"precision": 1.5}, "--calibration.precision: expected a share above 0"),
        ({"coverage": 1.0}, "--calibration.coverage: expected a share between"),
    ],
)
def test_how_thresholds_are_chosen_is_checked(changes: dict, words: str) -> None:
    limits.check_settings(RunSettings())
    with pytest.raises(UserError, match=words):
        limits.check_settings(changed("calibration", **changes))


def test_what_one_target_lacks_another_one_has(tmp_path) -> None:
    single = prepare(written(tmp_path, ("label",), list("ab") * 30))
    multi = prepare(written(tmp_path, ("label",), several([])[:60]), "multi")
    for settings in (changed("robust", method="pgd"), changed("train", loss="focal")):
        limits.check(settings, single)
    limits.check(changed("train", class_weights="balanced"), multi)
    with pytest.raises(UserError, match="--robust.method pgd: not defined for"):
        limits.check(changed("robust", method="pgd"), multi)
