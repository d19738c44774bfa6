"""Looks at files while another process is still importing TensorFlow."""

import contextlib
import os
import time
from pathlib import Path

from tfpipeline.config import DataSettings
from tfpipeline.core import console, remote
from tfpipeline.data import scan
from tfpipeline.data.sources import drawn_world
from tfpipeline.data.sources.opening import open_plain

# Workers look at a part of the files each; see `distribute.cluster_env`.
_OF_WORKERS = "TF_CONFIG", "SLURM_STEP_NODELIST"

# How long, at most; how many files first, and how long a part of them should take.
_SECONDS, _FIRST, _PART_SECONDS = 1.5, 8, 0.2


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
    if any(variable in os.environ for variable in _OF_WORKERS):
        return
    until, draw = time.monotonic() + _SECONDS, drawn_world.drawer(settings)
    with contextlib.ExitStack() as stack:
        nothing = stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(contextlib.redirect_stderr(nothing))
        stack.enter_context(console.set_mode(quiet=True))
        source = open_plain(settings, cache, draw)
        done, size = 0, _FIRST
        while done < len(source) and (began := time.monotonic()) < until:
            paths = source.paths[done : done + size]
            if any(map(remote.is_remote, paths)):
                return  # They are read again in any case.
            given = paths, source.spans[done : done + size]
            limit = settings.max_pixels
            scan.audit(*given, cache=cache, max_pixels=limit, joins=False)
            done += size
            # A few large pictures take as long as many small ones.
            if time.monotonic() - began < _PART_SECONDS:
                size *= 2
