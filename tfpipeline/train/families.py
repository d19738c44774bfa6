"""Held-out images that are parts or frames of what is trained on, by their features."""

import numpy as np

from tfpipeline.core import image_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import duplicates, feature_families
from tfpipeline.data.feature_families import Families
from tfpipeline.train.inputs import CachedFeatures
from tfpipeline.train.stages import Course

SHEET = "families.png"


def find(course: Course) -> Families:
    """Return the families across splits; none where features are not on disk.

    Copies that their pixels tell are not among them: they are known.
    """
    task, examples = course.task, course.work.examples
    if task is None or not isinstance(task.inputs, CachedFeatures):
        return Families()
    chosen = feature_families.sampled(examples.split, course.work.settings.seed)
    features = [task.inputs.cache.rows([examples.keys[i] for i in c]) for c in chosen]
    labels = [examples.source.label[c] for c in chosen]
    trained, held_out = chosen
    nearest, distance, most = feature_families.across(*features, *labels)
    copy = {i: group[0] for group in examples.alike for i in group}
    rows = [
        row
        for row in np.argsort(distance, kind="stable").tolist()
        if distance[row] <= most
        and copy.get(held_out[row], -1) != copy.get(trained[nearest[row]], -2)
    ]
    pairs = tuple((int(trained[nearest[r]]), int(held_out[r])) for r in rows)
    near = tuple(float(distance[r]) for r in rows)
    return Families(pairs, near, most, len(held_out))


def draw(run: RunFolder, course: Course, families: Families) -> None:
    """Write the nearest pairs as a sheet, where there are any."""
    examples = course.work.examples
    sheet = duplicates.leak_sheet(
        *(examples.source, examples.split, examples.files, families.pairs),
        ranges=examples.brightness.ranges,
    )
    if sheet is not None:
        image_io.save_png(run.figures / SHEET, sheet)
