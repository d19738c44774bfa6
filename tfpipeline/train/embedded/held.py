"""The features of a folder, with the labels and the network that belong to them."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.core import console, image_io, remote, run_dir
from tfpipeline.core.errors import UserError
from tfpipeline.data import dataset
from tfpipeline.data.dataset import Examples
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import listing, tfrecord
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.opening import open_source
from tfpipeline.models import arithmetic, classifier, saving
from tfpipeline.models.shard_features import ShardFeatures
from tfpipeline.shards import reading
from tfpipeline.shards.plan import Plan
from tfpipeline.shards.reading import FLAG, Rows


class _Row(Row):
    """What is known of a picture that was not looked at, in a third of the memory."""

    def __init__(self, path: str, **known: Any) -> None:
        object.__setattr__(self, "path", path)
        for name, value in known.items():
            if value != getattr(Row, name):
                object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Held:
    """What `embed` has written.

    Args:
        plan: What was computed.
        rows: Of which pictures.
    """

    plan: Plan
    rows: Rows

    @functools.cached_property
    def _place(self) -> dict[str, int]:
        """The row of each picture, by its id and by its path."""
        place = {name: i for i, name in enumerate(self.rows.ids)}
        for i, name in enumerate(self.rows.ids):
            place.setdefault(self._path(name), i)
        return place

    def _path(self, name: str) -> str:
        """Return where a picture was that is called so, as `Path` writes it."""
        if not remote.is_remote(name):
            name = os.path.join(self.plan.request.get("working_folder", ""), name)
        return str(Path(name))

    def _find(self, source: Source) -> list[int]:
        """Return the row of each example, -1 where it has none."""
        place = self._place

        def find(name: str, path: str) -> int:
            for key in (name, path):
                if key in place:
                    return place[key]
            return place.get(os.path.abspath(path), -1)

        return [find(*pair) for pair in zip(source.ids, map(str, source.paths))]

    def settings(self, data: DataSettings) -> DataSettings:
        """Return settings that name the pictures, where the user names no source."""
        if data.source != DataSettings().source:
            return data
        return dataclasses.replace(data, source=self._root())

    def _root(self) -> str:
        """Return the folder whose folders are the classes."""
        words = self.plan.request["images"]
        paths = [self._path(name) for name in self.rows.ids]
        shared = os.path.commonpath(map(os.path.dirname, paths)) if paths else ""
        for word in words if len(words) == 1 else ():
            if tfrecord.is_packed(Path(word)):
                return str(word)
            folder = self._path(word)
            if shared == folder or shared.startswith(folder + os.sep):
                return folder
        return shared

    def examples(
        self, settings: RunSettings, cache: Path, draw: Callable[[Path], Path]
    ) -> Examples:
        """Return the labelled rows as examples; what has no features is bad."""
        data = dataclasses.replace(settings.data, features=None)
        source = self._open(data, cache, draw)
        places = self._find(source)
        self._note(source, places)
        rows = self._audit(source, places)
        return dataset.prepare(data, settings.seed, cache, draw, source, rows)

    def _open(
        self, data: DataSettings, cache: Path, draw: Callable[[Path], Path]
    ) -> Source:
        """Open the source of the labels; its folders are those of the ids."""
        for root in (os.path.abspath(data.source), self._path(data.source)):
            if os.path.isfile(root) or tfrecord.is_packed(Path(root)):
                break
            paths, start = map(self._path, self.rows.ids), len(root) + 1
            names = [p[start:] for p in paths if p.startswith(f"{root}{os.sep}")]
            if not names:
                continue
            if not any("/" in name for name in names):
                raise UserError(
                    f"{FLAG} {self.plan.folder}: expected ids like {root}/CLASS/1.jpg, "
                    f"whose folders are the classes. Received: {self.rows.ids[0]!r}. "
                    "Give the labels: --data.source FILE.csv, with the columns path "
                    "and label."
                )
            with listing.of_names(Path(root), names):
                return open_source(dataclasses.replace(data, source=root), cache, draw)
        return open_source(data, cache, draw)

    def _note(self, source: Source, places: Sequence[int]) -> None:
        """Say which rows have no label."""
        used = np.zeros(len(self.rows.ids), bool)
        used[[place for place in places if place >= 0]] = True
        if len(left := np.flatnonzero(~used)):
            console.warn_once(
                f"{FLAG} {self.plan.folder}: {len(left)} of {len(used)} rows have no "
                f"label in {source.name} and are not used, e.g. "
                f"{self.rows.ids[left[0]]}"
            )

    def _audit(self, source: Source, places: Sequence[int]) -> list[Row]:
        """Return what is known of each example's file: its digest, or why it is bad."""
        missing = f"no features: {self.plan.folder} has no row of that id"
        spans = source.spans or itertools.repeat((0, 0))
        return [
            _Row(
                str(path),
                sha256=self.rows.sha256[place] if place >= 0 else "",
                reason=self.rows.errors[place] if place >= 0 else missing,
                offset=offset,
                length=length,
            )
            for path, place, (offset, length) in zip(source.paths, places, spans)
        ]

    def store(self, examples: Examples) -> ShardFeatures:
        """Return the features of examples, by position; say how they are read."""
        places = np.array(self._find(examples.source), np.int64)
        rows = self.rows
        store = ShardFeatures(self.plan, rows.shard[places], rows.row[places])
        way = "in memory"
        if not store.is_whole:
            way = (
                f"{store.together} of {self.plan.shards} shards in memory at a time, "
                "drawn and shuffled in each epoch"
            )
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


def open_held(folder: str) -> Held:
    """Return the features that `data.features` names."""
    plan = reading.open_plan(Path(folder))
    return Held(plan, reading.rows(plan))
