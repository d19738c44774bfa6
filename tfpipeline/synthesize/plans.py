"""Which ways to make ideal images a user asks for: presets, and what was changed."""

import dataclasses

from tfpipeline.config.synthesis import SynthesisSettings, SynthesizeSettings
from tfpipeline.core.errors import UserError, check_each, unknown
from tfpipeline.synthesize import presets
from tfpipeline.synthesize.presets import Preset


def chosen_preset(name: str, settings: SynthesisSettings) -> Preset:
    """Return a preset with what the user has changed.

    Args:
        name: Of the preset.
        settings: The section `synthesis`.

    Raises:
        UserError: An unknown name, or a number out of range.
    """
    if name not in presets.PRESETS:
        raise unknown("--preset", name, presets.PRESETS)
    preset = presets.PRESETS[name]
    known = {entry.name for entry in dataclasses.fields(preset)}
    changes = {
        key: value
        for key, value in vars(settings).items()
        if key in known and value is not None
    }
    # Options and rate are of one parameterization: another one has its own.
    other = changes.get("parameterization", preset.parameterization)
    if other != preset.parameterization:
        rate = presets.RATES.get(other, preset.learning_rate)
        preset = dataclasses.replace(preset, options={}, learning_rate=rate)
    if settings.start is not None and not preset.raw:
        rate = preset.learning_rate * presets.FROM_PHOTOGRAPH
        preset = dataclasses.replace(preset, learning_rate=rate, fading=0.0)
    preset = dataclasses.replace(preset, **changes)
    presets.check(preset)
    check_each(
        "synthesis",
        settings,
        {
            "copies": ("at least 1", settings.copies >= 1),
            "diversity": ("at least 0", settings.diversity >= 0),
            "batch_size": ("at least 1", settings.batch_size >= 1),
        },
    )
    if preset.raw and (settings.objective or settings.parameterization):
        raise UserError(
            f"--preset {name}: expected with its own objective and parameterization: "
            "without them it is another method. Leave the preset out."
        )
    if settings.start is not None and settings.copies > 1:
        raise UserError(
            "--synthesis.start with --synthesis.copies: all copies would start from "
            "the same photograph, and become the same. Leave one of them out."
        )
    if settings.diversity and settings.copies < 2:
        raise UserError(
            "--synthesis.diversity: expected with --synthesis.copies 2 or more, which "
            "it tells apart. Name both, or leave it out."
        )
    if preset.raw and settings.diversity:
        raise UserError(
            "--synthesis.diversity with --preset lesson: its network shows no layers. "
            "Leave one of them out."
        )
    return preset


def chosen_plans(
    settings: SynthesizeSettings,
) -> dict[str, tuple[Preset, SynthesisSettings]]:
    """Return the presets that are asked for, the user's own first.

    Args:
        settings: Of the command; what the user has changed is of the first preset.

    Raises:
        UserError: An unknown name, or a number out of range.
    """
    own = settings.synthesis
    plans = {settings.preset: (chosen_preset(settings.preset, own), own)}
    if settings.compare:
        other = "lesson" if settings.preset == "best" else "best"
        plain = SynthesisSettings(batch_size=own.batch_size)
        plans[other] = (chosen_preset(other, plain), plain)
    return plans
