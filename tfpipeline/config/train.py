"""The sections of `config` that say how, and where, a network is trained."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class TrainSettings:
    """How the head is trained; fine-tuning takes from here what it does not name.

    Args:
        epochs: Passes over the training images, at most.
        learning_rate: Step size at its highest, for the global batch; `auto` looks for
            it first and draws what was found.
        optimizer: `adam`, `adamw`, `sgd`, `momentum`, `nesterov`, `rmsprop` or
            `adagrad`.
        schedule: `constant`, `exponential`, `cosine`, `one_cycle`, or `plateau` (lower
            where the validation loss rests).
        decay: Factor of `exponential`, an epoch.
        plateau_patience: Epochs without a better validation loss before `plateau`
            halves the rate.
        warmup_epochs: In which the rate rises from 0; may be a fraction.
        weight_decay: Decoupled decay of kernels; biases and norms are left alone. Null
            is 0.004 for `adamw` and 0 for the others.
        clip_norm: Gradients are scaled down to this norm over all weights.
        clip_value: Each element of a gradient is cut to this size.
        averaging: `none`, `ema` (a moving average of the weights), or `swa` (the mean
            of the weights at the ends of the last epochs).
        ema_momentum: What each step keeps of the average; null averages over about an
            epoch.
        swa_from: Share of the epochs after which `swa` begins.
        label_smoothing: Share of the target spread evenly over all classes.
        class_weights: `none`, or `balanced`: the loss of an image is weighted by how
            rare its class is.
        patience: Epochs without a better validation loss before training stops; null
            never stops early. The best epoch's weights are kept either way.
        precision: `auto` (by device), `float32`, `mixed_float16` or `mixed_bfloat16`.
        jit_compile: Whether XLA compiles the gradients: on one device only. On CPUs it
            is much slower for convolutions. Dropout then draws other values.
        on_nan: `stop`, or `roll_back` to the start of the epoch at half the rate.
        from_scratch: Whether the whole network learns from the first step on, its batch
            norm included, instead of a head on a frozen backbone; for `--model.weights
            none`. Null does so for a network that has no weights of ImageNet, such as
            `PlainCNN`.
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

    Batch norm stays as it was pretrained. The best epoch by validation loss is kept,
    which may be the one before the first.

    Args:
        epochs: Passes over the training images, at most; 0 leaves the stage out.
        unfreeze: What learns, counted from the top: `all`, a number of layers, a share
            such as `0.3`, or the name of the lowest block, e.g. `block_13` or `block5`.
        learning_rate: Step size of the head and the topmost block, at its highest.
        layer_decay: The rate of each block is that of the block above times this.
        gradual_epochs: Epochs after which the next block below joins; 0 starts all at
            once.
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
    """When a training notes where it stands, so that the same command goes on there.

    Args:
        every_steps: Steps between two checkpoints, rounded up to what one call trains
            on; 0 counts no steps.
        every_seconds: Seconds between two checkpoints; 0 looks at no clock. SIGTERM
            and Ctrl-C write one in any case.
    """

    every_steps: int = 0
    every_seconds: float = 60.0


@dataclass(frozen=True)
class LogSettings:
    """What TensorBoard shows of a training: `logs/` in the run folder.

    Args:
        tensorboard: Whether it is written.
        profile_steps: Steps of each stage whose every operation is recorded, after the
            first call; 0 records none. It slows those steps.
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
        devices: How many devices `mirrored` uses (and `auto`, where it is given); null
            is every GPU. Without a GPU it is the number of logical CPUs to make.
        workers: Addresses of all workers, `host:port,host:port`; null asks TF_CONFIG,
            then SLURM.
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
        target_error: Share of the answers that may be wrong where the classifier
            answers; the threshold from which on it does is chosen on validation images.
        confidence: With which no more are wrong, on new images like those. Where they
            do not show that, there is no threshold; 60 are needed for 0.95 and a target
            of 0.05, 300 for one of 0.01.
    """

    target_error: float = 0.05
    confidence: float = 0.95


@dataclass(frozen=True)
class CombineSettings:
    """What `combine` can be told.

    Args:
        runs: Folders of finished runs with the same classes; what the first one was
            measured on, the others may not have trained on.
        how: `ensemble` (the mean of their probabilities), `soup` (the mean of the
            weights of equal networks), or `greedy_soup` (of those that raise the
            accuracy on validation images).
        workdir: The new run folder; null is a new one below `runs/`.
        cache_dir: What all runs share; null is what the first run used.
        overwrite: Whether a finished run may be replaced.
    """

    runs: list[str] = field(default_factory=list)
    how: str = "ensemble"
    workdir: str | None = None
    cache_dir: str | None = None
    overwrite: bool = False
