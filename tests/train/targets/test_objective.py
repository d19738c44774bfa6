"""What is minimised: targets and weights, against their closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.train.targets.objective import Criterion


def test_class_indices_become_one_hot_targets() -> None:
    targets = Criterion(3).targets(np.int32([[0, 2], [1, 1]]))
    np.testing.assert_array_equal(targets, np.eye(3)[[[0, 2], [1, 1]]])


def test_targets_in_shares_stay_as_they_are() -> None:
    shares = np.float32([[[0.25, 0.75], [1, 0]]])
    np.testing.assert_array_equal(Criterion(2).targets(shares), shares)


@pytest.mark.parametrize("shares", [[1, 0], [0, 1], [0.25, 0.75]])
def test_an_example_weighs_what_its_classes_weigh(shares: list[float]) -> None:
    criterion = Criterion(2, class_weights=np.float32([3, 0.5]))
    targets, weights = np.float32([[shares]]), np.float32([[2]])
    expected = 2 * np.dot(shares, [3, 0.5])
    np.testing.assert_allclose(criterion.weigh(targets, weights), [[expected]])


def test_without_class_weights_the_weights_of_the_examples_stand() -> None:
    weights = tf.constant([[1.0, 0.0]])
    found = Criterion(2).weigh(tf.zeros([1, 2, 2]), weights)
    np.testing.assert_array_equal(found, weights)
