"""Frozen dataclasses of settings, one section a room."""

from tfpipeline.config.audit import AuditSettings
from tfpipeline.config.data import DataSettings, check_fraction, with_source
from tfpipeline.config.evaluate import EvaluateSettings, ReadSettings
from tfpipeline.config.model import ModelSettings
from tfpipeline.config.pack import PackSettings
from tfpipeline.config.predict import PredictSettings
from tfpipeline.config.run import RunSettings
from tfpipeline.config.train import (
    CalibrationSettings,
    CheckpointSettings,
    DistributeSettings,
    FineTuneSettings,
    LogSettings,
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
