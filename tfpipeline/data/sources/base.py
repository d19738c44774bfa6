"""Where examples come from: every source becomes a list of files with class names."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfpipeline.core import console
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import class_values
from tfpipeline.data.sources.class_map import ClassMap
from tfpipeline.data.sources.columns import taken

SPLITS = ("train", "validation", "test")

# Between the labels of an example that has several, and what has none is called.
BETWEEN, NO_LABEL = "|", "(no label)"

# Columns beside those of the classes in files of predictions of several labels.
RESERVED = (
    *("id", "split", "label", "labels", "predicted", "wrong", "loss", "fold"),
    *("probability", "probabilities", "novelty", "known", "known_reason", "error"),
)

# What a split may be called, in any letter case.
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}


# What stands beside that in names such as `training_set`, `seg_train` or `TrainData`.
_AROUND = {"data", "images", "image", "img", "imgs", "seg", "split"}


def split_of(name: str) -> str | None:
    """Return the split that a folder is called by, or None."""
    split, others = _parted(name)
    return None if others else split


def _parted(name: str) -> tuple[str | None, frozenset[str]]:
    """Return the one split that a name has among its words, and the words beside."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    # A set of images is called like the images: `trainset`, `train_set`, `dataset`.
    words = {w.removesuffix("set") for w in re.split(r"[\W\d_]+", parted)} - {""}
    splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    others = words - set(SPLIT_NAMES) - _AROUND
    return splits.pop() if len(splits) == 1 else None, frozenset(others)


def splits_of(names: Sequence[str]) -> dict[str, str | None]:
    """Return the splits that folders beside each other are called by, or None.

    As `split_of`; besides, names that have the same other words in common, as in
    `asl_alphabet_train` beside `asl_alphabet_test`.
    """
    parted = {name: _parted(name) for name in names}
    together: dict[frozenset[str], set[str]] = {}
    for split, others in parted.values():
        together.setdefault(others, set()).update({split} if split else ())
    several = {
        o for o, found in together.items() if "train" in found and found > {"train"}
    }
    return {
        name: split if not others or others in several else None
        for name, (split, others) in parted.items()
    }


@dataclass(frozen=True)
class Source:
    """Examples: files, their classes, and the split that the source gives them.

    Args:
        name: What the user wrote, for messages.
        labels: Class names, in the order of the logits.
        paths: One file an example.
        ids: A stable name of each example, unique within the source.
        label: Index into `labels` of each example, int32, shape (n,).
        split: `train`, `validation`, `test`, or an empty string where the source does
            not say, one an example.
        spans: Offset and length in bytes of each example within its file; empty where
            every file is one example.
        class_map: From the names that the source itself has to `labels`.
        dropped: Ids of the examples whose class was dropped.
        group: What each example belongs to, empty where that is not known; of no
            length where nothing was said of groups.
        weight: What each example counts, positive and finite; of no length where all
            count 1.
        target: What is to be learned: one of `core.target.TARGETS`. Where it is not
            `single`, `label` is the stratum of each example alone: an index into
            `strata`.
        values: What is to be learned, float32: of `multi` 0 or 1 for each class, of
            `soft` the shares of the classes, of `number` the number, shape (n, 1);
            None of `single`.
    """

    name: str
    labels: tuple[str, ...]
    paths: Sequence[Path]
    ids: Sequence[str]
    label: np.ndarray
    split: tuple[str, ...]
    spans: tuple[tuple[int, int], ...] = ()
    class_map: ClassMap = field(default_factory=ClassMap)
    dropped: frozenset[str] = frozenset()
    group: tuple[str, ...] = ()
    weight: tuple[float, ...] = ()
    target: str = targets.SINGLE
    values: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: np.ndarray) -> "Source":
        """Return the source with only the examples at `indices`, in their order."""
        return dataclasses.replace(
            self,
            paths=taken(self.paths, indices),
            ids=taken(self.ids, indices),
            label=self.label[indices],
            split=tuple(self.split[i] for i in indices),
            spans=tuple(self.spans[i] for i in indices) if self.spans else (),
            group=tuple(self.group[i] for i in indices) if self.group else (),
            weight=tuple(self.weight[i] for i in indices) if self.weight else (),
            values=None if self.values is None else self.values[indices],
        )

    @property
    def strata(self) -> tuple[str, ...]:
        """What the values of `label` are called: classes, or ranges of a number."""
        if self.target == targets.MULTI:
            return (*self.labels, NO_LABEL)
        if self.target != targets.NUMBER or self.values is None:
            return self.labels
        parts = by_stratum(self.values[:, 0], self.label)
        return tuple(_span(self.labels[0], part) for part in parts)

    def said(self, index: int) -> str:
        """Return in words what is to be learned of an example: `cat`, `cat|dog`, `3`.

        Of shares it is the class with the largest one.
        """
        if self.values is None or self.target == targets.SOFT:
            return self.labels[self.label[index]]
        if self.target == targets.NUMBER:
            return f"{self.values[index, 0]:.9g}"
        return BETWEEN.join(self.labels[k] for k in np.flatnonzero(self.values[index]))

    def with_classes(
        self, class_map: ClassMap, reason: str = "", *, least: int = 2
    ) -> "Source":
        """Return the examples of the classes that are left, by their new names.

        Where a name changes, classes stand in the order of their names, as if their
        folders were called so. The `reason` is why classes are dropped; fewer than the
        `least` are refused. An example of several labels stays whichever are dropped.
        """
        if self.target == targets.NUMBER:
            if class_map.new:
                raise targets.undefined(
                    *(self.target, reason or "--data.classes"),
                    "Classes cannot be renamed, joined or dropped there: edit the "
                    "columns or labels of the source.",
                )
            return self
        least = 1 if self.target == targets.MULTI else least
        class_map = class_map.resolve(self.labels, reason)
        names = [class_map.name(label) for label in self.labels]
        changed = dataclasses.replace(self, class_map=self.class_map.then(class_map))
        if names == list(self.labels):
            return changed
        labels = tuple(sorted({name for name in names if name is not None}))
        if len(labels) < least:
            count = "one class that is" if least == 1 else "two classes that are"
            raise UserError(
                f"{self.name}: expected at least {count} not dropped. Left: "
                f"{', '.join(labels) or 'none'}. {reason} drops too many."
            )
        place = {name: i for i, name in enumerate(labels)}
        index = np.array([-1 if n is None else place[n] for n in names], np.int32)
        if self.values is not None:
            return changed._joined(labels, index.tolist(), reason)
        changed = dataclasses.replace(changed, labels=labels, label=index[self.label])
        stays = changed.label >= 0
        out = {self.ids[i] for i in np.flatnonzero(~stays).tolist()}
        left = changed.take(np.flatnonzero(stays)) if out else changed
        return dataclasses.replace(left, dropped=self.dropped | out)

    def _joined(
        self, labels: Sequence[str], place: Sequence[int], reason: str
    ) -> "Source":
        """Return the same examples with the values of classes that are left."""
        assert self.values is not None
        where = f"{self.name}, by {reason}"
        if self.target == targets.SOFT:
            class_values.check_shares(where, self.labels, self.values, place)
        for name in labels if self.target == targets.MULTI else ():
            if BETWEEN in name or name in (NO_LABEL, *RESERVED):
                raise UserError(
                    f"{where}: expected a new name without {BETWEEN!r}, and none of "
                    f"{', '.join((NO_LABEL, *RESERVED))}. Received: {name!r}."
                )
        given = self.target, self.values, place
        values = class_values.joined(*given, len(labels))
        none = int((~values.any(axis=1)).sum())
        if none > int((~self.values.any(axis=1)).sum()):
            console.warn_once(
                f"{where}: {none} of {len(self)} images have no label then; they stay, "
                "as images of none of the classes"
            )
        label = class_values.strata(self.target, values)
        names = tuple(labels)
        return dataclasses.replace(self, labels=names, values=values, label=label)

    def in_order(self, labels: Sequence[str]) -> "Source":
        """Return the same examples with the classes in another order."""
        place = {name.casefold(): i for i, name in enumerate(labels)}
        return self.among(labels, [place[n.casefold()] for n in self.labels])

    def among(self, labels: Sequence[str], place: Sequence[int]) -> "Source":
        """Return the same examples with the classes at other places among `labels`."""
        mapped, values = np.array(place, np.int32), self.values
        if self.target == targets.MULTI:
            # What has no label has the stratum behind the classes.
            mapped = np.append(mapped, np.int32(len(labels)))
        if values is not None:
            values = np.zeros((len(self), len(labels)), np.float32)
            values[:, np.array(place, int)] = self.values
        return dataclasses.replace(
            self, labels=tuple(labels), label=mapped[self.label], values=values
        )


