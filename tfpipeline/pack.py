"""VERB: from a source to TFRecord shards, which are a source as well."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from tfpipeline import atomic, cli, staging, terminal
from tfpipeline.config import PackSettings, with_source
from tfpipeline.errors import UserError


def pack(settings: PackSettings) -> dict[str, Any]:
    """Write a source into few large files, for many images and for many workers."""
    if settings.output is None:
        raise UserError("--output: expected a new folder for the shards.")
    output = Path(settings.output)
    atomic.check_writable(output)
    if settings.shard_megabytes < 1:
        raise UserError(
            "--shard_megabytes: expected a positive number. Received: "
            f"{settings.shard_megabytes}."
        )
    with cli.quiet_start():
        import tensorflow  # noqa: F401

        from tfpipeline.data import packed, preparation
        from tfpipeline.demo.source import drawer
    staging.recover(output)
    packed.check_target(output, overwrite=settings.overwrite)
    cache = cli.cache_folder(settings.cache_dir)
    data = with_source(settings.data, settings.source)
    examples = preparation.open_all(data, cache, drawer(data))
    source, files = examples.source, examples.files

    def write_more(folder: Path) -> None:
        file = folder / "quarantine.csv"
        preparation.write_quarantine(file, examples.quarantined)

    size = settings.shard_megabytes * 1_000_000
    shards = packed.pack(source, files, output, size, write_more)
    size = sum(shard.stat().st_size for shard in shards)
    left = len(examples.quarantined)
    words = (
        f"Packed {len(source)} images of {len(source.labels)} classes into "
        f"{_counted(shards)} of {size / 1e6:.1f} MB in all"
        f"{f'; {left} unusable files were left out' if left else ''}."
    )
    then = f"Next: python -m tfpipeline.train --data.source {shlex.quote(str(output))}"
    terminal.close(terminal.Closing([words], look=output, then=[then]))
    result = {"images": len(source), "shards": len(shards), "bytes": size}
    return result | {"written": terminal.written(output, None)}


def _counted(shards: list[Path]) -> str:
    return "1 shard" if len(shards) == 1 else f"{len(shards)} shards"


if __name__ == "__main__":
    sys.exit(cli.main(pack, PackSettings))
