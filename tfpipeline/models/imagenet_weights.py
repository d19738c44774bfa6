"""A network of `keras.applications` as it is: with its own top, for its own classes."""

import json
from pathlib import Path

import keras

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import backbones
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.preprocessing import preprocess
from tfpipeline.models.registry import BACKBONES

CLASSES = 1000

# For which there are weights with a top as well.
_OTHER_SIZES = {"MobileNet": (128, 160, 192), "MobileNetV2": (96, 128, 160, 192)}

_EMBEDDED = "--run DIR takes a classifier that you have trained (`make demo` does)."

_NAMES_URL = (
    "https://storage.googleapis.com/download.tensorflow.org/data/"
    "imagenet_class_index.json"
)


def resolve(settings: ModelSettings) -> ModelSettings:
    """Return the settings with every null replaced; see `backbones.resolve`."""
    if settings.weights == "demo":
        raise UserError(
            "--model.weights demo: the embedded backbone has no classes of its own. "
            "Train on it (`make demo`), and name that run: --run runs/demo."
        )
    settings = backbones.resolve(settings, source="imagenet")
    row = BACKBONES[settings.backbone]
    if row.imagenet_top_1 is None:
        raise UserError(
            f"--model.backbone {settings.backbone}: it has no classes of its own. "
            "Train it, and name that run: --run DIR."
        )
    sizes = {row.native_size, *_OTHER_SIZES.get(settings.backbone, ())}
    if settings.weights == "imagenet" and settings.image_size not in sizes:
        raise UserError(
            f"--model.image_size: {settings.backbone} with its own classes takes "
            f"{', '.join(map(str, sorted(sizes)))} pixels. Received: "
            f"{settings.image_size}."
        )
    return settings


def build_pretrained(settings: ModelSettings) -> keras.Model:
    """Return a frozen network, from images to ImageNet's logits, as resolved."""
    name, weights, size = settings.backbone, settings.weights, settings.image_size
    kind = "imagenet" if weights == "imagenet" else None
    try:
        network = backbones.build(settings, size, kind, classifier_activation=None)
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise backbones.no_weights(name, error, _EMBEDDED) from None
    if weights not in ("imagenet", "none"):
        backbones.load_file(network, settings, Path(str(weights)))
    network.trainable = False
    image = keras.Input((size, size, 3), name="image")
    output = network(preprocess(image, BACKBONES[name].mode), training=False)
    logits = keras.layers.Activation("linear", dtype="float32", name="logits")(output)
    return keras.Model(image, logits, name="pretrained")


def class_names() -> ClassNames:
    """Return the names of ImageNet's classes in words."""
    return ClassNames(name.replace("_", " ") for _, name in class_table())


def class_table() -> list[tuple[str, str]]:
    """Return the WordNet number and the name of each of ImageNet's classes."""
    try:
        file = keras.utils.get_file(
            "imagenet_class_index.json",
            _NAMES_URL,
            cache_subdir="models",
            file_hash="c2c37ea517e94d9795004a39431a14cb",
        )
        table = json.loads(Path(file).read_text(encoding="utf-8"))
        return [(table[str(i)][0], table[str(i)][1]) for i in range(CLASSES)]
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise UserError(
            f"The names of ImageNet's classes are not available ({error}). Fetch "
            f"{_NAMES_URL} on a machine with a network and put it into "
            f"{backbones.keras_folder()}. Or name classes by their numbers."
        ) from None
