"""What each family does to pixels, as built-in layers that are saved with the model."""

from typing import Any

import keras

from tfpipeline.core.errors import unknown

# Of ImageNet. BGR, 0 to 255 (Caffe's VGG); RGB, 0 to 1 (Torch).
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN = (0.485, 0.456, 0.406)
_TORCH_DEVIATION = (0.229, 0.224, 0.225)

# Scale and offset of RGB pixels in [0, 1].
MODES: dict[str, tuple[Any, ...]] = {
    "caffe": (255.0, [-mean for mean in reversed(_CAFFE_MEAN)]),
    "tf": (2.0, -1.0),
    "torch": (
        [1 / deviation for deviation in _TORCH_DEVIATION],
        [-m / d for m, d in zip(_TORCH_MEAN, _TORCH_DEVIATION)],
    ),
    "none": (255.0,),
    # As they come: of a network of the user's own.
    "unit": (1.0,),
}

# A name of `MODES`, or scale and offset as there.
Mode = str | tuple[Any, ...]


def preprocess(image: Any, mode: Mode) -> Any:
    """Return RGB images in [0, 1] as a family of backbones wants to see them."""
    if isinstance(mode, str) and mode not in MODES:
        raise unknown("preprocessing mode", mode, MODES)
    numbers = MODES[mode] if isinstance(mode, str) else mode
    image = keras.layers.Rescaling(*numbers)(image)
    # Flipped last: LiteRT's converter gives a flip the 8-bit scale of what follows.
    return keras.ops.flip(image, axis=-1) if mode == "caffe" else image
