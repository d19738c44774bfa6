"""The state of a training on disk: written whole, and checked when it is read."""

import contextlib
import hashlib
import io
import json
import shutil
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.config import CheckpointSettings
from tfpipeline.core import console, disk, file_io
from tfpipeline.core.errors import UserError

# Checkpoints that stay: where the last one is damaged, the one before is used.
KEPT = 2

# What reading a damaged file may raise. At its end stands the digest of the rest.
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
_DIGEST = hashlib.sha256().digest_size

# A checkpoint may take this share of the time between two.
_SHARE = 0.05


@dataclass(frozen=True)
class State:
    """Everything that a training resumes from: JSON values, and arrays by name."""

    values: dict[str, Any]
    arrays: dict[str, list[np.ndarray]]


class Checkpoints:
    """The checkpoints of one run; of several workers, one `writes`.

    `identity` are settings and data, by name: only checkpoints that were made with the
    same are resumed from.
    """

    def __init__(
        self,
        folder: Path,
        settings: CheckpointSettings,
        identity: dict[str, str],
        *,
        writes: bool = True,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.identity = identity
        self.writes = writes
        self._number = max(map(_number, _files(self.folder)), default=0)
        if writes:
            # What a process that was killed while it wrote has left behind.
            for file in folder.glob(".*.npz"):
                file.unlink(missing_ok=True)
        self._since = time.monotonic()
        self._steps = 0
        self._took = 0.0
        self._warned = False

    def due(self, steps: int) -> bool:
        """Tell whether it is time for a checkpoint, `steps` after the last call."""
        self._steps += steps
        every, seconds = self.settings.every_steps, self.settings.every_seconds
        if every and self._steps >= every:
            return True
        patience = max(seconds, self._took / _SHARE)
        return bool(seconds) and time.monotonic() - self._since >= patience

    def save(self, state: State) -> bool:
        """Write a checkpoint, whole or not at all; return whether that could be.

        Where another worker writes it, it is taken to be there.
        """
        started, written = time.monotonic(), True
        self._steps = 0
        if self.writes:
            try:
                self._write(state)
            except UserError as error:
                if not self._warned:
                    console.warn(
                        f"warning: no checkpoint: {error} Training continues; the "
                        f"previous checkpoint is kept."
                    )
                self._warned, written = True, False
        self._since = time.monotonic()
        self._took = self._since - started
        return written

    def _write(self, state: State) -> None:
        self._number += 1
        content = {"identity": self.identity, "values": state.values}
        text = np.frombuffer(json.dumps(content).encode(), np.uint8)
        named = {
            f"{name}/{i:05d}": array
            for name, arrays in state.arrays.items()
            for i, array in enumerate(arrays)
        }
        with file_io.replacing(self.folder / f"{self._number:06d}.npz") as temporary:
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **{"told": text, **named})
            with disk.naming(temporary), open(temporary, "wb") as file:
                file.write(buffer.getbuffer())
                file.write(hashlib.sha256(buffer.getbuffer()).digest())
        for old in _files(self.folder)[:-KEPT]:
            old.unlink(missing_ok=True)

    def load(self, *, anew: bool = False) -> State | None:
        """Return the last checkpoint that is whole, or None where there is none.

        With `anew` one of another training is removed and not refused.
        """
        for file in reversed(_files(self.folder)):
            try:
                content, arrays = _read(file)
            except _DAMAGE as error:
                console.warn(
                    f"{file}: damaged ({error}); the checkpoint before it is used, if "
                    "there is one."
                )
                continue
            old, new = content["identity"], self.identity
            names = (n for n in sorted({*old, *new}) if old.get(n) != new.get(n))
            if (name := next(names, None)) is None:
                return State(content["values"], arrays)
            if anew:
                self.clear()
                return None
            raise UserError(
                f"{self.folder.parent} already contains an unfinished training, "
                f"which was started with {name} {old.get(name, 'nothing')}, not "
                f"{new.get(name, 'nothing')}. Repeat that command to resume it, choose "
                "another --workdir, or start over with --overwrite true."
            )
        return None

    def clear(self) -> None:
        """Remove every checkpoint, where this process is the one that writes."""
        if self.writes:
            shutil.rmtree(self.folder, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the last one at the end."""
    return sorted(f for f in folder.glob("[0-9]*.npz") if _number(f))


def _number(file: Path) -> int:
    return int(file.stem) if file.stem.isdigit() else 0


def _read(file: Path) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    arrays: dict[str, list[np.ndarray]] = {}
    data = file.read_bytes()
    data, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError("its digest is that of other bytes")
    with np.load(io.BytesIO(data), allow_pickle=False) as content:
        values = json.loads(content["told"].tobytes().decode())
        for key in sorted(content.files):
            name, slash, _ = key.rpartition("/")
            if slash:
                arrays.setdefault(name, []).append(content[key])
    return values, arrays


def peek(folder: Path, name: str, given: Mapping[str, str]) -> Any:
    """Return a value of the last checkpoint that is whole and of `given`, or None."""
    for file in reversed(_files(folder)):
        with contextlib.suppress(*_DAMAGE):
            content = _read(file)[0]
            same = given.items() <= content["identity"].items()
            return content["values"].get(name) if same else None
    return None
