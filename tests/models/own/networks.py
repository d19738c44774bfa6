"""Small networks of a user's own, made when they are asked for."""

import importlib.util
from pathlib import Path

import keras
import pytest

SIZE = 32

needs_hub = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="KerasHub is not installed: it takes Python 3.11 or later",
)


def cnn(*, size: int | None = SIZE, rescales: bool = True) -> keras.Model:
    """Return a classifier with batch norm, an operation that is no layer, and a top."""
    keras.utils.set_random_seed(3)
    x = image = keras.Input((size, size, 3))
    if rescales:
        x = keras.layers.Rescaling(1 / 127.5, -1)(x)
    for number, filters in enumerate((8, 12), 1):
        x = keras.layers.Conv2D(filters, 3, 2, name=f"block{number}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"block{number}_bn")(x)
        x = keras.layers.ReLU(name=f"block{number}_relu")(1.5 * x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.Dense(5, "softmax", name="top")(x))


def nested() -> keras.Model:
    """Return what most lessons build: a base for any size inside, prepared by ops."""
    keras.utils.set_random_seed(4)
    base = keras.applications.MobileNetV2(
        include_top=False, weights=None, alpha=0.35, input_shape=(None, None, 3)
    )
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(image)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(base(x, training=False))
    return keras.Model(image, keras.layers.Dense(3, name="top")(x))


def vit(folder: Path) -> str:
    """Write a vision transformer of three blocks, and return its name."""
    import keras_hub

    keras.utils.set_random_seed(5)
    backbone = keras_hub.models.ViTBackbone(
        image_shape=(SIZE, SIZE, 3),
        patch_size=8,
        num_layers=3,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
    )
    _write(folder, backbone, keras_hub.layers.ViTImageConverter)
    return f"kerashub:{folder}"


def dino(folder: Path) -> str:
    """Write a DINOv2 with two registers and a mask token that nothing uses."""
    import keras_hub

    keras.utils.set_random_seed(6)
    backbone = keras_hub.models.DINOV2Backbone(
        patch_size=8,
        num_layers=2,
        hidden_dim=16,
        num_heads=2,
        intermediate_dim=32,
        num_register_tokens=2,
        image_shape=(SIZE, SIZE, 3),
        position_embedding_shape=(SIZE, SIZE, 3),
        name="dino",
    )
    _write(folder, backbone, keras_hub.layers.DINOV2ImageConverter)
    return f"kerashub:{folder}"


def resnet(folder: Path) -> str:
    """Write a residual network for any size."""
    import keras_hub

    keras.utils.set_random_seed(7)
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    _write(folder, backbone, keras_hub.layers.ResNetImageConverter)
    return f"kerashub:{folder}"


def siglip(folder: Path) -> str:
    """Write a network of two towers, of which one reads."""
    import keras_hub
    from keras_hub.src.models.siglip.siglip_text_encoder import SigLIPTextEncoder
    from keras_hub.src.models.siglip.siglip_vision_encoder import SigLIPVisionEncoder

    keras.utils.set_random_seed(8)
    shared = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}
    backbone = keras_hub.models.SigLIPBackbone(
        SigLIPVisionEncoder(patch_size=8, image_shape=(SIZE, SIZE, 3), **shared),
        SigLIPTextEncoder(vocabulary_size=10, embedding_dim=16, **shared),
    )
    _write(folder, backbone, keras_hub.layers.SigLIPImageConverter)
    return f"kerashub:{folder}"


def _write(folder: Path, backbone, converter: type) -> None:
    backbone.save_to_preset(str(folder))
    scale, offset = [1 / 127.5, 1 / 120, 1 / 110], [-1.0, -0.9, -0.8]
    converter(image_size=(SIZE, SIZE), scale=scale, offset=offset).save_to_preset(
        str(folder)
    )
