"""Settings of `train` and `combine`: how, and where, a network is trained."""

from dataclasses import dataclass, field
from typing import Literal

from tfpipeline.config.adversary import RobustSettings
from tfpipeline.config.data import DataSettings
from tfpipeline.config.model import ModelSettings


@dataclass(frozen=True)
class TrainSettings:
    """How the head is trained; fine-tuning inherits what it does not set itself.

    Args:
        epochs: Largest number of passes over the training images.
        learning_rate: Peak learning rate for the global batch; `auto` runs the
            learning-rate finder.
        optimizer: `adam`, `adamw`, `sgd`, `momentum`, `nesterov`, `rmsprop`, or
            `adagrad`.
        schedule: `constant`, `exponential`, `cosine`, `one_cycle`, or `plateau`.
        decay: Factor, per epoch, of the schedule `exponential`.
        plateau_patience: Number of epochs without a lower validation loss after which
            `plateau` halves the learning rate.
        warmup_epochs: Number of epochs in which the learning rate rises from 0; may be
            a fraction.
        weight_decay: Decoupled weight decay of the kernels (default: 0.004 for `adamw`,
            otherwise 0).
        clip_norm: Global norm to which gradients are clipped.
        clip_value: Absolute value to which each element of a gradient is clipped.
        averaging: Averaging of the weights: `none`, `ema` (exponential moving average),
            or `swa` (mean over the last epochs).
        ema_momentum: Momentum of `ema` (default: averages over about one epoch).
        swa_from: Share of the epochs after which `swa` begins.
        loss: `auto` (the first that is named here for the target); `cross_entropy` or
            `focal` for single and soft, `bce` or `focal` for multi, `huber` or `mse`
            for number.
        focal_gamma: Exponent gamma of `focal`: the larger, the less well-classified
            examples weigh; 0 is the plain cross-entropy.
        label_smoothing: Share of the target that is spread evenly over all classes.
        class_weights: `none`, or `balanced` (each class has the same total weight in
            the loss).
        patience: Number of epochs without a lower validation loss after which training
            stops; null turns early stopping off. The best epoch is kept either way.
        engine: What computes features on a CPU: `tensorflow`, `litert`, `bfloat16` (for
            features that only training reads), or `auto` (the fastest in a short
            trial).
        precision: `auto` (chosen by device), `float32`, `mixed_float16`, or
            `mixed_bfloat16`.
        jit_compile: Whether XLA compiles the computation of the gradients. One device
            only; slow for convolutions on CPUs, and the random numbers of dropout
            differ.
        on_nan: What happens if the loss is NaN: `stop`, or `roll_back` to the start of
            the epoch and halve the learning rate.
        from_scratch: Whether the whole network is trained from the first step (default:
            only if the backbone has no ImageNet weights, such as `PlainCNN`).
        reference: Whether the run keeps the features of its images, at most 50,000
            images and 256 MiB. Without them no image can be called `known` or unknown.
        false_alarms: Largest expected share, between 0 and 1, of images like those of
            the run that are called unknown. The threshold is chosen on validation
            images; 0.05 needs at least 19.
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
    loss: str = "auto"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    patience: int | None = 5
    engine: str = "auto"
    precision: str = "auto"
    jit_compile: bool = False
    on_nan: str = "stop"
    from_scratch: bool | None = None
    reference: bool = True
    false_alarms: float = 0.05


@dataclass(frozen=True)
class FineTuneSettings:
    """The second stage, which trains part of the backbone as well as the head.

    Args:
        epochs: Largest number of passes over the training images; 0 skips fine-tuning.
        unfreeze: Part of the backbone that is trained, counted from the top: `all`, a
            number of layers, a share such as `0.3`, or the name of the lowest block,
            such as `block_13` or `block5`.
        learning_rate: Peak learning rate of the head and the topmost block.
        engine: Number type of the training steps on a CPU: `bfloat16`, where the
            processor has it; `tensorflow` (float32); or `auto` (the faster in a short
            trial).
        layer_decay: Factor between the learning rates of a block and of the block above
            it.
        gradual_epochs: Number of epochs after which the next lower block is unfrozen; 0
            unfreezes all at once.
        optimizer: As in `train` (default: the same).
        schedule: As in `train`.
        warmup_epochs: As in `train`.
        patience: As in `train`.
    """

    epochs: int = 0
    unfreeze: str | int | float = "all"
    learning_rate: float = 1e-4
    engine: str = "auto"
    layer_decay: float = 1.0
    gradual_epochs: int = 0
    optimizer: str | None = None
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    patience: int | None = 5


@dataclass(frozen=True)
class CheckpointSettings:
    """When checkpoints are written; the same command resumes from the last one.

    Args:
        every_steps: Number of steps between two checkpoints; 0 turns this off.
        every_seconds: Seconds between two checkpoints; 0 turns this off. SIGTERM and
            Ctrl-C always write one.
    """

    every_steps: int = 0
    every_seconds: float = 60.0


@dataclass(frozen=True)
class LogSettings:
    """What is logged for TensorBoard, in `logs/` of the run folder.

    Args:
        tensorboard: Whether anything is logged for TensorBoard.
        profile_steps: Number of steps of each stage to profile, at least 0. Profiled
            steps are slower.
    """

    tensorboard: bool = True
    profile_steps: int = 0


@dataclass(frozen=True)
class DistributeSettings:
    """Which devices and workers take part.

    Args:
        strategy: `auto` (several workers if TF_CONFIG or `workers` names them,
            otherwise every GPU, otherwise one device), `one_device`, `mirrored`,
            `multi_worker`, or `tpu` (untested).
        devices: For `mirrored` or `auto`: number of GPUs (default: all), or of logical
            CPU devices to create.
        workers: Addresses of all workers, `host:port,host:port` (default: from
            TF_CONFIG or SLURM).
        index: Index of this worker, from 0; worker 0 writes the results.
        tpu: Name or address of the TPU (default: from the environment).
    """

    strategy: str = "auto"
    devices: int | None = None
    workers: str | None = None
    index: int | None = None
    tpu: str | None = None


@dataclass(frozen=True)
class CalibrationSettings:
    """How calibration, abstention and the thresholds of several labels are chosen.

    Args:
        target_error: Largest share of wrong answers among accepted ones, in [0, 1). The
            threshold is chosen on validation images.
        confidence: Confidence, between 0 and 1, with which `target_error` holds on new
            images. 0.95 needs 60 validation images for a target error of 0.05, and 300
            for 0.01.
        thresholds: With several labels: criterion by which the threshold of each class
            is chosen on validation images, with folds on out-of-fold predictions: `f1`
            or `recall_at_precision`.
        precision: Precision, in (0, 1], that `recall_at_precision` requires on these
            images.
        coverage: With a number: share of new images, between 0 and 1, whose number lies
            between `low` and `high` of a prediction. 0.9 needs 9 validation images,
            0.99 needs 99.
    """

    target_error: float = 0.05
    confidence: float = 0.95
    thresholds: str = "f1"
    precision: float = 0.9
    coverage: float = 0.9


@dataclass(frozen=True)
class CombineSettings:
    """Settings of `combine`.

    Args:
        runs: Folders of finished runs with the same classes. None of them may have been
            trained on images that the first one was measured on.
        how: `ensemble` (mean of the probabilities, or of predicted numbers), `soup`
            (mean of the weights of identical networks), or `greedy_soup` (a soup only
            of runs that do not lower its validation accuracy; with several labels,
            its mAP; of a number, that do not raise its mean absolute error).
        workdir: New run folder (default: a new folder below `runs/`).
        cache_dir: Cache folder (default: that of the first run).
        overwrite: Whether a finished run may be replaced.
    """

    runs: list[str] = field(default_factory=list)
    how: str = "ensemble"
    workdir: str | None = None
    cache_dir: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class RunSettings:
    """Settings of `train`; `config.yaml` of a run holds them.

    Args:
        workdir: Run folder (default: a new folder below `runs/`).
        seed: Random seed of the splits, initial weights, order and augmentation.
        cache_dir: Cache folder, shared by all runs (default: `~/.cache/tfpipeline`).
        overwrite: Whether a finished run may be replaced.
        preset: `fast`, `best`, or `few_shot`: a set of defaults. Settings of the config
            file and flags take precedence.
        data: The images.
        model: The network.
        train: Training of the head.
        fine_tune: Fine-tuning.
        robust: Adversarial training.
        calibration: Calibration and abstention.
        checkpoint: Checkpoints.
        logs: TensorBoard.
        distribute: Devices.
    """

    workdir: str | None = None
    seed: int = 0
    cache_dir: str | None = None
    overwrite: bool = False
    preset: str | None = None
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    fine_tune: FineTuneSettings = field(default_factory=FineTuneSettings)
    robust: RobustSettings = field(default_factory=RobustSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    logs: LogSettings = field(default_factory=LogSettings)
    distribute: DistributeSettings = field(default_factory=DistributeSettings)
