"""What is audited: a data set, or pictures that have no classes."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tfpipeline.config import DataSettings
from tfpipeline.core import remote
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import opening, pictures
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.pictures import Picture

# What is said of pictures that have none.
NO_CLASS = "(no classes)"

_FLAG = "--source"


def open_source(
    data: DataSettings, cache: Path, draw: Callable[[Path], Path]
) -> Source:
    """Return the examples of a source, or pictures as examples of one class.

    Raises:
        UserError: There is no such source, or it cannot be read.
    """
    if not is_pictures(data.source):
        return opening.open_source(data, cache, draw)
    _refuse_features(data)
    found = [*_named(data.source)]
    return Source(
        remote.shown(data.source),
        (NO_CLASS,),
        tuple(Path(picture.path) for picture in found),
        tuple(picture.id for picture in found),
        np.zeros(len(found), np.int32),
        ("",) * len(found),
    )


def listed(
    data: DataSettings, cache: Path, draw: Callable[[Path], Path]
) -> Iterator[Picture]:
    """Return the pictures of a source as a plan has them, by the names of its examples.

    Those without classes are not held in memory.
    """
    if is_pictures(data.source):
        _refuse_features(data)
        return map(_located, _named(data.source))
    source = open_source(data, cache, draw)
    spans = source.spans or ((0, 0),) * len(source)
    examples = zip(map(os.fspath, source.paths), spans, source.ids)
    return (_located(Picture(path, *span, name)) for path, span, name in examples)


def _refuse_features(data: DataSettings) -> None:
    if data.features is not None:
        raise UserError(
            f"--data.features {data.features}: only `train` learns from features "
            "without their pictures. Leave it out."
        )


def _named(word: str) -> Iterator[Picture]:
    for picture in pictures.walk([word], _FLAG):
        _check(picture.path)
        yield picture


def _located(picture: Picture) -> Picture:
    """Return a picture with its whole path, and the name that it had."""
    path = remote.absolute(picture.path)
    return picture._replace(path=path, name="" if picture.id == path else picture.id)


def is_pictures(word: str) -> bool:
    """Tell whether a word names pictures, which no folder or table gives a class."""
    if remote.is_remote(word):
        return True
    if word.partition(":")[0] in opening.SCHEMES and ":" in word:
        return False
    path = Path(word)
    if path.suffix.lower() == ".txt":
        return path.is_file()
    return any(letter in word for letter in "*?[") and not path.exists()


def _check(path: str) -> None:
    """Refuse a URL that `pathlib` cannot hold, as a CSV does."""
    if remote.is_remote(path) and remote.url(Path(path)) != path:
        raise UserError(
            f"{_FLAG}: expected URLs with a host, or of files here, and without empty "
            f"parts. Received: {remote.shown(path)}. Write one slash between two "
            "names; hdfs://HOST:PORT/..., file:///..."
        )


def places(source: Source) -> Sequence[tuple[str, int]]:
    """Return of each example its whole path, and where it begins in that file."""
    spans = source.spans or ((0, 0),) * len(source)
    return [(remote.absolute(p), start) for p, (start, _) in zip(source.paths, spans)]


def reading(data: DataSettings) -> dict[str, object]:
    """Return the settings by which a source has the pictures that it has."""
    usual = dataclasses.asdict(DataSettings())
    given = dataclasses.asdict(data)
    table = [given["classes"]] if given["classes"] else []
    return {
        **{n: given[n] for n in _READING if given[n] != usual[n]},
        **({"classes": os.path.abspath(table[0])} if table else {}),
    }


_READING = (
    *("target", "path_column", "label_column", "label_columns", "weight_column"),
    *("label_from", "tfds_dir", "demo_per_class", "demo_seed"),
)
