"""Settings that are one of a few words: others are refused before TensorFlow starts.

The tables behind the words are where they are used, and need TensorFlow; tests hold
the two against each other.
"""

import dataclasses
from typing import Any

from tfpipeline import config
from tfpipeline.config.adversary import RobustSettings
from tfpipeline.config.monitoring import SimilarSettings
from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core.errors import unknown

_SCHEDULES = ("constant", "exponential", "cosine", "one_cycle", "plateau")
_OPTIMIZERS = ("adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "adagrad")

_OF_GRADIENTS = ("auto", "tensorflow", "bfloat16")

CHOICES: dict[type, dict[str, tuple[str, ...]]] = {
    config.DataSettings: {
        "augmentation": ("none", "light", "randaugment", "mixup", "cutmix"),
        "sampling": ("natural", "balanced"),
        "resize": ("squash", "crop", "pad"),
        "group": ("exact", "near", "none"),
    },
    config.ModelSettings: {"pooling": ("avg", "max", "flatten", "token")},
    config.TrainSettings: {
        "optimizer": _OPTIMIZERS,
        "schedule": _SCHEDULES,
        "averaging": ("none", "ema", "swa"),
        "class_weights": ("none", "balanced"),
        "precision": ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
        "on_nan": ("stop", "roll_back"),
    },
    config.FineTuneSettings: {
        "optimizer": _OPTIMIZERS,
        "schedule": _SCHEDULES,
        "engine": _OF_GRADIENTS,
    },
    SynthesisSettings: {"engine": _OF_GRADIENTS},
    config.DistributeSettings: {
        "strategy": ("auto", "one_device", "mirrored", "multi_worker", "tpu")
    },
    SimilarSettings: {"metric": ("cosine", "euclidean")},
    RobustSettings: {"method": ("none", "pgd", "trades", "free")},
}


def check(settings: Any, prefix: str = "") -> None:
    """Refuse a word that no table knows; null is for the command to understand."""
    choices = CHOICES.get(type(settings), {})
    for entry in dataclasses.fields(settings):
        name, value = f"{prefix}{entry.name}", getattr(settings, entry.name)
        if dataclasses.is_dataclass(value):
            check(value, f"{name}.")
        elif entry.name in choices and value not in (None, *choices[entry.name]):
            raise unknown(f"--{name}", value, choices[entry.name])
