"""Which network, and which head."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSettings:
    """The frozen backbone and its new head.

    Args:
        backbone: Any network of `keras.applications`, e.g. `VGG16` or `MobileNetV2`;
            `PlainCNN`, which is trained from scratch; a model that Keras saved,
            `FILE.keras`; or `kerashub:PRESET_OR_FOLDER`.
        weights: `imagenet`, `demo`, `none`, or a file (default: `demo` for the demo
            source, otherwise `imagenet`).
        alpha: Width of a MobileNet (default: 0.35 with the demo weights, otherwise
            1.0).
        image_size: Height and width in pixels (default: the backbone's own).
        pooling: How the feature map becomes a vector: `avg`, `max`, or `flatten`; of
            tokens also `token`, the first.
        preprocessing: Of a network of your own, what its pixels go through: `unit` (0
            to 1), `none` (0 to 255), `tf`, `caffe`, `torch`, or a family such as
            `mobilenet_v2` (default: KerasHub's image converter; `none` for a file
            that rescales by itself).
        cut: Of a file of your own, the layer whose output is the features (default:
            its last maps or tokens).
        hidden: Units of each hidden dense layer, e.g. `[256]`.
        dropout: Dropout rate in front of each dense layer.
        batch_norm: Whether hidden layers use batch normalisation, over the global
            batch.
        initialiser: Of the dense layers, e.g. `glorot_uniform` or `he_normal`.
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
