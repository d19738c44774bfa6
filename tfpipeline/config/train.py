"""Settings of `train` and `combine`: how, and where, a network is trained."""

from dataclasses import dataclass, field
from typing import Literal

from tfpipeline.config.adversary import RobustSettings
from tfpipeline.config.data import DataSettings
from tfpipeline.config.model import ModelSettings


@dataclass(frozen=True)
class TrainSettings:
    """How the head is trained; fine-tuning takes from here what it does not name.

    Args:
        epochs: Passes over the training images, at most.
        learning_rate: The highest, for the global batch; `auto` runs the finder first.
        optimizer: `adam`, `adamw`, `sgd`, `momentum`, `nesterov`, `rmsprop`, `adagrad`.
        schedule: `constant`, `exponential`, `cosine`, `one_cycle`, or `plateau`.
        decay: Factor of `exponential`, an epoch.
        plateau_patience: Epochs without a better loss until `plateau` halves the rate.
        warmup_epochs: In which the rate rises from 0; may be a fraction.
        weight_decay: Decoupled, of kernels; null is 0.004 for `adamw`, 0 for others.
        clip_norm: Gradients are scaled down to this norm over all weights.
        clip_value: Each element of a gradient is cut to this size.
        averaging: Of weights: `none`, `ema` (moving), or `swa` (ends of last epochs).
        ema_momentum: What each step keeps of the average; null is about an epoch's.
        swa_from: Share of the epochs after which `swa` begins.
        label_smoothing: Share of the target spread evenly over all classes.
        class_weights: `none`, or `balanced`: an image weighs as its class is rare.
        patience: Epochs without a better validation loss before training stops; null
            never does so early. The best epoch's weights are kept either way.
        precision: `auto` (by device), `float32`, `mixed_float16` or `mixed_bfloat16`.
        jit_compile: Whether XLA compiles the gradients: on one device only, slow for
            convolutions on CPUs. Dropout then draws other values.
        on_nan: `stop`, or `roll_back` to the start of the epoch at half the rate.
        from_scratch: Whether the whole network learns from the first step on, without a
            frozen backbone; null does so where it has no weights of ImageNet.
    """

    epochs: int = 30
    learning_rate: float | Literal["auto"] = 1e-3
    optimizer: str = "adam"
    schedule: str = "constant"
    decay: float = 0.98
    plateau_patience: int = 2
    warmup_epochs: float = 0.0
    weight_decay: float | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    averaging: str = "none"
    ema_momentum: float | None = None
    swa_from: float = 0.75
    label_smoothing: float = 0.0
    class_weights: str = "none"
    patience: int | None = 5
    precision: str = "auto"
    jit_compile: bool = False
    on_nan: str = "stop"
    from_scratch: bool | None = None


@dataclass(frozen=True)
class FineTuneSettings:
    """The second stage: part of the backbone learns as well, slowly.

    Args:
        epochs: Passes over the training images, at most; 0 skips the stage.
        unfreeze: What learns, from the top: `all`, a number of layers, a share such as
            `0.3`, or the name of the lowest block, e.g. `block_13` or `block5`.
        learning_rate: Step size of the head and the topmost block, at its highest.
        layer_decay: The rate of each block is that of the block above times this.
        gradual_epochs: Epochs until the next block below joins; 0 starts all at once.
        optimizer: As in `train`; null is the same.
        schedule: As in `train`.
        warmup_epochs: As in `train`.
        patience: As in `train`.
    """

    epochs: int = 0
    unfreeze: str | int | float = "all"
    learning_rate: float = 1e-4
    layer_decay: float = 1.0
    gradual_epochs: int = 0
    optimizer: str | None = None
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    patience: int | None = 5


@dataclass(frozen=True)
class CheckpointSettings:
    """When a training saves its state, from which the same command resumes.

    Args:
        every_steps: Steps between two, rounded up to what one call trains on; 0 is off.
        every_seconds: Seconds between two; 0 is off. SIGTERM and Ctrl-C save as well.
    """

    every_steps: int = 0
    every_seconds: float = 60.0


@dataclass(frozen=True)
class LogSettings:
    """What TensorBoard shows of a training: `logs/` in the run folder.

    Args:
        tensorboard: Whether it is written.
        profile_steps: Steps of each stage to profile, after the first call; slows them.
    """

    tensorboard: bool = True
    profile_steps: int = 0


@dataclass(frozen=True)
class DistributeSettings:
    """On which devices the steps run.

    Args:
        strategy: `auto` (several workers where TF_CONFIG or `workers` names them, else
            every GPU, else one device), `one_device`, `mirrored`, `multi_worker`, or
            `tpu` (not tested by anybody yet).
        devices: Of `mirrored` or `auto`: GPUs (null is all), or logical CPUs to make.
        workers: `host:port,host:port` of all; null asks TF_CONFIG, then SLURM.
        index: Which of the workers this process is, from 0; the first one writes.
        tpu: Name or address of the TPU; null asks the environment.
    """

    strategy: str = "auto"
    devices: int | None = None
    workers: str | None = None
    index: int | None = None
    tpu: str | None = None


@dataclass(frozen=True)
class CalibrationSettings:
    """How far the probabilities of a classifier are to be believed.

    Args:
        target_error: Share of the answers that may be wrong where it answers at all;
            the threshold for that is chosen on validation images.
        confidence: With which that holds on new images, else there is no threshold; 60
            images are needed for 0.95 and a target of 0.05, 300 for one of 0.01.
    """

    target_error: float = 0.05
    confidence: float = 0.95


@dataclass(frozen=True)
class CombineSettings:
    """What `combine` can be told.

    Args:
        runs: Folders of finished runs with the same classes; none may have trained on
            what the first one was measured on.
        how: `ensemble` (mean probabilities), `soup` (mean weights of equal networks),
            or `greedy_soup` (of those that raise the accuracy on validation images).
        workdir: The new run folder; null is a new one below `runs/`.
        cache_dir: What all runs share; null is what the first run used.
        overwrite: Whether a finished run may be replaced.
    """

    runs: list[str] = field(default_factory=list)
    how: str = "ensemble"
    workdir: str | None = None
    cache_dir: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class RunSettings:
    """Everything that `train` can be told; `config.yaml` of a run holds it.

    Args:
        workdir: The run folder; null is a new one below `runs/`.
        seed: Of splits, initial weights, order and augmentation.
        cache_dir: Features that all runs share; null is the user's cache folder.
        overwrite: Whether a finished run may be replaced.
        data: The images.
        model: The network.
        train: The training of the head.
        fine_tune: The training of part of the backbone after it.
        robust: What makes it resist attacks.
        calibration: How far its probabilities are to be believed.
        checkpoint: When the state of the training is saved.
        logs: What TensorBoard shows of it.
        distribute: The devices.
    """

    workdir: str | None = None
    seed: int = 0
    cache_dir: str | None = None
    overwrite: bool = False
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    fine_tune: FineTuneSettings = field(default_factory=FineTuneSettings)
    robust: RobustSettings = field(default_factory=RobustSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)
