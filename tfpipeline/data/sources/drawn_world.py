"""The drawn world as a source: its pictures are written once, then they are files."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data.sources import targets
from tfpipeline.data.sources.base import Source
from tfpipeline.demo import several, world


def drawer(settings: DataSettings) -> Callable[[Path], Path]:
    """Return what writes the pictures of the source `demo`."""
    count, seed = _count(settings), settings.demo_seed

    def draw(cache: Path) -> Path:
        name = f"{world.WORLD_VERSION}-seed{seed}-{count}"
        folder = cache / "demo" / name
        if not folder.is_dir():
            world.write_folder(folder, world.TRANSFER_CLASSES, count, seed)
        return folder

    return draw


def open_several(name: str, settings: DataSettings, cache: Path) -> Source:
    """Return the source `demo:multi` or `demo:number`, which is drawn where missing.

    There are `demo_per_class` pictures for each kind of object, or for each count; a
    picture with several kinds is one of them.
    """
    kind = name.partition(":")[2]
    if kind not in several.SETS:
        names = ["demo", *(f"demo:{known}" for known in several.SETS)]
        raise unknown("drawn source", name, names)
    _, column, each = several.SETS[kind]
    pictures, seed = each * _count(settings), settings.demo_seed
    folder = cache / "demo" / f"{several.VERSION}-{kind}-seed{seed}-{pictures}"
    if not folder.is_dir():
        several.write_folder(folder, kind, pictures, seed)
    own = DataSettings(target=kind, label_column=column)
    source = targets.open_csv(folder / "labels.csv", own, None)
    return dataclasses.replace(source, name=name)


def _count(settings: DataSettings) -> int:
    if settings.demo_per_class < 1:
        raise UserError(
            "--data.demo_per_class: expected a positive number. Received: "
            f"{settings.demo_per_class}."
        )
    return settings.demo_per_class
