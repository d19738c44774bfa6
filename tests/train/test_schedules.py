"""Learning rates are those of Keras' own schedules, and of their papers."""

import keras
import numpy as np
import pytest

from tfpipeline.config import TrainSettings
from tfpipeline.core.errors import UserError
from tfpipeline.train import optimizers, schedules

STEPS = 7


def rates(**changes) -> np.ndarray:
    settings = TrainSettings(**{"epochs": 6, "learning_rate": 0.5, **changes})
    return schedules.rates(settings, 0, 6 * STEPS, STEPS)


def test_exponential_is_that_of_keras() -> None:
    keras_one = keras.optimizers.schedules.ExponentialDecay(0.5, STEPS, 0.98)
    expected = [float(keras_one(k)) for k in range(6 * STEPS)]
    np.testing.assert_allclose(rates(schedule="exponential"), expected, rtol=1e-5)


def test_cosine_is_that_of_keras() -> None:
    keras_one = keras.optimizers.schedules.CosineDecay(0.5, 6 * STEPS)
    expected = [float(keras_one(k)) for k in range(6 * STEPS)]
    np.testing.assert_allclose(rates(schedule="cosine"), expected, atol=1e-6)


def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing() -> None:
    found = rates(schedule="one_cycle")
    top = int(np.argmax(found))
    assert found.max() == pytest.approx(0.5, rel=0.02)
    assert top == pytest.approx(0.3 * 6 * STEPS, abs=1)
    assert (np.diff(found[: top + 1]) > 0).all() and (np.diff(found[top:]) < 0).all()
    assert found[0] == pytest.approx(0.02) and found[-1] < 0.005


@pytest.mark.parametrize("schedule", sorted(schedules.SCHEDULES))
def test_a_warm_up_rises_in_equal_parts_and_then_the_schedule_begins(
    schedule: str,
) -> None:
    found = rates(schedule=schedule, warmup_epochs=2.0)
    warm = found[: 2 * STEPS]
    assert warm[0] > 0
    np.testing.assert_allclose(np.diff(warm), np.diff(warm)[0], rtol=1e-3)
    shorter = TrainSettings(epochs=4, learning_rate=0.5, schedule=schedule)
    expected = schedules.rates(shorter, 0, 4 * STEPS, STEPS)
    np.testing.assert_allclose(found[2 * STEPS :], expected, rtol=1e-5)


@pytest.mark.parametrize("schedule", sorted(schedules.SCHEDULES))
def test_a_part_of_a_training_has_the_rates_of_the_whole(schedule: str) -> None:
    settings = TrainSettings(epochs=6, schedule=schedule, warmup_epochs=0.5)
    whole = schedules.rates(settings, 0, 6 * STEPS, STEPS)
    np.testing.assert_array_equal(schedules.rates(settings, 11, 9, STEPS), whole[11:20])


def test_a_plateau_halves_the_rate_once_the_loss_has_rested() -> None:
    plateau = schedules.Plateau(2)
    seen = []
    for loss in (3.0, 2.0, 2.0, 2.5, 1.0, 1.5, 1.5, 1.5, 1.5):
        plateau.update(loss)
        seen.append(plateau.scale)
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"warmup_epochs": 6.0}, "fewer than the 6 epochs"),
        ({"warmup_epochs": -1.0}, "warmup_epochs"),
    ],
)
def test_settings_that_cannot_be_are_told(changes: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        optimizers.check(TrainSettings(epochs=6, **changes))
