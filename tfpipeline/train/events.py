"""Event files for TensorBoard, written by TensorFlow alone."""

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.struct_pb2 import Struct

from tfpipeline.core import image_io

# Kinds of data in `SummaryMetadata`, by tensorflow/core/framework/summary.proto.
_SCALAR, _BLOBS = 1, 3

_PATTERN = "events.out.tfevents*"


class Events:
    """Event files below one folder: one in each folder that something is told of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def scalar(self, tag: str, value: float, step: int, part: str = "") -> None:
        """Write a number."""
        metadata = _metadata("scalars", _SCALAR)
        self._write(part, tag, np.float32(value), step, metadata)

    def image(self, tag: str, picture: np.ndarray, step: int, part: str = "") -> None:
        """Write a picture."""
        height, width = picture.shape[:2]
        content = [b"%d" % width, b"%d" % height, image_io.to_png(picture)]
        self._write(part, tag, tf.constant(content), step, _metadata("images", _BLOBS))

    def begin_session(self, settings: Mapping[str, bool | float | str]) -> None:
        """Say what a run was told, for the table of hyperparameters."""
        told = Struct()
        told.update(settings)
        # `SessionStartInfo` of the plugin has the map of a `Struct` as its field 1, and
        # the time as its field 5: no other package is needed to write it.
        start = told.SerializeToString() + b"\x29" + struct.pack("<d", time.time())
        self._session("start", b"\x1a" + _varint(len(start)) + start)

    def end_session(self) -> None:
        """Say that the run has come to its end."""
        # `SessionEndInfo`: field 1 is the status, 1 for success, field 2 the time.
        end = b"\x08\x01\x11" + struct.pack("<d", time.time())
        self._session("end", b"\x22" + _varint(len(end)) + end)

    def flush(self) -> None:
        """Let who looks see all of it now."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write the rest; what comes later is in files of its own."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _session(self, which: str, content: bytes) -> None:
        tag = f"_hparams_/session_{which}_info"
        nothing = tf.zeros([0])
        self._write("", tag, nothing, 0, _metadata("hparams", content=content))

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
    for file in folder.rglob(_PATTERN):
        file.unlink()


def _metadata(plugin: str, data_class: int = 0, content: bytes = b"") -> Any:
    """Return what tells TensorBoard who shows something."""
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = plugin
    metadata.plugin_data.content = content
    metadata.data_class = data_class
    return metadata


def _varint(number: int) -> bytes:
    """Return a length as protocol buffers write it."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
