"""A plain convolutional network, from nothing: what transfer is held against."""

import keras

# A pyramid: each block halves the maps and doubles their number.
FILTERS = (16, 32, 64, 128)

# Keras' own 0.99 would still remember its start after the few steps of a small source.
_MOMENTUM = 0.9


def build_plain_cnn(size: int) -> keras.Model:
    """Return the untrained network for images of a size: maps of size / 16.

    Source: batch norm, Ioffe & Szegedy, arXiv:1502.03167; blocks of 3x3 convolutions
        and max pooling, Simonyan & Zisserman, arXiv:1409.1556.
    """
    x = image = keras.Input((size, size, 3))
    for number, filters in enumerate(FILTERS, 1):
        name = f"block{number}"
        x = keras.layers.Conv2D(
            filters,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(x)
        x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
        x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
        x = keras.layers.MaxPooling2D(name=f"{name}_pool")(x)
    return keras.Model(image, x, name="plain_cnn")
