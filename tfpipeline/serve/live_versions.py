"""Versions of a model that are held in memory while new ones come and old ones go."""

import threading
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from tfpipeline.core import console
from tfpipeline.core.errors import UserError
from tfpipeline.export import versions, warmup
from tfpipeline.export.signatures import Loaded


class Held(NamedTuple):
    """What can be asked for at one moment; it is replaced whole.

    Args:
        models: By their version.
        labels: Which version is called what.
    """

    models: dict[int, Loaded]
    labels: dict[str, int]


class Holder:
    """The versions that are served; requests see those of before, or of after.

    Args:
        base: The folder above the versions.

    Raises:
        UserError: There is no version in it.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._held = Held({}, {})
        # Of each version that could not be loaded, when its file was written.
        self._broken: dict[int, int] = {}
        self._ended = threading.Event()
        self.refresh()
        if not self._held.models:
            if (base / "saved_model.pb").is_file():
                raise UserError(
                    f"{base}: expected the folder above the versions, but this is a "
                    f"version itself. Name {base.parent}."
                )
            raise UserError(
                f"{base}: expected versions that `python -m tfpipeline.export` wrote, "
                "found none."
            )

    def refresh(self) -> bool:
        """Load what is new, then let go of what is old.

        Returns:
            Whether anything has changed.
        """
        labels = versions.read_labels(self._base)
        # Like the server: what is called something, or else the newest one.
        wanted = set(labels.values()) or set(versions.versions(self._base)[-1:])
        models = dict(self._held.models)
        for number in sorted(wanted - set(models)):
            written = self._written(number)
            if self._broken.get(number) == written:
                continue
            try:
                models[number] = self._load(number)
            except Exception as error:  # The other versions are sound.
                self._broken[number] = written
                console.warn(f"version {number} cannot be loaded: {error}")
        wanted &= set(models)
        labels = {name: number for name, number in labels.items() if number in wanted}
        if not wanted:
            return False
        changed = set(self._held.models) != wanted or labels != self._held.labels
        # A request that has its model already keeps it until it is answered.
        self._held = Held({n: models[n] for n in sorted(wanted)}, labels)
        return changed

    def _written(self, number: int) -> int:
        """Return when a version was written; -1 where it is not there."""
        file = self._base / str(number) / "saved_model.pb"
        return file.stat().st_mtime_ns if file.is_file() else -1

    def _load(self, number: int) -> Loaded:
        folder = self._base / str(number)
        model = Loaded(folder)
        # Traces and memory are made before anybody waits for them.
        file = folder / warmup.FILE
        records = tf.data.TFRecordDataset([str(file)] if file.is_file() else [])
        for record in records.take(warmup.MOST_RECORDS):
            signature, contents = warmup.read(record.numpy())
            model.signatures[signature](image_bytes=tf.constant(contents))
        return model

    def choose(
        self, version: int | None = None, label: str | None = None
    ) -> tuple[int, Loaded] | None:
        """Return a version and its number; None where it is not served.

        Args:
            version: The number that was asked for.
            label: What it is called; without either, the highest number is chosen, as
                by the official server.
        """
        held = self._held
        if label is not None:
            version = held.labels.get(label)
            if version is None:
                return None
        number = max(held.models) if version is None else version
        return (number, held.models[number]) if number in held.models else None

    @property
    def served(self) -> Held:
        """What can be asked for now."""
        return self._held

    @property
    def called(self) -> str:
        """What can be asked for now, in words."""
        held = self._held
        names = {number: name for name, number in held.labels.items()}
        return ", ".join(
            f"version {number}" + (f" ({names[number]})" if number in names else "")
            for number in held.models
        )

    def follow(self, seconds: float) -> threading.Thread:
        """Look for new versions again and again, in a thread of its own.

        Args:
            seconds: Between two looks.

        Returns:
            The thread; it ends after `end`.
        """

        def loop() -> None:
            while not self._ended.wait(seconds):
                try:
                    if self.refresh():
                        console.close(f"Serving {self.called} now.")
                except Exception as error:  # What is served goes on being served.
                    console.warn(f"{self._base}: {error}")

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Stop following."""
        self._ended.set()
