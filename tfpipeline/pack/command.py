"""From a source to TFRecord shards, which are a source as well."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from tfpipeline.config import PackSettings, with_source
from tfpipeline.core import console, file_io, staging, startup
from tfpipeline.core.errors import UserError
from tfpipeline.report.closing import closing


def pack(settings: PackSettings) -> dict[str, Any]:
    """Write a data set as TFRecord shards, for many images or many workers."""
    if settings.output is None:
        raise UserError("--output: expected a new folder for the shards.")
    output = Path(settings.output)
    file_io.check_writable(output)
    if settings.shard_megabytes < 1:
        raise UserError(
            "--shard_megabytes: expected a positive number. Received: "
            f"{settings.shard_megabytes}."
        )
    with startup.quiet_start():
        import tensorflow  # noqa: F401

        from tfpipeline.data import dataset
        from tfpipeline.data.sources import tfrecord
        from tfpipeline.data.sources.drawn_world import drawer
    staging.recover(output)
    tfrecord.check_target(output, overwrite=settings.overwrite)
    cache = startup.cache_folder(settings.cache_dir)
    data = with_source(settings.data, settings.source)
    examples = dataset.open_all(data, cache, drawer(data))
    source, files = examples.source, examples.files

    def write_more(folder: Path) -> None:
        file = folder / "quarantine.csv"
        dataset.write_quarantine(file, examples.quarantined)

    size = settings.shard_megabytes * 1_000_000
    shards = tfrecord.pack(source, files, output, size, write_more)
    size = sum(shard.stat().st_size for shard in shards)
    result = {"images": len(source), "shards": len(shards), "bytes": size}
    console.close(
        closing(
            "pack",
            output,
            result=result,
            classes=len(source.labels),
            unusable=len(examples.quarantined),
            quoted_folder=shlex.quote(str(output)),
        )
    )
    return result | {"written": console.written(output, None)}
