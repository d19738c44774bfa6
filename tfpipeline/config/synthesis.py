"""Frozen dataclasses of what looks into networks: ideal images, features."""

from dataclasses import dataclass, field

from tfpipeline.config import DistributeSettings, ModelSettings


@dataclass(frozen=True)
class SynthesisSettings:
    """How an ideal image is made; unset values are those of the preset.

    Args:
        objective: `logit`, `log_odds` (against all other classes), `logit_and_odds`,
            `cross_entropy`, or `softmax_cross_entropy` (the lesson's).
        parameterization: `pixels`, `fourier`, or `phases` (of waves with the amplitudes
            of photographs).
        start: Photograph to start from, instead of noise.
        steps: Number of steps.
        learning_rate: Of the first step.
        optimizer: `adam`, `sgd`, `rmsprop`, `adagrad`, or `lion`.
        views: Transformed copies of the image in each step.
        total_variation: Weight of the total variation penalty (sum of absolute
            differences of neighbours).
        l2: Weight of the penalty on squared distances from grey.
        feature_distance: Weight of the penalty on the relative distance from the
            photograph `start` in the features of a layer.
        feature_layer: Which layer (default: one after a third of the network).
        class_features: Weight of the direction in which features of the class's
            photographs lie, of a run that has kept them (default: 7 if its network has
            no skip connections, 0 otherwise).
        fading: Rate at which contrast fades that does not excite the class.
        branch_gradient: Share of the gradient that a residual branch passes back, in
            (0, 1].
        relu_gradient: Share of the gradient that each ReLU passes besides its own, 0 to
            0.5.
        copies: Images of each class, each from its own noise.
        diversity: Weight of the penalty on what copies of a class have in common.
        batch_size: Images at once; changes results by rounding errors only.
    """

    objective: str | None = None
    parameterization: str | None = None
    start: str | None = None
    steps: int | None = None
    learning_rate: float | None = None
    optimizer: str | None = None
    views: int | None = None
    total_variation: float | None = None
    l2: float | None = None
    feature_distance: float | None = None
    feature_layer: str | None = None
    class_features: float | None = None
    fading: float | None = None
    branch_gradient: float | None = None
    relu_gradient: float | None = None
    copies: int = 1
    diversity: float = 0.0
    batch_size: int = 20


@dataclass(frozen=True)
class SynthesizeSettings:
    """Settings of `synthesize`.

    Args:
        classes: Names or numbers, e.g. `"Siamese cat" zebra 898`.
        output: Folder for images, charts and `synthesis.json`.
        run: Run folder of the network (default: the network set by `--model.*`).
        preset: `best`, or `lesson` (the original lesson's method).
        compare: Whether to make the images of the other preset too, with a sheet of
            both.
        judges: Networks that only score the results: `VGG16`, `MobileNet:0.25`, or a
            run folder.
        photographs: Folder with one folder of photographs for each class, to check
            whether the images take their way through the network (default: those
            of the run, its test split first).
        gif: Whether to write an animation of each image.
        tensorboard: Whether to log the steps for TensorBoard, in `logs/`.
        seed: Of the starts and the transforms.
        overwrite: Whether an earlier result in the folder may be replaced.
        model: Network, if it is not that of a run.
        synthesis: Ascent.
        distribute: Devices.
    """

    classes: list[str] = field(default_factory=list)
    output: str = "ideal_images"
    run: str | None = None
    preset: str = "best"
    compare: bool = False
    judges: list[str] = field(default_factory=list)
    photographs: str | None = None
    gif: bool = False
    tensorboard: bool = True
    seed: int = 0
    overwrite: bool = False
    model: ModelSettings = field(default_factory=ModelSettings)
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)


@dataclass(frozen=True)
class FeaturesSettings:
    """Settings of `features`.

    Args:
        images: Photographs: files, folders, or globs.
        output: Folder for the sheets and `features.json`.
        run: Run folder of the network (default: the network set by `--model.*`).
        layers: Names of the layers to show (default: some, evenly spaced).
        layer_count: How many layers to show if none is named.
        top: Channels on a sheet: those that a photograph excites most.
        classes: Classes to explain, names or numbers (default: the predicted one).
        grad_cam_layer: Layer for Grad-CAM (default: the last with a spatial extent).
        channels: `LAYER:NUMBER`: generates the ideal image of a channel, beside what
            excites it most.
        steps: Steps of the ascent to a channel's ideal image.
        seed: Of all noise, of the ascent and of SmoothGrad.
        overwrite: Whether an earlier result in the folder may be replaced.
        resize: How photographs become square: `squash`, `crop`, or `pad` (default: as
            the run, otherwise `squash`).
        max_pixels: Height times width of a photograph, at most; larger ones are not
            opened.
        model: Network, if it is not that of a run.
        distribute: Devices.
    """

    images: list[str] = field(default_factory=list)
    output: str = "features"
    run: str | None = None
    layers: list[str] = field(default_factory=list)
    layer_count: int = 6
    top: int = 16
    classes: list[str] = field(default_factory=list)
    grad_cam_layer: str | None = None
    channels: list[str] = field(default_factory=list)
    steps: int = 128
    seed: int = 0
    overwrite: bool = False
    resize: str | None = None
    max_pixels: int = 250_000_000
    model: ModelSettings = field(default_factory=ModelSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)