def by_stratum(numbers: np.ndarray, label: np.ndarray) -> list[np.ndarray]:
    """Divide numbers by their stratum."""
    count = int(label.max(initial=-1)) + 1
    return [numbers[label == index] for index in range(count)]


def _span(name: str, numbers: np.ndarray) -> str:
    if not len(numbers):
        return f"{name} (none)"
    low, high = f"{numbers.min():.4g}", f"{numbers.max():.4g}"
    return f"{name} {low}" if low == high else f"{name} {low} to {high}"


def check_labels(where: str, labels: Sequence[str], found: Callable[[], str]) -> None:
    """Refuse a source without classes."""
    if not labels:
        raise UserError(
            f"{where}: expected one folder of images a class, but {found()}. Put the "
            "images of each class into a folder that has the class's name."
        )


def check_several(source: Source, inside: Callable[[Path, str], str]) -> None:
    """Refuse a source of one class, where one of them is the answer.

    `inside` says what its folder holds.
    """
    if len(source.labels) == 1 and source.target in targets.CLASSES:
        raise UserError(
            f"{source.name}: expected at least two classes, but there is only "
            f"{source.labels[0]!r}. A classifier needs at least two."
            f"{inside(Path(source.name), source.labels[0])}"
        )


def from_rows(
    name: str, labels: Sequence[str], rows: Sequence[tuple[Path, str, int, str]]
) -> Source:
    """Return a source from rows of path, id, label index and split."""
    paths, ids, label, split = zip(*rows)
    if len(set(ids)) < len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise UserError(f"{name}: {twice!r} is listed more than once.")
    index = np.asarray(label, np.int32)
    return Source(name, tuple(labels), paths, ids, index, tuple(split))


def check_names(name: str, labels: Sequence[str]) -> None:
    """Refuse class names that no line of `labels.txt` can hold."""
    way = "Rename it, or give it another name by --data.classes."
    for text in labels:
        if re.search("[\ud800-\udfff]", text):
            raise UserError(
                f"{name}: {ascii(text)} cannot be a class name: it is not valid UTF-8. "
                f"{way}"
            )
        # Control characters, too: they would reach terminals, and change them.
        if re.search(r"[\x00-\x1f\x7f-\x9f]|^\s|\s$|^$", text):
            raise UserError(
                f"{name}: {text!r} cannot be a class name: expected one line without "
                f"spaces at its ends, and without control characters. {way}"
            )
