"""Ideal images in TensorBoard."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfpipeline.core import file_io
from tfpipeline.synthesize.generate import Ideal
from tfpipeline.train import events, tensorboard


def show_ideals(folder: Path, ideals: Mapping[str, Sequence[Ideal]]) -> None:
    """Write into `logs/` how images came about, or say that it cannot be written."""

    def publish() -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Written elsewhere: TensorFlow gives its files names of its own.
        with tempfile.TemporaryDirectory(prefix=".logs-", dir=folder.parent) as apart:
            write(events.Events(Path(apart)))
            for file in (f for f in Path(apart).rglob("*") if f.is_file()):
                with file_io.replacing(folder / file.relative_to(apart)) as temporary:
                    os.replace(file, temporary)

    def write(log: events.Events) -> None:
        for preset, own in ideals.items():
            for ideal in own:
                last = len(ideal.curve)
                for step in range(0, last, 1 + last // tensorboard.MOST_POINTS):
                    score = float(ideal.curve[step])
                    log.scalar(f"{ideal.name}/score", score, step, preset)
                log.image(f"{ideal.name}/image", ideal.picture, last, preset)
        log.close()

    tensorboard.attempt(folder, publish)
