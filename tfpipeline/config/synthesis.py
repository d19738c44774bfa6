"""Frozen dataclasses of what looks into networks: ideal images, features."""

from dataclasses import dataclass, field

from tfpipeline.config import DistributeSettings, ModelSettings


@dataclass(frozen=True)
class SynthesisSettings:
    """How an image is made that excites a class; null is as the preset says.

    Args:
        objective: `logit`, `log_odds` (against all other classes), `logit_and_odds`,
            `cross_entropy`, or `softmax_cross_entropy` (the lesson's).
        parameterization: What is changed: `pixels`, `fourier` (waves), or `phases` (of
            waves whose strengths are those of photographs).
        start: A photograph to start from instead of noise.
        steps: How many.
        learning_rate: Of the first step.
        optimizer: `adam`, `sgd`, `rmsprop`, `adagrad`, or `lion`.
        views: Transformed copies of an image that make one step.
        total_variation: Weight of the sum of absolute neighbour differences, kept low.
        l2: Weight of the sum of squared distances from grey, kept low.
        fading: How fast an image loses the contrast that does not excite the class.
        branch_gradient: Share that a residual branch passes back, in (0, 1].
        relu_gradient: Share that each ReLU passes beside its own gradient, 0 to 0.5.
        copies: Images of each class, each from noise of its own.
        diversity: Weight of how little the copies of a class have in common.
        batch_size: Images at once; it changes a result by rounding errors only.
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
    fading: float | None = None
    branch_gradient: float | None = None
    relu_gradient: float | None = None
    copies: int = 1
    diversity: float = 0.0
    batch_size: int = 20


@dataclass(frozen=True)
class SynthesizeSettings:
    """What `synthesize` can be told.

    Args:
        classes: Names or numbers, e.g. `"Siamese cat" zebra 898`.
        output: Folder for the images, charts and `synthesis.json`.
        run: The folder of a finished run; null is the network of the section `model`.
        preset: `best`, or `lesson` (that this project grew from, as it was).
        compare: Whether to make the images of the other preset as well, and a sheet.
        judges: Networks that only score the result: `VGG16`, `MobileNet:0.25`, a run.
        gif: Whether to write an animation of how each image came about.
        tensorboard: Whether TensorBoard shows that too, in `logs/`.
        seed: Of the starts and the transforms.
        overwrite: Whether an earlier result in the folder may be replaced.
        model: The network, if it is not that of a run.
        synthesis: How the images are made.
        distribute: The devices.
    """

    classes: list[str] = field(default_factory=list)
    output: str = "ideal_images"
    run: str | None = None
    preset: str = "best"
    compare: bool = False
    judges: list[str] = field(default_factory=list)
    gif: bool = False
    tensorboard: bool = True
    seed: int = 0
    overwrite: bool = False
    model: ModelSettings = field(default_factory=ModelSettings)
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)


@dataclass(frozen=True)
class FeaturesSettings:
    """What `features` can be told.

    Args:
        images: Photographs: files, folders, or globs.
        output: Folder for the sheets and `features.json`.
        run: The folder of a finished run; null is the network of the section `model`.
        layers: Names of the layers to look at; none is some, evenly chosen.
        layer_count: How many are chosen, where none is named.
        top: Channels that a sheet shows: those that a photograph excites most.
        classes: To explain, names or numbers; none is the likeliest of each photograph.
        grad_cam_layer: Layer of Grad-CAM; null is the last with maps of each backbone.
        channels: `LAYER:NUMBER`: its ideal image, beside what excites it most.
        steps: Of the ascent to a channel's ideal image.
        seed: Of all noise: what an ascent starts from, and SmoothGrad's.
        overwrite: Whether an earlier result in the folder may be replaced.
        resize: `squash`, `crop`, or `pad` to a square; null is as the run, or `squash`.
        max_pixels: Height times width of a photograph, at most; more is not opened.
        model: The network, if it is not that of a run.
        distribute: The devices.
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
