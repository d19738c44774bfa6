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
from tfpipeline.config import RunSettings, with_source
from tfpipeline.config.study import StudySettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.dataset import Examples
from tfpipeline.study import shot_counts
from tfpipeline.study.from_scratch import SCRATCH
from tfpipeline.study.networks import read_word
from tfpipeline.study.speeds import read_kept

# In a new version, pairs of an older one are computed again.
_VERSION = 4


@dataclass(frozen=True)
class PairFiles:
    """The files of pairs, in the folder that all workers share.

    A pair that is done is found by everything that its result depends on, and serves
    any study. One that failed is found by the study that it failed in, so that the
    other workers of that study know; whoever is to compute it tries again.

    Args:
        settings: Of the command.
        cache: What all commands share.
    """

    settings: StudySettings
    cache: Path

    def done(self, word: str, opened: Sequence[Examples]) -> Path:
        """Return where a pair is kept.

        Args:
            word: Of the network.
            opened: Examples of the source, for each seed.
        """
        own = dataclasses.replace(
            self.settings,
            sources=[],
            backbones=[word],
            output="",
            shots=shot_counts.spelled(self.settings.shots),
            workers=1,
            index=0,
            scratch=False,
            cache_dir=None,
            overwrite=False,
            data=with_source(self.settings.data, ""),
        )
        images = [_told(examples) for examples in opened]
        return self._file(f"{(__version__, _VERSION, own, _stamp(word), images)!r}")

    def trained(self, settings: RunSettings, examples: Examples) -> Path:
        """Return where it is kept what `train` reaches with some settings.

        Args:
            settings: Of the command.
            examples: Of its source.
        """
        own = dataclasses.replace(
            settings, cache_dir=None, data=with_source(settings.data, "")
        )
        stamp = _digest(str(settings.model.weights))
        told = ("trained", __version__, _VERSION, own, stamp, _told(examples))
        return self._file(f"{told!r}")

    def _failed(self, name: str, word: str) -> Path:
        # What the workers of a study have in common.
        study = dataclasses.replace(
            self.settings, index=0, cache_dir=None, overwrite=False
        )
        told = f"{('failed', __version__, _VERSION, study, name, word)!r}"
        return self._file(told).with_suffix(".failed.json")

    def _file(self, told: str) -> Path:
        digest = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
        return self.cache / "study" / f"{digest[:24]}.json"

    def failure(self, name: str, word: str) -> dict[str, Any]:
        """Return the `error` of a pair that failed; nothing where none is known.

        Args:
            name: Of the source.
            word: Of the network.
        """
        found = read_kept(self._failed(name, word))
        return {"error": str(found["error"])} if "error" in found else {}

    def leave_failure(self, name: str, word: str, error: str) -> None:
        """Let the other workers know that a pair failed.

        Args:
            name: Of the source.
            word: Of the network.
            error: What went wrong.
        """
        if self.settings.workers > 1:
            # On a full disk, the others see it as missing.
            with contextlib.suppress(UserError):
                file_io.write_json(self._failed(name, word), {"error": error})

    def forget_failure(self, name: str, word: str) -> None:
        """Let a pair be tried again.

        Args:
            name: Of the source.
            word: Of the network.
        """
        with contextlib.suppress(OSError):
            self._failed(name, word).unlink()


def read(file: Path) -> dict[str, Any] | None:
    """Return a pair that is done; None where there is none, or it is damaged.

    Args:
        file: What `PairFiles.done` returned.
    """
    found = read_kept(file)
    if not isinstance(found.get("rows"), list) or not found.get("pair"):
        return None
    # JSON has no NaN, which is the accuracy on no images.
    rows = [
        {key: math.nan if value is None else value for key, value in row.items()}
        for row in found["rows"]
    ]
    return {**found, "rows": rows}


def _told(examples: Examples) -> tuple[object, ...]:
    source = examples.source
    labels = (source.labels, source.label.tolist())
    return (examples.keys, examples.split.tolist(), *labels)


def _stamp(word: str) -> str:
    """Return what a file of weights holds; networks by name have theirs for good."""
    return "" if word == SCRATCH else _digest(str(read_word(word).weights))


def _digest(weights: str) -> str:
    file = Path(weights)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
