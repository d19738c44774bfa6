"""The features of a folder, with the labels and the network that belong to them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.core import console, image_io, run_dir
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import dataset
from tfpipeline.data.dataset import Examples
from tfpipeline.models import arithmetic, classifier, saving
from tfpipeline.models.shard_features import ShardFeatures
from tfpipeline.shards import reading
from tfpipeline.shards.labels import HeldRow, Labels
from tfpipeline.shards.plan import Plan
from tfpipeline.shards.reading import FLAG, Rows


@dataclass(frozen=True)
class Held:
    """What `embed` has written, with the labels that belong to it.

    Args:
        plan: What was computed.
        rows: Of which pictures.
        labels: Of what they show.
    """

    plan: Plan
    rows: Rows
    labels: Labels

    def examples(
        self, settings: RunSettings, cache: Path, draw: Callable[[Path], Path]
    ) -> Examples:
        """Return the labelled rows as examples; what has no features is bad."""
        source, rows = self.labels.open(cache, draw)
        given = self.labels.data, settings.seed, cache, draw
        return dataset.prepare(*given, source, rows)

    def store(self, examples: Examples) -> ShardFeatures:
        """Return the features of examples, by position; say how they are read."""
        own = (row.row for row in examples.files if isinstance(row, HeldRow))
        places, rows = np.fromiter(own, np.int64), self.rows
        store = ShardFeatures(self.plan, rows.shard[places], rows.row[places])
        way = "in memory"
        if not store.is_whole:
            way = (
                f"{store.together} of {self.plan.shards} shards in memory at a time, "
                "drawn and shuffled in each epoch"
            )
            _warn_of_few_classes(store, examples)
        size = store.bytes / 1e6
        console.note(f"features: {len(places)} rows, {size:,.0f} MB; {way}")
        return store

    def backbone(self) -> keras.Model | None:
        """Return the frozen backbone of the run that has computed the features."""
        name = self.plan.named.get("run")
        if name is None:
            return None
        try:
            run = run_dir.RunFolder(Path(name)).existing()
        except UserError as error:
            raise UserError(
                f"{FLAG} {self.plan.folder}: expected the run whose network computed "
                f"the features, {name}. {error}"
            ) from None
        model, _ = saving.load_classifier(run.model)
        backbone = classifier.backbone_of(model)
        backbone.trainable = False
        return backbone

    def check(self, model: keras.Model) -> None:
        """Refuse a network that has not computed the features; note other rules."""
        request = self.plan.request
        extractor, _ = classifier.split_classifier(model)
        digest = classifier.describe(extractor, frozen=True)[:24]
        if digest != request["network"]:
            raise UserError(
                f"{FLAG} {self.plan.folder}: expected the network that computed the "
                f"features, of digest {request['network']}. Received: {digest}. Its "
                "weights or the version of Keras have changed, or --model.* names "
                "another one. Embed the pictures again, or name that network."
            )
        now = image_io.RULES, [str(switch) for switch in arithmetic.switches()]
        if (request["decoding"], request["switches"]) != now:
            console.warn(
                f"{FLAG} {self.plan.folder}: computed with other rules of decoding or "
                "other switches of arithmetic than `predict` uses now: its features "
                "may differ a little. Embed the pictures again to be sure."
            )


def _warn_of_few_classes(store: ShardFeatures, examples: Examples) -> None:
    """Say that blocks have few of the classes, where shards are sorted by class."""
    source = examples.source
    if source.target not in targets.CLASSES or not len(source):
        return
    train = examples.of("train")
    shard, label = store.shard[train], source.label[train]
    pairs = np.unique(np.stack([shard, label]), axis=1).shape[1]
    classes, shards = len(np.unique(label)), len(np.unique(shard))
    most = store.together * pairs / shards
    if 2 * most <= classes:
        console.warn(
            f"{FLAG}: a block of {store.together} shards has pictures of about "
            f"{most:.0f} of {classes} classes, because pictures were embedded class by "
            "class. Training may be unsteady: embed them in random order (shuffle the "
            "lines of a list), or with a smaller --shard_images."
        )


def open_held(data: DataSettings) -> Held:
    """Return the features that `data.features` names, with their labels."""
    plan = reading.open_plan(Path(str(data.features)))
    rows = reading.rows(plan)
    return Held(plan, rows, Labels.of(plan, rows, data))
