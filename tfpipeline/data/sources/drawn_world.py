"""The drawn world as a source: its pictures are written once, then they are files."""

from collections.abc import Callable
from pathlib import Path

from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError
from tfpipeline.demo import world


def drawer(settings: DataSettings) -> Callable[[Path], Path]:
    """Return what writes the pictures of the source `demo`."""
    count, seed = settings.demo_per_class, settings.demo_seed
    if count < 1:
        raise UserError(
            f"--data.demo_per_class: expected a positive number. Received: {count}."
        )

    def draw(cache: Path) -> Path:
        name = f"{world.WORLD_VERSION}-seed{seed}-{count}"
        folder = cache / "demo" / name
        if not folder.is_dir():
            world.write_folder(folder, world.TRANSFER_CLASSES, count, seed)
        return folder

    return draw
