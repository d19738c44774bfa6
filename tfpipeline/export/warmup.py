"""Requests that a server answers before it takes others, so that nobody waits for it.

The server reads records of `PredictionLog`. Their few fields are written here as the
wire format of protocol buffers has them, since TensorFlow comes without that message; a
test reads them by the real one.
"""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

# Where the server looks, in a version.
FILE = "assets.extra/tf_serving_warmup_requests"

# The server reads no more.
MOST_RECORDS = 1000

# Fields of prediction_log.proto, predict.proto and model.proto.
_LOG_PREDICT, _PREDICT_REQUEST = 6, 1
_REQUEST_SPEC, _REQUEST_INPUTS = 1, 2
_SPEC_NAME, _SPEC_SIGNATURE = 1, 3
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


def write(
    folder: Path, name: str, contents: Sequence[bytes], sizes: Sequence[int]
) -> None:
    """Write requests of every batch size; images are repeated as need be."""
    file = folder / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    batches = [
        ("serving_default", [contents[i % len(contents)] for i in range(size)])
        for size in sizes
    ]
    batches += [("features", [contents[0]]), ("serving_default", [contents[0]])]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, batch in batches[:MOST_RECORDS]:
            writer.write(_prediction_log(name, signature, batch))


def _prediction_log(name: str, signature: str, batch: Sequence[bytes]) -> bytes:
    tensor = tf.make_tensor_proto(list(batch), tf.string, (len(batch),))
    spec = _field(_SPEC_NAME, name.encode())
    spec += _field(_SPEC_SIGNATURE, signature.encode())
    entry = _field(_ENTRY_KEY, b"image_bytes")
    entry += _field(_ENTRY_VALUE, tensor.SerializeToString())
    request = _field(_REQUEST_SPEC, spec) + _field(_REQUEST_INPUTS, entry)
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """Return a field that has a length: its number, kind 2, length and content."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
