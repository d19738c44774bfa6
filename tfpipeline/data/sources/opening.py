"""From the name that a user writes to the source that it means."""

import collections
import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tfpipeline.config import DataSettings
from tfpipeline.core import console
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, suggest, unknown
from tfpipeline.data.grouping import names
from tfpipeline.data.sources import class_map as maps
from tfpipeline.data.sources import drawn_world, listing
from tfpipeline.data.sources import targets as values
from tfpipeline.data.sources import tfrecord
from tfpipeline.data.sources.base import Source, check_names, check_several
from tfpipeline.data.sources.class_map import ClassMap
from tfpipeline.data.sources.csv_file import open_csv
from tfpipeline.data.sources.image_folder import inside, open_folder, open_named
from tfpipeline.data.sources.weights import has_column
from tfpipeline.demo import several

# Opens a source by its name, settings, and a folder for what is no file yet.
Opener = Callable[[str, DataSettings, Path], Source]


def _open_tfds(name: str, settings: DataSettings, cache: Path) -> Source:
    # Imported here: TensorFlow Datasets takes a second that few runs need.
    from tfpipeline.data.sources.tfds import open_tfds

    return open_tfds(name, cache, settings.tfds_dir)


# What tables have where there is no label.
_MISSING = ("nan", "<na>", "n/a", "#n/a", "null")

# Sources that are named by a word and a colon, as in `tfds:cats_vs_dogs`.
SCHEMES: dict[str, Opener] = {"tfds": _open_tfds, "demo": drawn_world.open_several}

# Where a folder's class names come from.
LABEL_FROM: dict[str, Callable[[Path, ClassMap], Source]] = {
    "folder": open_folder,
    "top": functools.partial(open_folder, is_sure=True),
    "file_name": lambda root, _: open_named(root),
}


def open_source(
    settings: DataSettings,
    cache: Path,
    draw: Callable[[Path], Path],
    also: ClassMap | None = None,
    *,
    single: bool = False,
    opened: Source | None = None,
) -> Source:
    """Return the examples of a source, by the name that the user wrote.

    Its classes have the names that `settings.classes` gives them. The map `also`, of a
    run, comes after that, and may name classes that the source does not have.
    One class is enough where it is `single`, else it is refused. What was `opened`
    before is not opened again; see `open_plain`.
    """
    if settings.features is not None:
        raise UserError(
            f"--data.features {settings.features}: only `train` learns from features "
            "without their pictures. Leave it out."
        )
    file = None if settings.classes is None else Path(settings.classes)
    own = ClassMap() if file is None else maps.read(file)
    names.check(settings.group_column, settings.group_from)
    targets.check(settings.target)
    source = opened
    if source is None:
        source = _open(settings, cache, draw, own.then(also or ClassMap()))
    if settings.target not in (None, source.target):
        leave = f"Leave {targets.FLAG} out"
        if source.name == "demo" and settings.target in several.SETS:
            leave = f"Say demo:{settings.target}, leave {targets.FLAG} out"
        raise UserError(
            f"{targets.FLAG} {settings.target}: {source.name} has the target "
            f"{source.target}. {leave}, or list the images in a CSV with a column of "
            "labels, numbers or shares."
        )
    if settings.label_columns is not None and not _is_table(settings.source):
        raise UserError(
            f"{values.COLUMNS} {settings.label_columns}: {source.name} is no CSV file, "
            f"so it has no columns. Leave {values.COLUMNS} out, or list path and "
            "labels in a CSV."
        )
    source = _with_groups(source, settings)
    where, before = f"{maps.FLAG} {file}", source.labels
    # Without a file, a single class is refused below in other words.
    least, by = 1 if single or file is None else 2, list[str]()
    if file is not None:
        maps.check_known(f"{where}: {source.name}", own, source.labels)
    _note_forms(source)
    kept = also or ClassMap()
    for class_map, reason in ((own, where), (kept, "the run's classes.csv")):
        given = source.labels
        source = source.with_classes(class_map, reason, least=least)
        by += [reason] if class_map.new and source.labels != given else []
    if by:
        _note_map(source, before, " and ".join(by))
    if not single:
        check_several(source, inside)
    check_names(source.name, source.labels)
    _warn_of_twins(source)
    _warn_of_no_labels(source)
    return source


def open_plain(
    settings: DataSettings, cache: Path, draw: Callable[[Path], Path]
) -> Source:
    """Return the examples of a source as it has them: nothing is renamed."""
    file = settings.classes
    own = ClassMap() if file is None else maps.read(Path(file))
    return _open(settings, cache, draw, own)


def _with_groups(source: Source, settings: DataSettings) -> Source:
    """Return a source whose examples have the groups that are asked for."""
    if settings.group_from is not None:
        found = names.from_ids(source.ids, settings.group_from)
        return dataclasses.replace(source, group=found)
    if settings.group_column is not None and not source.group:
        raise UserError(
            f"{names.COLUMN} {settings.group_column}: {source.name} is no CSV file, "
            f"so it has no columns. Say {names.PATTERN} PATTERN, a regular expression "
            "that finds the group in each path, or list path, label and group in a CSV."
        )
    return source


