"""bfloat16 is the same network with fewer digits, and only where it is asked for."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.models import constant_weights
from tfpipeline.models.engines import bfloat16


def test_graphs_are_rewritten_inside_the_block_only() -> None:
    x = tf.constant(np.random.default_rng(0).random((64, 64), np.float32))
    product = tf.function(lambda a: tf.matmul(a, a), autograph=False)
    exact = np.asarray(product(x))
    with bfloat16.rewritten():
        coarse = np.asarray(product(x))
    np.testing.assert_array_equal(np.asarray(product(x)), exact)
    change = np.abs(coarse - exact).max() / exact.max()
    # Eight bits of mantissa; nothing at all where TensorFlow cannot compute so.
    assert change < 1e-2
    if bfloat16.is_supported():
        assert change > 1e-5


def test_an_error_inside_the_block_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt), bfloat16.rewritten():
        raise KeyboardInterrupt
    options = tf.config.optimizer.get_experimental_options()
    assert not options.get(bfloat16._OPTION, False)


def test_features_in_bfloat16_have_the_same_neighbours(network, pictures) -> None:
    exact = np.asarray(network(pictures, training=False))
    run = constant_weights.traced(network, (16, 16))
    coarse = bfloat16.engine(run)(pictures)
    assert coarse.shape == exact.shape and coarse.dtype == np.float32
    np.testing.assert_allclose(coarse, exact, atol=0.05 * np.abs(exact).max())
    assert bfloat16.agreement(exact, coarse) >= bfloat16.AGREEMENT


def test_agreement_is_the_share_of_neighbours_that_stay() -> None:
    exact = np.random.default_rng(0).normal(size=(40, 16))
    assert bfloat16.agreement(exact, exact) == 1
    # Lengths do not matter, and neither does another basis.
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))
    lengths = np.linspace(1, 3, 40)[:, None]
    assert bfloat16.agreement(exact, lengths * exact @ turn) == 1
    # By chance three of the 39 others.
    other = np.random.default_rng(2).normal(size=(40, 16))
    assert bfloat16.agreement(exact, other) < 0.35


@pytest.mark.parametrize(
    ("flags", "supported"),
    [
        ({"avx2", "avx512f"}, False),
        ({"avx512_bf16"}, True),
        ({"amx_bf16", "amx_tile"}, True),
        (set(), False),
    ],
)
def test_a_processor_says_whether_it_multiplies_in_bfloat16(
    monkeypatch, flags: set[str], supported: bool
) -> None:
    monkeypatch.setattr(bfloat16.hardware, "processor_flags", lambda: frozenset(flags))
    assert bfloat16.is_supported() is supported
