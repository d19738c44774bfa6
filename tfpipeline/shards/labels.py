"""Which rows of features are examples of what: by their ids, or by a source.

Class folders in the ids are read by the rules of folders of pictures. Of a folder
without anything that these rules look at, one file stands for all: a million ids need
no object each.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tfpipeline.config import DataSettings
from tfpipeline.core import console, remote
from tfpipeline.core.errors import UserError
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import columns, image_folder, listing, tfrecord
from tfpipeline.data.sources.base import SPLITS, Source
from tfpipeline.data.sources.columns import Column
from tfpipeline.data.sources.opening import open_plain, open_source
from tfpipeline.shards.plan import Plan
from tfpipeline.shards.reading import FLAG, Rows

Draw = Callable[[Path], Path]

# In the order of a source: what has no split of its own comes first.
_SPLITS = ("", *SPLITS)


class HeldRow(Row):
    """What is known of a picture that was not looked at, and of its features.

    Args:
        path: Of the picture.
        sha256: Digest of its file.
        reason: Why it has no features; an empty string where it has.
        row: Place of its row among all rows of the folder; -1 where it has none.
        offset: Where the picture begins in its file.
        length: Of it in bytes; 0 is the whole file.
    """

    row: int

    def __init__(
        self,
        path: str,
        sha256: str,
        reason: str,
        row: int,
        offset: int = 0,
        length: int = 0,
    ) -> None:
        # All else has the value that the class has: a third of the memory.
        put = object.__setattr__
        put(self, "path", path)
        put(self, "sha256", sha256)
        put(self, "row", row)
        if reason:
            put(self, "reason", reason)
        if length:
            put(self, "offset", offset)
            put(self, "length", length)


@dataclasses.dataclass(frozen=True)
class Labels:
    """The rows of a folder, and the source of their labels.

    Args:
        plan: Of the folder.
        rows: Of all shards.
        data: How the source is read.
        is_given: Whether the user has named it.
    """

    plan: Plan
    rows: Rows
    data: DataSettings
    is_given: bool = True

    @classmethod
    def of(cls, plan: Plan, rows: Rows, data: DataSettings) -> "Labels":
        """Return labels by the user's settings; without a source, by the ids."""
        labels = cls(plan, rows, dataclasses.replace(data, features=None))
        if data.source == DataSettings().source:
            own = dataclasses.replace(labels.data, source=labels._root())
            console.note(f"labels: {own.source}, by the ids of the features")
            return dataclasses.replace(labels, data=own, is_given=False)
        return labels

    def open(self, cache: Path, draw: Draw) -> tuple[Source, Sequence[Row]]:
        """Return the labelled examples, and what is known of each one's picture.

        What has a label and no features has a reason; what has no label is told.
        """
        for root in (os.path.abspath(self.data.source), self._path(self.data.source)):
            is_file = self.is_given and os.path.isfile(root)
            if is_file or tfrecord.is_packed(Path(root)):
                break
            below = np.array(
                [self._path(n).startswith(f"{root}{os.sep}") for n in self.rows.ids]
            )
            if below.any():
                return self._by_folders(root, np.flatnonzero(below), cache, draw)
        else:
            if not self.is_given:
                raise self._flat(self.data.source)
        source = open_source(self.data, cache, draw)
        spans = source.spans or [(0, 0)] * len(source)
        paths = [str(path) for path in source.paths]
        return source, self._known(source, self._find(source), paths, *zip(*spans))

    def _path(self, name: str) -> str:
        """Return where a picture was that is called so, as `Path` writes it."""
        if not remote.is_remote(name) and not os.path.isabs(name):
            # Named in a list, or packed: where that is, for its folders are asked for.
            word, *more = self.plan.request["images"]
            above = os.path.dirname(word) if word.endswith((".csv", ".txt")) else word
            inside = str(self.plan.folder) if more else above
            name = os.path.join(self.plan.request.get("working_folder", inside), name)
        return str(Path(name))

    def _root(self) -> str:
        """Return the folder whose folders are the classes."""
        words = self.plan.request["images"]
        folders = {os.path.dirname(name) for name in self.rows.ids}
        try:
            shared = os.path.commonpath(map(self._path, folders))
        except ValueError:  # Of a store, and of the disk.
            shared = str(self.plan.folder)
        for word in words if len(words) == 1 else ():
            # Where it was embedded, whatever is called so here.
            working = self.plan.request.get("working_folder", os.curdir)
            if not remote.is_remote(word) and tfrecord.is_packed(Path(working, word)):
                return os.path.abspath(os.path.join(working, word))
            folder = self._path(word)
            if shared == folder or shared.startswith(folder + os.sep):
                return folder
        return shared

    def _by_folders(
        self, root: str, below: np.ndarray, cache: Path, draw: Draw
    ) -> tuple[Source, Sequence[Row]]:
        """Return the rows below a folder as examples of its folders."""
        ids, start = self.rows.ids, len(root) + 1
        names = [self._path(ids[place])[start:] for place in below]
        is_named = self.data.label_from == "file_name"
        if not is_named and not any("/" in name for name in names):
            raise self._flat(root)
        data = dataclasses.replace(self.data, source=root)
        folder, first, is_plain = _folders(names)
        if is_named:
            is_plain[:] = False
        is_listed = ~is_plain[folder]
        is_listed[first] = True
        listed = np.flatnonzero(is_listed)
        with listing.of_names(Path(root), (names[i] for i in listed)):
            small = open_plain(data, cache, draw)
            place = {name: i for i, name in enumerate(small.ids)}
            like = np.full(len(names), -1, np.int64)
            like[listed] = [place.get(names[i], -1) for i in listed]
            like = np.where(is_plain[folder], like[first][folder], like)
            every, order = _like(small, names, like, root, by_class=not is_named)
            source = open_source(data, cache, draw, opened=every)
        own = below[order]
        if source.dropped:
            own = own[[name not in source.dropped for name in every.ids]]
        paths = Column(lambda name: f"{root}/{name}", source.ids)
        return source, self._known(source, own, paths)

    def _flat(self, root: str) -> UserError:
        """Return the error for ids that are in no class folder."""
        return UserError(
            f"{FLAG} {self.plan.folder}: expected ids like {root}/CLASS/1.jpg, whose "
            f"folders are the classes. Received: {self.rows.ids[0]!r}. Give the "
            "labels: --data.source FILE.csv, with the columns path and label."
        )

    def _find(self, source: Source) -> np.ndarray:
        """Return the row of each example, -1 where it has none."""
        place = {name: i for i, name in enumerate(self.rows.ids)}
        for i, name in enumerate(self.rows.ids):
            place.setdefault(self._path(name), i)

        def find(name: str, path: str) -> int:
            for key in (name, path):
                if key in place:
                    return place[key]
            return place.get(os.path.abspath(path), -1)

        pairs = zip(source.ids, map(str, source.paths))
        return np.array([find(*pair) for pair in pairs], np.int64)

    def _known(
        self,
        source: Source,
        places: np.ndarray,
        paths: Sequence[str],
        *spans: Sequence[int],
    ) -> Sequence[Row]:
        """Return what is known of examples by their rows; say which have no label."""
        ids, digests, errors, *_ = self.rows
        used = np.zeros(len(ids), bool)
        used[places[places >= 0]] = True
        if len(left := np.flatnonzero(~used)):
            console.warn_once(
                f"{FLAG} {self.plan.folder}: {len(left)} of {len(used)} rows have no "
                f"label in {source.name} and are not used, e.g. {ids[left[0]]}"
            )
        missing = f"no features: {self.plan.folder} has no row of that id"

        def known(path: str, place: int, *span: int) -> Row:
            if place < 0:
                return HeldRow(path, "", missing, -1, *span)
            return HeldRow(path, digests[place], errors.get(place, ""), place, *span)

        return Column(known, paths, places, *spans)


