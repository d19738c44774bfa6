"""The search for a learning rate finds a good one and leaves no trace."""

import numpy as np
import pytest
import tensorflow as tf

from tests.train.test_train_step import linear, some
from tfpipeline.core.errors import UserError
from tfpipeline.train import lr_finder


def test_the_weights_are_as_before_and_the_rate_trains(strategy) -> None:
    model, trainer = linear(strategy, 0.1, optimizer="adam")
    model.layers[0].set_weights([np.ones((3, 2)), np.zeros(2)])
    before = [weight.copy() for weight in model.get_weights()]
    found = lr_finder.search(trainer, model.weights, lambda e: [some(7, 8, e)], 0)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
    assert 1e-4 < found.rate < 1
    assert len(found.rates) == len(found.losses) <= lr_finder.STEPS
    assert (np.diff(found.rates) > 0).all()


def test_it_stops_once_the_loss_is_out_of_hand() -> None:
    _, trainer = linear(tf.distribute.OneDeviceStrategy("/cpu:0"), 0.1)
    steps = some(100, 8)
    steps.inputs[:] *= 100
    found = lr_finder.search(trainer, [], lambda e: [steps], 0)
    assert len(found.losses) < lr_finder.STEPS


def test_the_steepest_fall_is_chosen_and_never_near_the_end() -> None:
    rates = np.geomspace(lr_finder.LOWEST, lr_finder.HIGHEST, lr_finder.STEPS)
    place = np.log10(rates)
    early = 2 - 1.5 / (1 + np.exp(-8 * (place + 3)))
    assert lr_finder.choose(list(early)) == pytest.approx(1e-3, rel=0.2)
    late = np.where(rates < 0.5, 2 - rates, 9.0)
    assert lr_finder.choose(list(late)) <= 0.05


def test_a_loss_that_is_never_a_number_is_told() -> None:
    _, trainer = linear(tf.distribute.OneDeviceStrategy("/cpu:0"), 0.1)
    steps = some(3, 8)
    steps.inputs[:] = np.nan
    with pytest.raises(UserError, match="precision float32"):
        lr_finder.search(trainer, [], lambda e: [steps], 0)
