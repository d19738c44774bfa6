"""Examples of a finished run, read again as its network is shown them."""

import numpy as np

from tfpipeline.config import EvaluateSettings, RunSettings
from tfpipeline.core import image_io, run_dir
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.core.image_formats import ImageError
from tfpipeline.evaluate import run_inputs
from tfpipeline.metrics import spread

SPLITS = ("train", "validation", "test")


def sample(
    run: run_dir.RunFolder,
    trained: RunSettings,
    labels: tuple[str, ...],
    split: str,
    count: int,
) -> tuple[np.ndarray, list[str], list[str]]:
    """Return at most `count` examples of a split, evenly spread over its classes.

    Returns:
        Pictures, uint8 of shape (n, height, width, 3); the class and id of each.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if count < 1:
        raise UserError(f"n: expected a positive number. Received: {count}.")
    settings = EvaluateSettings(run=str(run.path))
    examples = run_inputs.examples_of(settings, trained, run, labels)
    chosen, source = examples.of(split), examples.source
    if not len(chosen):
        raise UserError(f"{run.path}: the run has no {split} images.")
    # By class, so that what is evenly spread shows all of them.
    chosen = chosen[np.argsort(source.label[chosen], kind="stable")]
    chosen = chosen[spread.spread(len(chosen), count)]
    size, how = trained.model.image_size or 0, trained.data.resize
    pictures = []
    for index in chosen.tolist():
        row = examples.files[index]
        try:
            data = image_io.content(row.path, row.offset, row.length)
            given = size, size, how, examples.brightness.ranges
            pictures.append(image_io.read(data, *given, row.height * row.width))
        except ImageError as error:
            raise UserError(f"{row.path}: {error}. Is it still there?") from None
    return (
        np.stack(pictures),
        [source.said(i) for i in chosen.tolist()],
        [source.ids[i] for i in chosen],
    )
