"""Frozen dataclasses of what looks into networks: ideal images, features."""

from dataclasses import dataclass, field

from tfpipeline.config import DistributeSettings, ModelSettings


@dataclass(frozen=True)
class SynthesisSettings:
    """How an ideal image is generated; unset values are those of the preset.

    Args:
        objective: What is maximised: `logit`, `log_odds` (against all other classes),
            `logit_and_odds`, `cross_entropy`, or `softmax_cross_entropy` (the
            lesson's).
        parameterization: What is optimised: `pixels`, `fourier` (amplitudes and phases
            of waves), or `phases` (of waves with the amplitudes of photographs).
        start: Photograph to start from (default: noise).
        steps: Number of steps.
        learning_rate: Learning rate of the first step.
        optimizer: `adam`, `sgd`, `rmsprop`, `adagrad`, or `lion`.
        views: Number of transformed copies of the image in each step.
        total_variation: Weight of the penalty on total variation, the sum of absolute
            differences of neighbouring pixels.
        l2: Weight of the penalty on squared distances from grey.
        feature_distance: Weight of the penalty on the relative distance, in the
            features of a layer, from the photograph `start`.
        feature_layer: Layer of that distance (default: one after a third of the
            network).
        class_features: Weight, at least 0, of the mean direction of the features of the
            class's photographs, for runs that keep their features (default: 10 if the
            network has no skip connections, otherwise 0).
        class_statistics: Weight, at least 0, of the penalty on the distance of channel
            means and standard deviations in three layers from those of training
            photographs of the class, for runs whose photographs are still there
            (default: 30 if the network has no skip connections, otherwise 0).
        fading: Rate at which contrast decays that does not raise the objective.
        branch_gradient: Share of its gradient that a residual branch passes back, in
            (0, 1].
        relu_gradient: Share of the incoming gradient that each ReLU passes back where
            its output is 0, up to 0.5. Unless it is 0, saturated ReLU6 pass all.
        copies: Number of images of each class, each from its own noise.
        diversity: Weight, at least 0, of the penalty on similarity between the copies
            of a class.
        batch_size: Number of images that are optimised at once; it changes results by
            rounding errors only.
        engine: Number type of the steps on a CPU: `bfloat16`, where the processor has
            it; `tensorflow` (float32); or `auto` (the faster in a short trial). Scores
            are computed in float32.
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
    class_statistics: float | None = None
    fading: float | None = None
    branch_gradient: float | None = None
    relu_gradient: float | None = None
    copies: int = 1
    diversity: float = 0.0
    batch_size: int = 20
    engine: str = "auto"


@dataclass(frozen=True)
class SynthesizeSettings:
    """Settings of `synthesize`.

    Args:
        classes: Classes, by name or number: `"Siamese cat" zebra 898`.
        output: Folder for images, charts and `synthesis.json`.
        run: Run folder of the network (default: the network set by `--model.*`).
        preset: `best`, or `lesson` (the original lesson's method).
        compare: Whether to generate the images of the other preset too, with a sheet of
            both.
        judges: Networks that take no part and classify the results: `VGG16`,
            `MobileNet:0.25`, or a run folder.
        photographs: Folder with one folder of photographs per class, with whose
            activations those of the ideal images are compared (default: images of
            the run, its test split first).
        gif: Whether to write an animation of each image.
        tensorboard: Whether to log the steps for TensorBoard, in `logs/`.
        seed: Random seed of the starts and the transforms.
        overwrite: Whether an earlier result in the folder may be replaced.
        model: Network, if `run` is not given.
        synthesis: Optimisation.
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
        layers: Names of the layers to show (default: `layer_count` evenly spaced
            layers).
        layer_count: Number of layers to show if none is named, at least 1.
        top: Number of channels on a sheet, at least 1: those that the photograph
            excites most.
        classes: Classes to explain, by name or number (default: the predicted one).
        grad_cam_layer: Layer for Grad-CAM (default: the last layer that outputs a map).
        channels: Channels, as `LAYER:NUMBER`, to show as an ideal image beside the
            photographs that excite them most.
        steps: Number of optimisation steps for the ideal image of a channel.
        seed: Random seed of all noise: of the ideal images and of SmoothGrad.
        overwrite: Whether an earlier result in the folder may be replaced.
        resize: How a photograph is made square: `squash` (change the aspect ratio),
            `crop` (keep the middle), or `pad` (default: as the run, otherwise
            `squash`).
        max_pixels: Largest height times width of a photograph, in pixels; larger
            photographs are rejected.
        model: Network, if `run` is not given.
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
