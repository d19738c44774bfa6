"""What the network says of a run's held-out images, in a version: `held_out.csv`.

`monitor` compares with it what a server predicts, where the run itself is not; and with
the features of some of these images, in `reference/`, what arrives.
"""

from pathlib import Path

import numpy as np

from tfpipeline.core import console, file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.evaluate.run_inputs import Ready
from tfpipeline.export import versions
from tfpipeline.metrics import classification
from tfpipeline.metrics import novelty as score
from tfpipeline.models import classifier, reference
from tfpipeline.models.reference import Reference

# Images whose features are kept, at most: as many as `monitor` compares.
MOST = 4000

HEADER = ("id", "split", "label", "predicted", "probability", "novelty")


def write(folder: Path, run: RunFolder, ready: Ready, temperature: float) -> None:
    """Write the file into a version, where the run keeps features of such images.

    There is none where what was kept is damaged, which a version does not need.

    Args:
        folder: The version.
        run: From which it comes.
        ready: Its classifier.
        temperature: Of its calibration.
    """
    try:
        kept = reference.read(run)
    except UserError as error:
        console.warn(f"{versions.HELD_OUT} is not written: {error}")
        return
    if kept is None:
        return
    rows = np.flatnonzero(kept.split != reference.SPLITS[0]).tolist()
    if not len(rows):
        return
    _, head = classifier.split_classifier(ready.model)
    features = kept.features[rows]
    logits = np.asarray(head.predict(features, verbose=0), np.float32)
    said, chances = _said(ready, logits, temperature)
    novelty = [""] * len(rows)
    if ready.novelty is not None:
        novelty = [
            f"{value:.6g}" for value in np.asarray(ready.novelty(features, logits))
        ]
    table = [
        (kept.id[row], kept.split[row], kept.label[row], *more)
        for row, *more in zip(rows, said, chances, novelty)
    ]
    file_io.write_csv(folder / versions.HELD_OUT, HEADER, table)
    version = RunFolder(folder)
    reference.write(version, _part(kept, np.asarray(rows)))
    if ready.novelty is not None:
        score.save(version, ready.novelty, {})


def _said(
    ready: Ready, logits: np.ndarray, temperature: float
) -> tuple[list[str], list[str]]:
    """Return what is predicted, in words, and the probability; a number has none."""
    decision = ready.decision
    if decision.target == targets.NUMBER:
        return decision.said(logits), [""] * len(logits)
    if decision.target == targets.MULTI:
        chance = decision.chance(logits)
        said = decision.said(logits)
    else:
        chance = classification.probabilities(logits / temperature)
        said = [ready.labels[k] for k in chance.argmax(axis=1)]
    return said, [f"{p:.6g}" for p in chance.max(axis=1)]


def _part(kept: Reference, rows: np.ndarray) -> Reference:
    """Return some rows of a reference, without the paths of this machine."""
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.permutation(rows)[:MOST])
    columns = [[each[i] for i in chosen] for each in (kept.id, kept.label, kept.digest)]
    ids, labels, digests = columns
    split = kept.split[chosen]
    return Reference(kept.features[chosen], ids, ids, labels, split, digests, kept.of)
