"""Event files for TensorBoard, written by TensorFlow alone."""

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BytesValue

from tfpipeline.core import image_io

# Kinds of data in `SummaryMetadata`, by tensorflow/core/framework/summary.proto.
_SCALAR, _BLOBS = 1, 3


class Events:
    """Event files below one folder: one for each `part`, a folder in it.

    Parts are curves of their own in a plot; `step` is the place on its axis.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def scalar(self, tag: str, value: float, step: int, part: str = "") -> None:
        """Write a number."""
        metadata = _metadata("scalars", _SCALAR)
        self._write(part, tag, np.float32(value), step, metadata)

    def image(self, tag: str, picture: np.ndarray, step: int, part: str = "") -> None:
        """Write a picture, uint8 RGB of shape (height, width, 3)."""
        self.png(tag, image_io.to_png(picture), step, part)

    def png(self, tag: str, picture: bytes, step: int, part: str = "") -> None:
        """Write a picture that is the content of a PNG file."""
        # Its first chunk begins with them.
        width, height = struct.unpack(">II", picture[16:24])
        content = [b"%d" % width, b"%d" % height, picture]
        self._write(part, tag, tf.constant(content), step, _metadata("images", _BLOBS))

    def begin_session(self, settings: Mapping[str, bool | float | str]) -> None:
        """Write the settings of a run, for the table of hyperparameters."""
        hyperparameters = Struct()
        hyperparameters.update(settings)
        # `SessionStartInfo` of the plugin has the map of a `Struct` as its field 1, and
        # the time as its field 5: no other package is needed to write it.
        start = hyperparameters.SerializeToString() + b"\x29" + _now()
        self._session("start", b"\x1a", start)

    def end_session(self) -> None:
        """Write that the run has come to its end."""
        # `SessionEndInfo`: field 1 is the status, 1 for success, field 2 the time.
        self._session("end", b"\x22", b"\x08\x01\x11" + _now())

    def flush(self) -> None:
        """Make all of it visible now."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write the rest; what comes later is in files of its own."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _session(self, name: str, field: bytes, message: bytes) -> None:
        # A message in a field is written as bytes are: after their length.
        sized = BytesValue(value=message).SerializeToString()[1:]
        metadata = _metadata("hparams", content=field + sized)
        self._write("", f"_hparams_/session_{name}_info", tf.zeros([0]), 0, metadata)

    def _write(
        self, part: str, tag: str, tensor: Any, step: int, metadata: Any
    ) -> None:
        if part not in self._writers:
            folder = str(self.folder / part)
            self._writers[part] = tf.summary.create_file_writer(folder)
        with self._writers[part].as_default():
            tf.summary.write(tag, tensor, step, metadata)


def remove(folder: Path) -> None:
    """Remove all event files below a folder; profiles stay."""
    for file in folder.rglob("events.out.tfevents*"):
        file.unlink()


def _metadata(plugin: str, data_class: int = 0, content: bytes = b"") -> Any:
    """Return what names the plugin of TensorBoard that shows something."""
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = plugin
    metadata.plugin_data.content = content
    metadata.data_class = data_class
    return metadata


def _now() -> bytes:
    return struct.pack("<d", time.time())
