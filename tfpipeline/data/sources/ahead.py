"""Looks at files while another process is still importing TensorFlow."""

import os
import time
from pathlib import Path

from tfpipeline.config import DataSettings
from tfpipeline.core import console, remote
from tfpipeline.data import scan
from tfpipeline.data.sources import drawn_world
from tfpipeline.data.sources.opening import open_plain

# How long, at most; and how many files at a time.
_SECONDS, _TOGETHER = 1.5, 128


def look(settings: DataSettings, cache: Path) -> None:
    """Look at the first files of a folder or a table, and keep what they are.

    `scan.audit` then finds it in the cache. Nothing is said: whoever needs the files
    opens the source once more, and looks at the others.

    Args:
        settings: The source, and how many pixels a picture may have.
        cache: The folder that commands share.
    """
    name = settings.source
    if name in ("", "demo") or remote.is_remote(name) or not Path(name).exists():
        return
    if "TF_CONFIG" in os.environ:
        return  # Workers look at a part of the files each.
    until = time.monotonic() + _SECONDS
    with console.set_mode(quiet=True, as_json=False):
        source = open_plain(settings, cache, drawn_world.drawer(settings))
        for start in range(0, len(source), _TOGETHER):
            if time.monotonic() > until:
                return
            part = slice(start, start + _TOGETHER)
            files, limit = (source.paths[part], source.spans[part]), settings.max_pixels
            scan.audit(*files, cache=cache, max_pixels=limit, joins=False)
