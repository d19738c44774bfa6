"""What networks cost, against what their authors say and against the closed form."""

import keras
import pytest

from tfpipeline.models import flops


def test_a_convolution_costs_its_kernel_at_every_place() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(5, 3, padding="same"),
            keras.layers.ReLU(),
            keras.layers.DepthwiseConv2D(3, strides=2, padding="same"),
            keras.layers.SeparableConv2D(4, 3, padding="same"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(7),
        ]
    )
    whole = 64 * 3 * 3 * 3 * 5 + 16 * 3 * 3 * 5 + 16 * (3 * 3 * 5 + 5 * 4) + 4 * 7
    assert flops.multiply_adds(model) == whole
    # Neither depthwise convolutions nor those of 1 x 1 are dense.
    dense = 64 * 3 * 3 * 3 * 5
    assert flops.dense_share(model) == pytest.approx(dense / whole)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("MobileNet", 569),  # arXiv:1704.04861, table 8.
        ("MobileNetV2", 300),  # arXiv:1801.04381, table 4.
        ("VGG16", 15470),  # arXiv:1512.03385, section 3.3: 15.3e9 and its dense layers.
        ("ResNet50", 3860),  # arXiv:1512.03385, table 1: 3.8e9.
    ],
)
def test_networks_cost_what_their_authors_say(name: str, millions: float) -> None:
    model = getattr(keras.applications, name)(weights=None)
    assert flops.multiply_adds(model) == pytest.approx(millions * 1e6, rel=0.02)


def test_layers_within_layers_count() -> None:
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)])
    image = keras.Input((6,))
    model = keras.Model(image, keras.layers.Dense(2)(inner(image)))
    assert flops.multiply_adds(model) == 6 * 5 + 5 * 2
