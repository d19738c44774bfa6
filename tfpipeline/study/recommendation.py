"""From what a study recommends to the command that trains it."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.cli import from_python
from tfpipeline.config import RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.config.train import TrainSettings
from tfpipeline.study import from_scratch
from tfpipeline.study.from_scratch import SCRATCH
from tfpipeline.study.heads.space import Head
from tfpipeline.study.method_rows import STEPS
from tfpipeline.study.networks import read_word
from tfpipeline.study.shot_counts import ALL
from tfpipeline.study.speeds import BATCH


def train_settings(
    settings: StudySettings,
    source: str,
    backbone: str,
    rows: Sequence[Mapping[str, Any]],
    precision: str = "auto",
) -> RunSettings:
    """Return the settings by which `train` makes a run of a source and a backbone.

    Its head is the one that validation images chose from all that were tried, in most
    of the seeds; of equals, in the first. The study itself computes in float32.
    """
    data = dataclasses.replace(settings.data, source=source)
    if backbone == SCRATCH:
        given = from_scratch.settings_for(data, settings.seed, settings.scratch_epochs)
    else:
        kind = (source, backbone, "head", ALL)
        keys = ("source", "backbone", "method", "shots")
        mine = [row for row in rows if tuple(row[key] for key in keys) == kind]
        chosen = Counter(tuple(row["head"].items()) for row in mine)
        head = Head(**dict(chosen.most_common(1)[0][0]))
        hidden = [head.hidden] if head.hidden else []
        model = dataclasses.replace(
            read_word(backbone), hidden=hidden, dropout=head.dropout
        )
        images = mine[0]["trained_on"]
        # As the search trained it, with numbers that people read.
        train = TrainSettings(
            epochs=max(1, round(STEPS * min(BATCH, images) / images)),
            learning_rate=float(f"{head.learning_rate:.2g}"),
            optimizer="adamw",
            schedule="cosine",
            weight_decay=float(f"{head.weight_decay:.2g}"),
            label_smoothing=head.label_smoothing,
        )
        given = RunSettings(seed=settings.seed, data=data, model=model, train=train)
    return dataclasses.replace(
        given,
        cache_dir=settings.cache_dir,
        distribute=settings.distribute,
        train=dataclasses.replace(given.train, precision=precision),
    )


def command(given: RunSettings) -> str:
    """Return the command line that gives `train` some settings."""
    return from_python.read("train", RunSettings, given, {}).command
