"""The converted network beside the record of its trial, for the next process."""

import contextlib
import hashlib

from tfpipeline.core import file_io, startup
from tfpipeline.core.errors import UserError
from tfpipeline.models.engines import litert, trial
from tfpipeline.models.engines.trial import Run


def keep(kept: trial.Kept, content: bytes) -> None:
    """Keep a converted network, where that can be, and its digest in the record."""
    kept.record.digest = hashlib.sha256(content).hexdigest()
    with contextlib.suppress(OSError, UserError):
        file_io.write_bytes(kept.converted, content, durable=False)


def of(kept: trial.Kept) -> litert.LiteRT | None:
    """Return the converted network that was checked before, if it is there."""
    with contextlib.suppress(OSError):
        content = kept.converted.read_bytes()
        if hashlib.sha256(content).hexdigest() == kept.record.digest:
            with startup.quiet_start(keras=False):
                return litert.LiteRT(content)
    return None


def maps(kept: trial.Kept) -> Run | None:
    """Return what makes the maps that are pooled, by a network that is kept."""
    run = of(kept)
    return run.maps if run is not None and run.has_maps else None
