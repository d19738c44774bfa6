"""Pictures from the request logs of TF Serving: TFRecord files of `PredictionLog`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError

# What an exported model calls encoded pictures.
_INPUT = "image_bytes"


def sample(
    logs: list[Path], folder: Path, most: int, seed: int
) -> tuple[dict[Path, str], int, int]:
    """Write the pictures of logs, at most `most`, drawn at random, into a folder.

    Args:
        logs: The files.
        folder: For the pictures.
        most: Pictures to write, at most.
        seed: Of the draw.

    Returns:
        What each file in the folder is called: `LOG#NUMBER`; how many pictures there
        are in all, and how many records have none.

    Source: Vitter, Random Sampling with a Reservoir, ACM TOMS 11, 1985.
    """
    rng = np.random.default_rng(seed)
    names: dict[Path, str] = {}
    count = empty = 0
    for log in logs:
        number = 0
        for pictures in _requests(log):
            empty += not pictures
            for content in pictures:
                place = count if count < most else int(rng.integers(count + 1))
                if place < most:
                    file = folder / f"{place:06d}"
                    file_io.write_bytes(file, content, durable=False)
                    names[file] = f"{log}#{number}"
                count, number = count + 1, number + 1
    if not count:
        raise UserError(
            f"--predictions {logs[0]}: expected requests with encoded pictures "
            f"({_INPUT}). Received {empty} records without one."
        )
    return names, count, empty


def _requests(log: Path) -> Iterator[list[bytes]]:
    """Yield the encoded pictures of each record."""
    message = _message()
    try:
        for record in tf.data.TFRecordDataset(str(log)):
            request = message.FromString(record.numpy()).predict_log.request
            if _INPUT not in request.inputs:
                yield []
                continue
            sent = tf.make_ndarray(request.inputs[_INPUT]).ravel().tolist()
            yield [one for one in sent if isinstance(one, bytes)]
    except (tf.errors.DataLossError, ValueError, _decode_error()) as error:
        raise UserError(
            f"--predictions {log}: expected CSV (.csv) or JSON lines (.jsonl) that "
            "`predict` wrote, or a request log of TF Serving (TFRecord of "
            f"PredictionLog), but it cannot be read as one ({type(error).__name__})."
        ) from None


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    return DecodeError


def _message() -> Any:
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise UserError(
            "--predictions: reading request logs needs a package that is not installed "
            f"({error.name}): run pip install '.[serving]' in the folder of "
            "tfpipeline's source."
        ) from None
    return prediction_log_pb2.PredictionLog