def _is_table(name: str) -> bool:
    """Tell whether a source is a CSV file, or a file that is none."""
    scheme, colon, _ = name.partition(":")
    is_named = name == "demo" or (colon and scheme in SCHEMES)
    return not is_named and Path(name).is_file() and not tfrecord.is_packed(Path(name))


def _note_forms(source: Source) -> None:
    """Say which names are the same text in two of Unicode's forms."""
    counts = collections.Counter(map(maps.canonical, source.labels))
    if twice := [name for name, count in counts.items() if count > 1]:
        console.warn_once(
            f"{source.name}: classes whose names are one text in two forms of Unicode "
            f"(NFC and NFD), each joined into one: {maps.shorten(twice)}"
        )


def _note_map(source: Source, before: Sequence[str], by: str) -> None:
    """Say what became of the classes of a source."""
    there = set(map(maps.canonical, before))
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for name, new in source.class_map.renamed.items():
        groups[new] += [name] if name in there else []
    words = [
        f"{', '.join(map(repr, old))} -> {new!r}" for new, old in groups.items() if old
    ]
    dropped = [repr(n) for n in source.class_map.dropped if n in there]
    words += [f"dropped: {maps.shorten(dropped)}"] if dropped else []
    if words and not console.is_quiet():
        console.warn_once(
            f"{source.name}, by {by}: {len(source.labels)} classes of {len(before)}, "
            f"{len(source)} images; " + maps.shorten(words, between="; ")
        )


def _warn_of_twins(source: Source) -> None:
    """Name classes that differ in letter case or spaces alone, or as 0 and 0.0 do."""
    groups = collections.defaultdict(list)
    for label in source.labels:
        key = re.sub(r"[\s_-]+", " ", label.casefold())
        if re.fullmatch(r"\d+(\.0*)?", key):  # As tables write whole numbers.
            key = key.partition(".")[0].lstrip("0")
        groups[key].append(label)
    if twins := [group for group in groups.values() if len(group) > 1]:
        named = "; ".join(" and ".join(map(repr, group)) for group in twins[:3])
        name = min(reversed(twins[0]), key=len)
        rows = [(other, name) for other in twins[0] if other != name]
        lines = maps.as_lines([maps.HEADER[:2], *rows])
        if source.target != targets.SINGLE:
            console.warn_once(
                f"{source.name}: classes that may be one: {named}. Where they are, "
                f"write them alike in the source, e.g. {name!r}"
            )
            return
        console.warn_once(
            f"{source.name}: classes that may be one: {named}. Where they are, join "
            f"them: {maps.FLAG} FILE, with a line for each, as in\n  "
            + "\n  ".join(lines)
        )


def _warn_of_no_labels(source: Source) -> None:
    """Name classes that are called as programs write a value that is missing."""
    for index, label in enumerate(source.labels):
        if label.casefold() in _MISSING and source.target == targets.MULTI:
            console.warn_once(
                f"{source.name}: class {label!r} may stand for labels that are "
                "missing. Where it does, leave it out in the source"
            )
        elif label.casefold() in _MISSING and source.target == targets.SINGLE:
            count = int((source.label == index).sum())
            (line,) = maps.as_lines([(label, "")])
            console.warn_once(
                f"{source.name}: class {label!r} ({count} images) may stand for labels "
                f"that are missing. Where it does, drop it: {maps.FLAG} FILE with the "
                f"header class,new and the line {line}"
            )


def _open(
    settings: DataSettings,
    cache: Path,
    draw: Callable[[Path], Path],
    class_map: ClassMap,
) -> Source:
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
    if listing.is_folder(path):
        if settings.label_from not in LABEL_FROM:
            raise unknown("--data.label_from", settings.label_from, LABEL_FROM)
        source = LABEL_FROM[settings.label_from](path, class_map)
        is_folder = settings.label_from != "file_name"
        if settings.target == targets.MULTI and is_folder:
            return values.merge_folders(source)
        return source
    if path.is_file():
        weight, usual = settings.weight_column, DataSettings().weight_column
        if weight and weight == usual and not has_column(path, weight):
            weight = None
        if settings.target not in (None, targets.SINGLE):
            return values.open_csv(path, settings, weight)
        if settings.label_columns is not None:
            raise UserError(
                f"{values.COLUMNS} {settings.label_columns}: expected with "
                f"{targets.FLAG} multi (0 or 1 in each column) or soft (shares)."
            )
        columns = settings.path_column, settings.label_column
        return open_csv(path, *columns, None, settings.group_column, weight)
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    raise UserError(
        f"--data.source {name}: no such file or folder. Expected: demo, demo:multi, "
        "demo:number, tfds:NAME, a folder of class folders, or a CSV file."
        + suggest(path.name, [*(entry.name for entry in beside), "demo"])
    )
