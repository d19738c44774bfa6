"""Frozen dataclasses of settings."""

from tfpipeline.config.data import (
    AuditSettings,
    DataSettings,
    PackSettings,
    check_fraction,
    with_source,
)
from tfpipeline.config.evaluate import EvaluateSettings, ReadSettings
from tfpipeline.config.model import ModelSettings
from tfpipeline.config.serving import PredictSettings
from tfpipeline.config.train import (
    CalibrationSettings,
    CheckpointSettings,
    DistributeSettings,
    FineTuneSettings,
    LogSettings,
    RunSettings,
    TrainSettings,
)

__all__ = [
    "AuditSettings",
    "CalibrationSettings",
    "CheckpointSettings",
    "DataSettings",
    "DistributeSettings",
    "EvaluateSettings",
    "FineTuneSettings",
    "LogSettings",
    "ModelSettings",
    "PackSettings",
    "PredictSettings",
    "ReadSettings",
    "RunSettings",
    "TrainSettings",
    "check_fraction",
    "with_source",
]