def _folders(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the folder of each name, by number; the first name of each folder.

    And whether it is plain: nothing in it but pictures of one kind of name.
    """
    number: dict[str, int] = {}
    folder = np.array(
        [number.setdefault(n.rpartition("/")[0], len(number)) for n in names], np.int64
    )
    is_plain = np.ones(len(number), bool)
    for name, own in zip(names, folder.tolist()):
        if is_plain[own] and image_folder.is_special(name.rpartition("/")[2]):
            is_plain[own] = False
    for name in list(number):
        # Pictures beside folders may be in no class.
        while name:
            name = name.rpartition("/")[0]
            if name in number:
                is_plain[number[name]] = False
    return folder, np.unique(folder, return_index=True)[1], is_plain


def _like(
    small: Source, names: Sequence[str], like: np.ndarray, root: str, *, by_class: bool
) -> tuple[Source, np.ndarray]:
    """Return examples that are each like one of a few, in the order of folders.

    Args:
        small: Those few.
        names: Of all files.
        like: Which of the few each is like; -1 is no example.
        root: The folder.
        by_class: Whether folders are the classes, which come one after the other.

    Returns:
        The source, and the places of its examples in `names`.
    """
    keys = columns.encoded([name.replace("/", "\x01") for name in names])
    order = np.flatnonzero(like >= 0)
    order = order[np.argsort(keys[order], kind="stable")]
    split = np.array([_SPLITS.index(name) for name in small.split], np.int64)
    for values in (small.label, split) if by_class else ():
        order = order[np.argsort(values[like[order]], kind="stable")]
    ids = columns.texts([names[i] for i in order.tolist()])
    every = dataclasses.replace(
        small,
        ids=ids,
        paths=Column(lambda name: Path(f"{root}/{name}"), ids),
        label=small.label[like[order]],
        split=tuple(_SPLITS[i] for i in split[like[order]].tolist()),
    )
    return every, order
