"""Settings of `train` and `combine`: how, and where, a network is trained."""

from dataclasses import dataclass, field
from typing import Literal

from tfpipeline.config.adversary import RobustSettings
from tfpipeline.config.data import DataSettings
from tfpipeline.config.model import ModelSettings


@dataclass(frozen=True)
class TrainSettings:
    """How the head is trained; fine-tuning uses what it does not set itself.

    Args:
        epochs: Passes over the training images, at most.
        learning_rate: Peak learning rate, for the global batch; `auto` runs the
            learning-rate finder.
        optimizer: `adam`, `adamw`, `sgd`, `momentum`, `nesterov`, `rmsprop`, or
            `adagrad`.
        schedule: `constant`, `exponential`, `cosine`, `one_cycle`, or `plateau`.
        decay: Factor per epoch of `exponential`.
        plateau_patience: Epochs without a lower validation loss before `plateau` halves
            the rate.
        warmup_epochs: Epochs in which the rate rises from 0; may be a fraction.
        weight_decay: Decoupled, of kernels (default: 0.004 for `adamw`, otherwise 0).
        clip_norm: Global norm to which gradients are clipped.
        clip_value: Absolute value to which each element of a gradient is clipped.
        averaging: Of weights: `none`, `ema` (exponential moving average), or `swa`
            (mean over the last epochs).
        ema_momentum: Momentum of `ema` (default: an average over about one epoch).
        swa_from: Share of the epochs after which `swa` begins.
        loss: `auto` (by the target), `cross_entropy` and `focal` (single, soft), `bce`
            and `focal` (multi), or `huber` and `mse` (number).
        focal_gamma: Of `focal`: how much less an example counts that is right already;
            0 is the plain cross-entropy.
        label_smoothing: Share of the target that is spread evenly over all classes.
        class_weights: `none`, or `balanced`: each class counts the same in the loss.
        patience: Epochs without a lower validation loss before training stops; null
            never stops early. The best epoch is kept either way.
        engine: What computes features on a CPU: `tensorflow`, `litert`, `bfloat16`
            (what only training reads), or `auto`: the fastest in a trial.
        precision: `auto` (by device), `float32`, `mixed_float16`, or `mixed_bfloat16`.
        jit_compile: Whether XLA compiles the gradients. One device only; slow for
            convolutions on CPUs, and dropout draws other values.
        on_nan: `stop`, or `roll_back` to the start of the epoch and halve the learning
            rate.
        from_scratch: Whether the whole network is trained from the first step (default:
            only a backbone without ImageNet weights is).
        reference: Whether the features of its images are kept in the run, at most
            50,000 and 256 MiB of them; without them, nothing says which images are
            `known`.
        false_alarms: Share of images like those of the run that may be called unknown.
            The threshold is chosen on validation images; 0.05 needs 19 of them.
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
    """The second stage, which trains part of the backbone as well.

    Args:
        epochs: Passes over the training images, at most; 0 skips fine-tuning.
        unfreeze: What is trained, from the top: `all`, a number of layers, a share such
            as `0.3`, or the name of the lowest block, e.g. `block_13` or `block5`.
        learning_rate: Peak learning rate of the head and the topmost block.
        engine: Whether steps compute in `bfloat16` on a CPU that has it, or in float32:
            `tensorflow`; `auto`: the faster in a trial.
        layer_decay: Each block's learning rate is that of the block above times this.
        gradual_epochs: Epochs until the next lower block is unfrozen; 0 unfreezes all
            at once.
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
        every_steps: Steps between two checkpoints; 0 turns this off.
        every_seconds: Seconds between two checkpoints; 0 turns this off. SIGTERM and
            Ctrl-C always write one.
    """

    every_steps: int = 0
    every_seconds: float = 60.0


@dataclass(frozen=True)
class LogSettings:
    """What is logged for TensorBoard, in `logs/` of the run folder.

    Args:
        tensorboard: Whether anything is logged.
        profile_steps: Steps of each stage to profile, which slows them down.
    """

    tensorboard: bool = True
    profile_steps: int = 0


@dataclass(frozen=True)
class DistributeSettings:
    """On which devices training runs.

    Args:
        strategy: `auto` (several workers if TF_CONFIG or `workers` names them,
            otherwise every GPU, otherwise one device), `one_device`, `mirrored`,
            `multi_worker`, or `tpu` (untested).
        devices: For `mirrored` or `auto`: number of GPUs (default: all), or of logical
            CPUs to create.
        workers: `host:port,host:port` of all workers (default: from TF_CONFIG or
            SLURM).
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
    """How calibration and abstention are set.

    Args:
        target_error: Share of wrong answers that is allowed among those that are
            accepted; the threshold is chosen on validation images.
        confidence: Confidence with which that holds on new images. 0.95 with a target
            of 0.05 needs 60 validation images, with 0.01 it needs 300.
        thresholds: Of several labels: by what the threshold of each class is chosen on
            validation images, `f1` or `recall_at_precision`.
        precision: That `recall_at_precision` has to have on them.
    """

    target_error: float = 0.05
    confidence: float = 0.95
    thresholds: str = "f1"
    precision: float = 0.9


@dataclass(frozen=True)
class CombineSettings:
    """Settings of `combine`.

    Args:
        runs: Folders of finished runs with the same classes. None may have trained on
            images that the first one was measured on.
        how: `ensemble` (mean of the probabilities), `soup` (mean of the weights of
            equal networks), or `greedy_soup` (only runs that raise validation
            accuracy).
        workdir: The new run folder (default: a new one below `runs/`).
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
        workdir: The run folder (default: a new one below `runs/`).
        seed: Of splits, initial weights, order and augmentation.
        cache_dir: Cache folder, shared by all runs (default: `~/.cache/tfpipeline`).
        overwrite: Whether a finished run may be replaced.
        preset: `fast`, `best`, or `few_shot`: defaults that go well together. The
            config file and flags win over them.
        data: Data.
        model: Network.
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
