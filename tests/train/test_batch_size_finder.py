"""The batch size that is found is one that the machine gains by."""

import keras
import pytest
import tensorflow as tf

from tfpipeline.core.errors import UserError
from tfpipeline.train import batch_size_finder


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.mark.parametrize("learns", [False, True])
def test_a_size_is_found_that_the_replicas_can_share(
    network, strategy, learns: bool
) -> None:
    found = batch_size_finder.largest_batch(network, strategy, most=32, learns=learns)
    assert 1 <= found <= 32 and found % strategy.num_replicas_in_sync == 0


def test_it_grows_while_that_pays_and_stops_at_the_memory(network, monkeypatch) -> None:
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    rates = {1: 10.0, 2: 19.0, 4: 35.0, 8: 60.0, 16: 61.0, 32: 200.0}
    monkeypatch.setattr(
        batch_size_finder, "images_per_second", lambda n, s, size, b: rates[size]
    )
    assert (
        batch_size_finder.largest_batch(network, strategy, most=32, learns=False) == 8
    )

    def short(network, strategy, size, learns) -> float:
        if size > 2:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return float(size)

    monkeypatch.setattr(batch_size_finder, "images_per_second", short)
    assert (
        batch_size_finder.largest_batch(network, strategy, most=32, learns=False) == 2
    )

    def none(network, strategy, size, learns) -> float:
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(batch_size_finder, "images_per_second", none)
    with pytest.raises(UserError, match="too little memory"):
        batch_size_finder.largest_batch(network, strategy, most=32, learns=False)
