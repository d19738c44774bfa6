"""Settings of `train` that go well together, by a name.

They stand below the config file and the flags, and above the defaults.
"""

from collections.abc import Mapping
from typing import Any

from tfpipeline.config.train import RunSettings
from tfpipeline.core.errors import unknown

# By dotted names. docs/training.md has what was measured.
PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "model.backbone": "MobileNetV2",
        "model.alpha": 0.35,
    },
    "best": {
        "model.backbone": "MobileNetV2",
        "data.augmentation": "light",
        "data.views": 4,
        "train.label_smoothing": 0.1,
        "fine_tune.epochs": 10,
        "fine_tune.unfreeze": "0.5",
        "fine_tune.learning_rate": 3e-4,
        "fine_tune.warmup_epochs": 1.0,
    },
    "few_shot": {
        "model.backbone": "MobileNetV2",
        "model.image_size": 256,
        "model.dropout": 0.5,
        "data.resize": "crop",
        "data.validation_fraction": 0.0,
        "train.epochs": 100,
        "train.optimizer": "adamw",
        "train.weight_decay": 0.1,
        "train.schedule": "cosine",
    },
}

# Another network has a size of its own, and other widths or none.
OF_BACKBONE = ("model.alpha", "model.image_size")


def of(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the preset that is given, by their dotted names.

    Args:
        kind: Dataclass of a command; only `RunSettings` has such presets.
        given: What a user has set, by dotted names; what it has wins.

    Raises:
        UserError: There is no such preset.
    """
    name = given.get("preset") if kind is RunSettings else None
    if name is None:
        return {}
    if name not in PRESETS:
        raise unknown("--preset", name, PRESETS)
    preset = PRESETS[name]
    network = preset["model.backbone"]
    if given.get("model.backbone", network) != network:
        return {n: value for n, value in preset.items() if n not in OF_BACKBONE}
    return preset


def describe(name: str, settings: Mapping[str, Any]) -> str:
    """Return in a line what a preset has set, and what was overridden.

    Args:
        name: The preset.
        settings: All settings of the run by their dotted names.
    """
    own = PRESETS.get(name, {})
    kept = [f"{key} {settings[key]}" for key in own if settings[key] == own[key]]
    other = [f"{key} {settings[key]}" for key in own if settings[key] != own[key]]
    parts = [", ".join(kept) or "sets nothing", f"overridden: {', '.join(other)}"]
    return f"preset {name}: {'; '.join(parts[: 1 + bool(other)])}"
