"""What a user changes of a preset, and what is refused."""

import dataclasses

import pytest

from tfpipeline.config.synthesis import SynthesisSettings, SynthesizeSettings
from tfpipeline.core.errors import UserError
from tfpipeline.synthesize import presets


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": -1}, "--synthesis.steps: expected at least 0"),
        ({"copies": 0}, "--synthesis.copies"),
        ({"views": 0}, "--synthesis.views"),
        ({"objective": "log_ods"}, "Did you mean 'log_odds'"),
        ({"parameterization": "furier"}, "'fourier'"),
        ({"optimizer": "adamm"}, "'adam'"),
        ({"learning_rate": 0.0}, "positive"),
        ({"learning_rate": float("inf")}, "positive"),
        ({"start": "photo.jpg", "copies": 2}, "become the same"),
        ({"feature_distance": 1.0}, "expected with --synthesis.start"),
        ({"start": "photo.jpg", "feature_layer": "x"}, "feature_distance, the weight"),
        (
            {"start": "photo.jpg", "feature_distance": -1.0},
            "feature_distance: expected",
        ),
        ({"batch_size": 0}, "--synthesis.batch_size"),
        ({"branch_gradient": 0.0}, "--synthesis.branch_gradient: expected above 0"),
        ({"branch_gradient": 1.5}, "at most 1"),
        ({"relu_gradient": -0.1}, "--synthesis.relu_gradient: expected from 0 to 0.5"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, said: str) -> None:
    with pytest.raises(UserError, match=said):
        presets.choose_preset("best", SynthesisSettings(**settings))


def test_the_other_preset_is_as_it_stands_when_compared() -> None:
    given = SynthesizeSettings(compare=True, synthesis=SynthesisSettings(steps=7))
    found = presets.choose_presets(given)
    assert list(found) == ["best", "lesson"]
    assert found["best"][0].steps == 7 and found["lesson"][0].steps == 1000
    alone = presets.choose_presets(dataclasses.replace(given, compare=False))
    assert list(alone) == ["best"]
    with pytest.raises(UserError, match="'best'"):
        presets.choose_presets(SynthesizeSettings(preset="bst"))


def test_another_parameterization_has_a_rate_and_options_of_its_own() -> None:
    own = presets.choose_preset("best", SynthesisSettings(parameterization="pixels"))
    assert own.options == {} and own.learning_rate == 0.02
    given = SynthesisSettings(parameterization="pixels", learning_rate=0.5)
    assert presets.choose_preset("best", given).learning_rate == 0.5


def test_copies_of_the_lesson_cannot_be_told_to_differ() -> None:
    with pytest.raises(UserError, match="shows no layers"):
        presets.choose_preset("lesson", SynthesisSettings(diversity=1.0, copies=2))
    with pytest.raises(UserError, match="copies 2 or more"):
        presets.choose_preset("best", SynthesisSettings(diversity=1.0))


def test_the_lesson_asks_for_the_gradient_as_it_is() -> None:
    plain = presets.choose_preset("lesson", SynthesisSettings())
    assert (plain.branch_gradient, plain.relu_gradient) == (1, 0)
    for changed in ({"branch_gradient": 0.5}, {"relu_gradient": 0.1}):
        with pytest.raises(UserError, match="_gradient with --preset lesson"):
            presets.choose_preset("lesson", SynthesisSettings(**changed))
