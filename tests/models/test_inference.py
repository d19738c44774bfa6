"""Predictions of many batches, on one device and on two."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.models.inference import Predictor


@pytest.mark.parametrize("traced", [False, True])
def test_predictions_come_in_order_and_without_padding(strategy, traced: bool) -> None:
    def twice(x: tf.Tensor) -> tf.Tensor:
        return x * 2

    signature = [tf.TensorSpec((None, 1), tf.float32)]
    forward = tf.function(twice, input_signature=signature) if traced else twice
    predictor = Predictor(forward, strategy)
    x = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    weights = np.ones((3, 4), np.float32)
    weights[2, 1:] = 0
    out = predictor.all(zip(x, x, weights), 9, None)
    np.testing.assert_array_equal(out[:, 0], 2 * np.arange(9))


def test_it_is_traced_once_for_any_number_of_examples() -> None:
    traces: list[object] = []

    def twice(x: tf.Tensor) -> tf.Tensor:
        traces.append(x.shape)
        return x * 2

    predictor = Predictor(twice, tf.distribute.OneDeviceStrategy("/cpu:0"))
    for count in (4, 1, 3):
        x = np.arange(count, dtype=np.float32)[:, None]
        np.testing.assert_array_equal(predictor(x), 2 * x)
    assert len(traces) == 1
