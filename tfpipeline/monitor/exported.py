"""Pictures that have arrived, by an exported version, beside its held-out pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfpipeline.config.embed import EmbedSettings
from tfpipeline.config.serving import ServerSettings
from tfpipeline.core import file_io
from tfpipeline.core import target as targets
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data.sources import pictures as sources
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.embed.exported import open_embedder
from tfpipeline.export import versions
from tfpipeline.metrics import novelty
from tfpipeline.models import reference
from tfpipeline.monitor import predictions, whitening
from tfpipeline.monitor.pictures import Compared
from tfpipeline.monitor.results import draw
from tfpipeline.predict import answers

# Where rows of `predict` have what was predicted, if not one class is the answer.
_COLUMNS = {targets.MULTI: "labels", targets.NUMBER: "value"}


class Version(NamedTuple):
    """What is shown of a version: its class names, and black and white for it."""

    labels: tuple[str, ...]
    ranges: Ranges


def compared(
    version: RunFolder, paths: Sequence[Path], most: int, seed: int, max_pixels: int
) -> Compared:
    """Return what a version answers about files, and about held-out pictures.

    The latter are those whose features `export` kept in it.

    Raises:
        UserError: It has kept none, or none of the files can be read.
    """
    kept = reference.read(version)
    if kept is None:
        raise UserError(
            f"--run {version.path}: expected features of held-out pictures in "
            f"{version.reference}, as `export` writes them, found none. Name the "
            "folder of the run, or export it again."
        )
    labels = tuple(file_io.read_lines(version.labels))
    score = novelty.load(version)
    split = next(s for s in predictions.HELD_OUT if len(kept.rows(s)))
    table = file_io.read_csv(version.path / versions.HELD_OUT)
    said = {row["id"]: row for row in table if row["split"] == split}
    rows = draw(kept.rows(split), most, np.random.default_rng([seed, 1]))
    own = [said[kept.id[row]] for row in rows]
    target = answers.target_of(version.path)
    held_out = predictions.seen(own, labels, "predicted", target)._replace(
        features=whitening.whiten(kept.features[rows], score)
    )
    given = [Picture(str(path)) for path in paths]
    embedder = open_embedder(
        version.path, EmbedSettings(run=str(version.path), max_pixels=max_pixels)
    )
    files = sources.audit(given, max_pixels)
    content = embedder.of_files(given, files)
    model, ranges = embedder.model, embedder.ranges
    ask = answers.of_loaded(model.answer, ranges, ServerSettings())
    answered = answers.rows_of(given, files, ask, 1)
    good, bad = [], []
    for place, (embedded, answer) in enumerate(zip(content.rows, answered)):
        reason = str(embedded[-1] or answer["error"])
        if reason:
            bad.append({"image": given[place].id, "error": reason})
        else:
            good.append((place, int(str(embedded[2])), answer))
    if not good:
        raise UserError(
            f"{bad[0]['image']}: {bad[0]['error']}. None of {len(bad)} files can be "
            "read; expected pictures."
        )
    assert content.vectors is not None
    features = content.vectors[[row for _, row, _ in good]]
    column = _COLUMNS.get(target, "label")
    arrived = predictions.seen(
        [answer for *_, answer in good], labels, column, target
    )._replace(features=whitening.whiten(features, score))
    known = [answer.get("known") for *_, answer in good]
    unknown = None if None in known else float(np.mean([not yes for yes in known]))
    shown = Version(labels, ranges)
    names = [given[place].id for place, *_ in good]
    return Compared(
        held_out, split, arrived, features, unknown, names, bad, kept, shown
    )
