"""TensorFlow Datasets as files: written out once, then a source like any other."""

import contextlib
import dataclasses
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfpipeline.core import disk, file_io, image_formats, progress, staging
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.data.sources.base import SPLIT_NAMES, Source
from tfpipeline.data.sources.csv_file import open_csv

_NAME = re.compile(r"tfds:(?P<name>[\w/.+-]+)(:(?P<split>[\w\[\]:%+-]+))?")

# What the splits of common datasets are called, and what they are for here.
_SPLITS = {n: SPLIT_NAMES[n] for n in ("train", "validation", "val", "test")}


def open_tfds(name: str, cache: Path, data_dir: str | None) -> Source:
    """Return the examples of a dataset of TensorFlow Datasets.

    Its encoded images are written once below `cache`, byte by byte as they are, with an
    index; the next run reads those files.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UserError(
            f"--data.source {name}: expected tfds:NAME or tfds:NAME:SPLIT, e.g. "
            "tfds:oxford_iiit_pet or tfds:cats_vs_dogs:train[:10%]."
        )
    builder = _builder(match["name"], data_dir)
    keys = _keys(name, builder)
    labels = tuple(builder.info.features[keys[0]].names)
    title = f"{builder.info.full_name}-{match['split'] or ''}-{_digest(builder)}"
    folder = cache / "tfds" / re.sub(r"[^\w.+-]", "_", title)
    index = folder / "index.csv"
    if not index.is_file():
        with staging.beside(folder) as staged:
            rows = [
                (os.fspath(file), file, labels[label], split)
                for part, split in _parts(builder, match["split"]).items()
                for file, label in _export(builder, name, part, keys, staged)
            ]
            header = ("id", "path", "label", "split")
            file_io.write_csv(staged / "index.csv", header, rows)
            disk.sync_all(staged)
            # Another run may have been faster: then its files are as good.
            with contextlib.suppress(OSError):
                os.replace(staged, folder)
    return dataclasses.replace(open_csv(index, labels=labels), name=name)


def _builder(name: str, data_dir: str | None) -> Any:
    """Return a prepared builder: from files that are there, else by downloading."""
    import tensorflow_datasets as tfds

    if data_dir is not None and (Path(data_dir) / "dataset_info.json").is_file():
        builder = tfds.builder_from_directory(data_dir)
        if builder.name != name.partition("/")[0].partition(":")[0]:
            raise UserError(
                f"--data.source tfds:{name}: {data_dir} holds {builder.name}. Say "
                f"tfds:{builder.name}, or name another --data.tfds_dir."
            )
        return builder
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, ValueError) as error:
        known = suggest(name, tfds.list_builders(with_community_datasets=False))
        raise UserError(
            f"--data.source tfds:{name}: TensorFlow Datasets knows no such dataset."
            f"{known} ({_first_line(error)})"
        ) from None
    if (Path(builder.data_dir) / "dataset_info.json").is_file():
        return builder
    # Without a network it would try for minutes, with warnings.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    with contextlib.suppress(ImportError):
        from tensorflow_datasets.core.download import downloader

        downloader.MAX_RETRIES = 3
    try:
        builder.download_and_prepare()
    except Exception as error:  # Whatever network, checksum or archive brings.
        raise UserError(
            f"--data.source tfds:{name}: it is not in {builder.data_dir}, and it could "
            f"not be downloaded: {_first_line(error)}. Prepare it on a machine with a "
            "network, copy the folder here and name its parent by --data.tfds_dir; or "
            "point --data.source at a folder of class folders."
        ) from None
    return builder


def _digest(builder: Any) -> str:
    """Return what tells prepared data from others of the same name and version.

    Names of classes, labels and images may be mended under the same description: a file
    counts as another one by what the scan of files goes by, its size and its two times.
    """
    folder = os.path.abspath(builder.data_dir)
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    states = [(file, os.stat(file)) for file in files]
    facts = [(str(f), s.st_size, s.st_mtime_ns, s.st_ctime_ns) for f, s in states]
    text = repr((folder, facts)).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:12]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _keys(name: str, builder: Any) -> tuple[str, str]:
    """Return the names of the features that hold the class and the image."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    labels = [k for k, v in features.items() if isinstance(v, tfds.features.ClassLabel)]
    pictures = [k for k, v in features.items() if isinstance(v, tfds.features.Image)]
    if not labels or not pictures:
        raise UserError(
            f"--data.source {name}: expected images with class labels, found "
            f"{', '.join(features)}. Choose a dataset for image classification."
        )
    supervised = builder.info.supervised_keys
    if supervised and supervised[1] in labels and supervised[0] in pictures:
        return supervised[1], supervised[0]
    return ("label" if "label" in labels else labels[0]), pictures[0]


def _parts(builder: Any, split: str | None) -> dict[str, str]:
    """Return what is written: a split by its role here, labelled ones where None."""
    splits = {name: _SPLITS[name] for name in builder.info.splits if name in _SPLITS}
    if split or "train" not in splits:
        return {split or next(iter(builder.info.splits)): ""}
    return splits


def _export(
    builder: Any, name: str, split: str, keys: tuple[str, str], folder: Path
) -> Iterator[tuple[Path, int]]:
    """Write every image of a split; yield its path and label."""
    import tensorflow_datasets as tfds

    label_key, image_key = keys
    try:
        examples = builder.as_dataset(
            split=split, decoders={image_key: tfds.decode.SkipDecoding()}
        )
    except (ValueError, KeyError) as error:
        raise UserError(
            f"--data.source {name}: expected a split of "
            f"{', '.join(builder.info.splits)}. ({_first_line(error)})"
        ) from None
    total, part = int(examples.cardinality()), Path(re.sub(r"\W", "_", split))
    (folder / part).mkdir(parents=True, exist_ok=True)
    shown = progress.over(examples, f"write {split}", "image", total)
    for number, example in enumerate(shown):
        data, label = example[image_key].numpy(), int(example[label_key])
        # TFDS gives -1 where the label is not known.
        if label >= 0:
            file = part / f"{number:07d}.{image_formats.sniff(data) or 'bin'}"
            (folder / file).write_bytes(data)
            yield file, label
