"""How a command is called in Python: what it is given, and what its files tell."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tfpipeline.api import image_inputs, process_state
from tfpipeline.cli import from_python
from tfpipeline.cli.from_python import Call, Config
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import provenance, result_dir
from tfpipeline.core.errors import mendable

Settings = TypeVar("Settings")
Done = TypeVar("Done")


def done(verb: Callable[[Settings], Done], call: Call[Settings]) -> Done:
    """Do what a command does, and leave the process as it was.

    Its files tell how it would have been typed.

    Args:
        verb: The command.
        call: What it is told.

    Returns:
        What the command returns.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    with process_state.preserved(), provenance.called(call.command), mendable():
        return verb(call.settings)


def joined(
    config: Config, settings: Mapping[str, Any]
) -> tuple[Config, dict[str, Any]]:
    """Return all settings that are given by name in one mapping.

    Args:
        config: A file, a dataclass, or a mapping, which is joined.
        settings: Those that win.

    Returns:
        What is left of `config`, and the settings.
    """
    if isinstance(config, Mapping):
        return None, {**config, **settings}
    return config, dict(settings)


def with_files(
    verb: str,
    kind: type[FeaturesSettings] | type[AttackSettings],
    config: Config,
    settings: Mapping[str, Any],
) -> tuple[Config, dict[str, Any]]:
    """Return settings whose pictures are files; pixels are kept below the result.

    Args:
        verb: The command.
        kind: Its dataclass.
        config: As the user gave it.
        settings: Likewise.

    Returns:
        What is left of `config`, and the settings.

    Raises:
        UserError: An earlier result stands there, or something is no picture.
    """
    config, told = joined(config, settings)
    if "images" not in told or image_inputs.are_files(told["images"]):
        return config, told
    given = told.pop("images")
    result = from_python.read(verb, kind, config, told).settings
    output = result_dir.new_result(
        result.output, f"{verb}.json", overwrite=result.overwrite
    )
    output.check(["given/"])
    with output.recording(adding=True):
        words = image_inputs.written(given, output.folder / "given")
    return config, told | {"images": words}
