"""Which network, and which head."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSettings:
    """The frozen backbone and the new head.

    Args:
        backbone: E.g. `VGG16`, `MobileNetV2`, or `PlainCNN`, which learns from scratch.
        weights: `imagenet`, `demo`, `none`, or a file; null is `demo` for the demo
            source and `imagenet` otherwise.
        alpha: Width of a MobileNet; null is 0.35 with the demo weights, else 1.0.
        image_size: Height and width in pixels; null is the backbone's own size.
        pooling: How the feature map becomes a vector: `avg`, `max` or `flatten`.
        hidden: Units of hidden dense layers, e.g. `[256]`.
        dropout: Share of the inputs of each dense layer that is dropped in training.
        batch_norm: Whether hidden layers are batch-normalised, by the global batch.
        initialiser: Of the dense layers, e.g. `glorot_uniform` or `he_normal`.
    """

    backbone: str = "MobileNetV2"
    weights: str | None = None
    alpha: float | None = None
    image_size: int | None = None
    pooling: str = "avg"
    hidden: list[int] = field(default_factory=list)
    dropout: float = 0.2
    batch_norm: bool = False
    initialiser: str = "glorot_uniform"
