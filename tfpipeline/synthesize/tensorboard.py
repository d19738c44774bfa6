"""Ideal images in TensorBoard."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfpipeline.core import file_io
from tfpipeline.synthesize.generate import Ideal
from tfpipeline.train import events, tensorboard


def show_ideals(folder: Path, made: Mapping[str, Sequence[Ideal]]) -> None:
    """Write how some ideal images came about, or say that it cannot be written.

    Args:
        folder: `logs/` of the result.
        made: The images, by what their kind is called.
    """

    def tell() -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Written elsewhere: TensorFlow gives its files names of its own.
        with tempfile.TemporaryDirectory(prefix=".logs-", dir=folder.parent) as apart:
            write(events.Events(Path(apart)))
            for file in (f for f in Path(apart).rglob("*") if f.is_file()):
                with file_io.replacing(folder / file.relative_to(apart)) as temporary:
                    os.replace(file, temporary)

    def write(shown: events.Events) -> None:
        for part, some in made.items():
            for ideal in some:
                last = len(ideal.curve)
                for step in range(0, last, 1 + last // tensorboard.MOST_POINTS):
                    score = float(ideal.curve[step])
                    shown.scalar(f"{ideal.name}/score", score, step, part)
                shown.image(f"{ideal.name}/image", ideal.picture, last, part)
        shown.close()

    tensorboard.attempt(folder, tell)
