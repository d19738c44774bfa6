"""Every network of `keras.applications`, and a plain one: what to know of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.models.own import words

if TYPE_CHECKING:
    import keras

# Files of networks that are no `.keras`.
_OTHER_FILES = (".h5", ".hdf5", ".tflite", ".onnx", ".pb", ".pt", ".pth")

# Widths of MobileNets.
_V1 = (0.25, 0.5, 0.75, 1.0)
_V2 = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
_V3 = (0.75, 1.0)


@dataclass(frozen=True)
class Backbone:
    """One architecture.

    Args:
        family: Module of `keras.applications` with its preprocessing.
        mode: Keras' name for what the pixels go through: `caffe` (BGR, minus the mean),
            `tf` (-1 to 1), `torch` (mean and deviation), `none` (0 to 255: the network
            rescales by itself).
        native_size: Height and width that its ImageNet weights were made for, pixels.
        minimal_size: The smallest height and width, pixels.
        parameters_million: With the ImageNet top.
        imagenet_top_1: Published accuracy on the ImageNet validation set; None where
            there are no weights of ImageNet, and the network starts from scratch.
            Source: the table of keras.io/api/applications, and the Keras docstring for
            MobileNetV3.
        alphas: Widths for which ImageNet weights exist; empty where it has no width.
        build: From height and width in pixels to the network without a top, untrained;
            None is the function of that name in `keras.applications`.
    """

    family: str
    mode: str
    native_size: int
    minimal_size: int
    parameters_million: float
    imagenet_top_1: float | None
    alphas: tuple[float, ...] = ()
    build: Callable[[int], keras.Model] | None = None


# The plain network is a pyramid: each block halves the maps and doubles their number.
FILTERS = (16, 32, 64, 128)

# Keras' own 0.99 would still remember its start after the few steps of a small source.
_MOMENTUM = 0.9


def build_plain_cnn(size: int) -> keras.Model:
    """Return the untrained network for images of a size: maps of size / 16.

    Source: batch norm, Ioffe & Szegedy, arXiv:1502.03167; blocks of 3x3 convolutions
        and max pooling, Simonyan & Zisserman, arXiv:1409.1556.
    """
    # Not above: commands look into the table before TensorFlow starts.
    import keras

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


BACKBONES: dict[str, Backbone] = {
    "VGG16": Backbone("vgg16", "caffe", 224, 32, 138.4, 0.713),
    "VGG19": Backbone("vgg19", "caffe", 224, 32, 143.7, 0.713),
    "ResNet50": Backbone("resnet", "caffe", 224, 32, 25.6, 0.749),
    "ResNet101": Backbone("resnet", "caffe", 224, 32, 44.7, 0.764),
    "ResNet152": Backbone("resnet", "caffe", 224, 32, 60.4, 0.766),
    "ResNet50V2": Backbone("resnet_v2", "tf", 224, 32, 25.6, 0.760),
    "ResNet101V2": Backbone("resnet_v2", "tf", 224, 32, 44.7, 0.772),
    "ResNet152V2": Backbone("resnet_v2", "tf", 224, 32, 60.4, 0.780),
    "InceptionV3": Backbone("inception_v3", "tf", 299, 75, 23.9, 0.779),
    "InceptionResNetV2": Backbone("inception_resnet_v2", "tf", 299, 75, 55.9, 0.803),
    "Xception": Backbone("xception", "tf", 299, 71, 22.9, 0.790),
    "MobileNet": Backbone("mobilenet", "tf", 224, 32, 4.3, 0.704, _V1),
    "MobileNetV2": Backbone("mobilenet_v2", "tf", 224, 32, 3.5, 0.713, _V2),
    "MobileNetV3Small": Backbone("mobilenet_v3", "none", 224, 32, 2.6, 0.681, _V3),
    "MobileNetV3Large": Backbone("mobilenet_v3", "none", 224, 32, 5.5, 0.756, _V3),
    "DenseNet121": Backbone("densenet", "torch", 224, 32, 8.1, 0.750),
    "DenseNet169": Backbone("densenet", "torch", 224, 32, 14.3, 0.762),
    "DenseNet201": Backbone("densenet", "torch", 224, 32, 20.2, 0.773),
    "NASNetMobile": Backbone("nasnet", "tf", 224, 32, 5.3, 0.744),
    "NASNetLarge": Backbone("nasnet", "tf", 331, 32, 88.9, 0.825),
    "EfficientNetB0": Backbone("efficientnet", "none", 224, 32, 5.3, 0.771),
    "EfficientNetB1": Backbone("efficientnet", "none", 240, 32, 7.9, 0.791),
    "EfficientNetB2": Backbone("efficientnet", "none", 260, 32, 9.2, 0.801),
    "EfficientNetB3": Backbone("efficientnet", "none", 300, 32, 12.3, 0.816),
    "EfficientNetB4": Backbone("efficientnet", "none", 380, 32, 19.5, 0.829),
    "EfficientNetB5": Backbone("efficientnet", "none", 456, 32, 30.6, 0.836),
    "EfficientNetB6": Backbone("efficientnet", "none", 528, 32, 43.3, 0.840),
    "EfficientNetB7": Backbone("efficientnet", "none", 600, 32, 66.7, 0.843),
    "EfficientNetV2B0": Backbone("efficientnet_v2", "none", 224, 32, 7.2, 0.787),
    "EfficientNetV2B1": Backbone("efficientnet_v2", "none", 240, 32, 8.2, 0.798),
    "EfficientNetV2B2": Backbone("efficientnet_v2", "none", 260, 32, 10.2, 0.805),
    "EfficientNetV2B3": Backbone("efficientnet_v2", "none", 300, 32, 14.5, 0.820),
    "EfficientNetV2S": Backbone("efficientnet_v2", "none", 384, 32, 21.6, 0.839),
    "EfficientNetV2M": Backbone("efficientnet_v2", "none", 480, 32, 54.4, 0.853),
    "EfficientNetV2L": Backbone("efficientnet_v2", "none", 480, 32, 119.0, 0.857),
    "ConvNeXtTiny": Backbone("convnext", "none", 224, 32, 28.6, 0.813),
    "ConvNeXtSmall": Backbone("convnext", "none", 224, 32, 50.2, 0.823),
    "ConvNeXtBase": Backbone("convnext", "none", 224, 32, 88.5, 0.853),
    "ConvNeXtLarge": Backbone("convnext", "none", 224, 32, 197.7, 0.863),
    "ConvNeXtXLarge": Backbone("convnext", "none", 224, 32, 350.1, 0.867),
    # Of this package. Without a top.
    "PlainCNN": Backbone("plain", "tf", 64, 32, 0.1, None, build=build_plain_cnn),
}


def check(settings: ModelSettings) -> None:
    """Refuse a backbone that is not in the table, and no network of one's own."""
    name = settings.backbone
    if words.is_own(name):
        words.check(settings)
        if settings.preprocessing is not None:
            named_mode(settings.preprocessing)
        return
    if name not in BACKBONES:
        # A path, not the name of a network.
        if Path(name).suffix.lower() in _OTHER_FILES or Path(name).exists():
            raise UserError(
                f"--model.backbone {name}: expected a name, a model that Keras 3 saved "
                "as FILE.keras, or kerashub:PRESET_OR_FOLDER. Load this one in Keras "
                "and say model.save('FILE.keras'); weights alone go to --model.weights."
            )
        raise unknown("--model.backbone", name, BACKBONES)
    for flag in ("preprocessing", "cut"):
        if getattr(settings, flag) is not None:
            raise UserError(
                f"--model.{flag}: is for a network of your own (--model.backbone "
                f"FILE.keras, kerashub:PRESET). Leave it out: {name} has its own."
            )


def named_mode(preprocessing: str) -> str:
    """Return the mode that `--model.preprocessing` means: its name, or a family's."""
    known = {"unit": "unit", **{row.mode: row.mode for row in BACKBONES.values()}}
    known |= {row.family: row.mode for row in BACKBONES.values()}
    if preprocessing not in known:
        raise unknown("--model.preprocessing", preprocessing, known)
    return known[preprocessing]
