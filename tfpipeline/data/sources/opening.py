"""From the name that a user writes to the source that it means."""

import collections
import dataclasses
import functools
import re
from collections.abc import Callable
from pathlib import Path

from tfpipeline.config import DataSettings
from tfpipeline.core import console
from tfpipeline.core.errors import UserError, suggest, unknown
from tfpipeline.data.sources import tfrecord
from tfpipeline.data.sources.base import Source, check_several
from tfpipeline.data.sources.csv_file import open_csv
from tfpipeline.data.sources.image_folder import open_folder, open_named

# Opens a source by its name, settings, and a folder for what is no file yet.
Opener = Callable[[str, DataSettings, Path], Source]


def _open_tfds(name: str, settings: DataSettings, cache: Path) -> Source:
    # Imported here: TensorFlow Datasets takes a second that few runs need.
    from tfpipeline.data.sources.tfds import open_tfds

    return open_tfds(name, cache, settings.tfds_dir)


# Sources that are named by a word and a colon, as in `tfds:cats_vs_dogs`.
SCHEMES: dict[str, Opener] = {"tfds": _open_tfds}

# Where a folder's class names come from.
LABEL_FROM: dict[str, Callable[[Path], Source]] = {
    "folder": open_folder,
    "top": functools.partial(open_folder, is_sure=True),
    "file_name": open_named,
}


def open_source(
    settings: DataSettings,
    cache: Path,
    draw: Callable[[Path], Path],
    *,
    single: bool = False,
) -> Source:
    """Return the examples of a source, by the name that the user wrote.

    One class is enough where it is `single`, else it is refused.
    """
    source = _open(settings, cache, draw)
    if not single:
        check_several(source)
    _warn_of_twins(source)
    return source


def _warn_of_twins(source: Source) -> None:
    """Name classes that differ in letter case alone, or as 0 and 0.0 do."""
    groups = collections.defaultdict(list)
    for label in source.labels:
        key = label.casefold()
        if re.fullmatch(r"\d+\.0*", key):  # As tables write whole numbers.
            key = key.partition(".")[0]
        groups[key].append(label)
    if twins := [group for group in groups.values() if len(group) > 1]:
        named = "; ".join(" and ".join(map(repr, group)) for group in twins[:3])
        console.warn_once(
            f"{source.name}: classes that may be one: {named}. Where they are, give "
            "them one name"
        )


def _open(settings: DataSettings, cache: Path, draw: Callable[[Path], Path]) -> Source:
    name = settings.source
    if not name:
        raise UserError("--data.source: expected a source, received an empty text.")
    if name == "demo":
        return dataclasses.replace(open_folder(draw(cache)), name="demo")
    scheme, colon, _ = name.partition(":")
    if colon and scheme in SCHEMES:
        return SCHEMES[scheme](name, settings, cache)
    path = Path(name)
    if tfrecord.is_packed(path):
        return tfrecord.open_packed(path)
    if path.is_dir():
        if settings.label_from not in LABEL_FROM:
            raise unknown("--data.label_from", settings.label_from, LABEL_FROM)
        return LABEL_FROM[settings.label_from](path)
    if path.is_file():
        return open_csv(path, settings.path_column, settings.label_column)
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    raise UserError(
        f"--data.source {name}: no such file or folder. Expected: demo, tfds:NAME, a "
        "folder of class folders, or a CSV file."
        + suggest(path.name, [*(entry.name for entry in beside), "demo"])
    )
