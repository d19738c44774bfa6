"""All settings of a training."""

from dataclasses import dataclass, field

from tfpipeline.config.adversary import RobustSettings
from tfpipeline.config.data import DataSettings
from tfpipeline.config.model import ModelSettings
from tfpipeline.config.train import (
    CalibrationSettings,
    CheckpointSettings,
    DistributeSettings,
    FineTuneSettings,
    LogSettings,
    TrainSettings,
)


@dataclass(frozen=True)
class RunSettings:
    """Everything that `train` can be told; `config.yaml` of a run holds it.

    Args:
        workdir: The run folder; null is a new one below `runs/`.
        seed: Of splits, initial weights, order and augmentation.
        cache_dir: Features and drawn pictures that all runs share; null is the user's
            cache folder.
        overwrite: Whether a finished run may be replaced.
        data: The images.
        model: The network.
        train: The training of the head.
        fine_tune: The training of part of the backbone after it.
        robust: What makes it resist attacks.
        calibration: How far its probabilities are to be believed.
        checkpoint: When it is noted where the training stands.
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
