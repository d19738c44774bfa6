"""Which network, and which head."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSettings:
    """The frozen backbone and its new head.

    Args:
        backbone: Any network of `keras.applications`, such as `VGG16` or `MobileNetV2`;
            `PlainCNN`, which is trained from scratch; a saved Keras model,
            `FILE.keras`; or `kerashub:PRESET_OR_FOLDER`.
        weights: `imagenet`, `demo`, `none`, or a file of weights (default: `demo` for
            the demo source, otherwise `imagenet`).
        alpha: Width multiplier of a MobileNet (default: 0.35 with the demo weights,
            otherwise 1.0).
        image_size: Height and width of the input, in pixels (default: the backbone's
            own).
        pooling: How the feature map becomes a vector: `avg`, `max`, or `flatten`; for
            backbones that output tokens also `token`, the first token.
        preprocessing: For a backbone of your own: preprocessing of its pixels, `unit`
            (0 to 1), `none` (0 to 255), `tf`, `caffe`, `torch`, or a family such as
            `mobilenet_v2` (default: KerasHub's image converter; `none` for a file that
            rescales its own input).
        cut: For a file of your own: name of the layer whose output is used as features
            (default: the last layer that outputs maps or tokens).
        hidden: Number of units of each hidden dense layer, such as `[256]`.
        dropout: Dropout rate before each dense layer, in [0, 1).
        batch_norm: Whether hidden layers use batch normalisation, with statistics of
            the global batch.
        initialiser: Initialiser of the dense layers, such as `glorot_uniform` or
            `he_normal`.
    """

    backbone: str = "MobileNetV2"
    weights: str | None = None
    alpha: float | None = None
    image_size: int | None = None
    pooling: str = "avg"
    preprocessing: str | None = None
    cut: str | None = None
    hidden: list[int] = field(default_factory=list)
    dropout: float = 0.2
    batch_norm: bool = False
    initialiser: str = "glorot_uniform"


# Settings of what comes before the head.
NETWORK = "backbone weights alpha image_size pooling preprocessing cut".split()
