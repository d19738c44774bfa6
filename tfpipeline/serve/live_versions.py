"""Versions of a model that are held in memory while new ones come and old ones go."""

import threading
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfpipeline.core import console
from tfpipeline.core.errors import UserError
from tfpipeline.export import versions, warmup
from tfpipeline.export.signatures import Loaded


class Held(NamedTuple):
    """What can be asked for at one moment; it is replaced whole."""

    models: dict[int, Loaded]
    labels: dict[str, int]


class Holder:
    """The versions that are served; requests see those of before, or of after."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.served = Held({}, {})
        # Of each version that could not be loaded, when its file was written.
        self._broken: dict[int, int] = {}
        self._ended = threading.Event()
        self.refresh()
        if not self.served.models:
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
        """Load what is new, let go of what is old, and tell whether that was any."""
        labels = versions.read_labels(self._base)
        # Like the server: what is called something, or else the newest one.
        numbers = set(labels.values()) or set(versions.versions(self._base)[-1:])
        models = dict(self.served.models)
        for number in sorted(numbers - set(models)):
            file = self._base / str(number) / "saved_model.pb"
            written = file.stat().st_mtime_ns if file.is_file() else -1
            if self._broken.get(number) == written:
                continue
            try:
                models[number] = _load(file.parent)
            except Exception as error:  # The other versions are sound.
                self._broken[number] = written
                console.warn(f"version {number} cannot be loaded: {error}")
        models = {n: models[n] for n in sorted(numbers & set(models))}
        if not models:
            return False
        labels = {name: number for name, number in labels.items() if number in models}
        changed = set(self.served.models) != set(models) or labels != self.served.labels
        # A request that has its model already keeps it until it is answered.
        self.served = Held(models, labels)
        return changed

    def choose(
        self, version: int | None = None, label: str | None = None
    ) -> tuple[int, Loaded] | None:
        """Return a version by number or label; None where it is not served.

        Without either, the highest number is chosen, as by the official server.
        """
        models, labels = self.served
        number = max(models) if version is None else version
        if label is not None:
            number = labels.get(label, -1)
        return (number, models[number]) if number in models else None

    @property
    def called(self) -> str:
        """What can be asked for now, in words."""
        models, labels = self.served
        names = {number: f" ({name})" for name, number in labels.items()}
        return ", ".join(f"version {n}{names.get(n, '')}" for n in models)

    def follow(self, seconds: float) -> None:
        """Look for new versions every so many seconds, in a thread, until `end`."""

        def loop() -> None:
            while not self._ended.wait(seconds):
                try:
                    if self.refresh():
                        console.close(f"Serving {self.called} now.")
                except Exception as error:  # What is served goes on being served.
                    console.warn(f"{self._base}: {error}")

        threading.Thread(target=loop, daemon=True).start()

    def end(self) -> None:
        """Stop following."""
        self._ended.set()


def _load(folder: Path) -> Loaded:
    model = Loaded(folder)
    # Traces and memory are made before anybody waits for them.
    file = folder / warmup.FILE
    records = tf.data.TFRecordDataset([str(file)] if file.is_file() else [])
    for record in records.take(warmup.MOST_RECORDS):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        contents = tf.make_ndarray(request.inputs["image_bytes"])
        signature = model.signatures[request.model_spec.signature_name]
        signature(image_bytes=tf.constant(contents, tf.string))
    return model
