"""Where the pairs of a study are kept, and what went wrong with those that failed."""

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfpipeline import __version__
from tfpipeline.config import ModelSettings, RunSettings, with_source
from tfpipeline.config.study import StudySettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.dataset import Examples
from tfpipeline.models import arithmetic, backbones
from tfpipeline.study import shot_counts
from tfpipeline.study.from_scratch import SCRATCH
from tfpipeline.study.networks import read_kept, read_word

# In a new version, pairs of an older one are computed again.
_VERSION = 5


@dataclass(frozen=True)
class PairFiles:
    """The files of pairs, in the folder that all workers share.

    A pair that is done is found by everything that its result depends on, and serves
    any study. One that failed is found by the study that it failed in, so that the
    other workers of that study know; whoever is to compute it tries again.
    """

    settings: StudySettings
    cache: Path

    def done(self, word: str, opened: Sequence[Examples]) -> Path:
        """Return where a pair of a network and the examples of each seed is kept."""
        own = dataclasses.replace(
            self.settings,
            sources=[],
            backbones=[word],
            output="",
            shots=shot_counts.normalize(self.settings.shots),
            workers=1,
            index=0,
            scratch=False,
            cache_dir=None,
            overwrite=False,
            data=with_source(self.settings.data, ""),
        )
        images = [_describe(examples) for examples in opened]
        # Networks by name have their weights for good.
        stamp = "" if word == SCRATCH else _stamp(read_word(word))
        computed = (own, stamp, images, *arithmetic.switches())
        return self._file(__version__, _VERSION, *computed)

    def trained(self, settings: RunSettings, examples: Examples) -> Path:
        """Return where it is kept what `train` reaches with some settings."""
        own = dataclasses.replace(
            settings, cache_dir=None, data=with_source(settings.data, "")
        )
        stamp = _stamp(settings.model)
        images = _describe(examples)
        computed = (own, stamp, images, *arithmetic.switches())
        return self._file("trained", __version__, _VERSION, *computed)

    def _failed(self, name: str, word: str) -> Path:
        # What the workers of a study have in common.
        study = dataclasses.replace(
            self.settings, index=0, cache_dir=None, overwrite=False
        )
        file = self._file("failed", __version__, _VERSION, study, name, word)
        return file.with_suffix(".failed.json")

    def _file(self, *parts: object) -> Path:
        digest = hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape"))
        return self.cache / "study" / f"{digest.hexdigest()[:24]}.json"

    def failure(self, name: str, word: str) -> dict[str, Any]:
        """Return the `error` of a pair that failed; nothing where none is known."""
        kept = read_kept(self._failed(name, word))
        return {"error": str(kept["error"])} if "error" in kept else {}

    def leave_failure(self, name: str, word: str, error: str) -> None:
        """Let the other workers know that a pair failed."""
        if self.settings.workers > 1:
            # On a full disk, the others see it as missing.
            with contextlib.suppress(UserError):
                file_io.write_json(self._failed(name, word), {"error": error})

    def forget_failure(self, name: str, word: str) -> None:
        """Let a pair be tried again."""
        with contextlib.suppress(OSError):
            self._failed(name, word).unlink()


def read(file: Path) -> dict[str, Any] | None:
    """Return a pair that is done; None where there is none, or it is damaged."""
    kept = read_kept(file)
    if not isinstance(kept.get("rows"), list) or not kept.get("pair"):
        return None
    # JSON has no NaN, which is the accuracy on no images.
    rows = [
        {key: math.nan if value is None else value for key, value in row.items()}
        for row in kept["rows"]
    ]
    return {**kept, "rows": rows}


def _describe(examples: Examples) -> tuple[object, ...]:
    source = examples.source
    labels = (source.labels, source.label.tolist())
    weight = (source.weight,) if source.weight else ()
    values: tuple[object, ...] = ()
    if source.values is not None:
        digest = hashlib.sha256(source.values.tobytes()).hexdigest()
        values = (source.target, digest)
    return (examples.keys, examples.split.tolist(), *labels, *weight, *values)


def _stamp(network: ModelSettings) -> str:
    """Return what the files of a network hold."""
    return _digest(str(network.weights)) or backbones.content(network)


def _digest(weights: str) -> str:
    """Return what a file of weights holds."""
    file = Path(weights)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
