"""Shards as Parquet: a row a picture, its features a list of fixed length."""

import importlib
import importlib.util
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import stores
from tfpipeline.core.errors import UserError
from tfpipeline.core.stores import Place

ENDING = "parquet"

# What a list stands for in the table of a shard.
_FEATURES, _ROW = "features", "row"

# The note in each file that says what the features are of.
_NETWORK = "tfpipeline.network"


def check(flag: str = "--format parquet") -> None:
    """Refuse to write Parquet where nothing here can."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            f"{flag}: expected pyarrow to be installed. Do: pip install "
            "'tfpipeline[parquet]'."
        )


def encode(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    vectors: np.ndarray,
    request: Mapping[str, Any],
) -> bytes:
    """Return a shard as the content of a Parquet file.

    Args:
        header: Names of the columns, `row` among them: the place of each row's vector,
            empty where it has none.
        rows: One a picture.
        vectors: Shape (n, width).
        request: What was computed; is kept in the file's metadata.
    """
    arrow, parquet = _arrow()
    columns = dict(zip(header, zip(*rows)))
    places = columns.pop(_ROW)
    table = arrow.table(
        {
            **{name: arrow.array(map(_text, v)) for name, v in columns.items()},
            _FEATURES: _lists(arrow, places, vectors),
        }
    )
    about = {_NETWORK: str(request.get("network", ""))}
    with io.BytesIO() as file:
        parquet.write_table(table.replace_schema_metadata(about), file)
        return file.getvalue()


def _lists(arrow: Any, places: Iterable[object], vectors: np.ndarray) -> Any:
    """Return the vector of each row as a list of fixed length; NaN where it has none.

    Not null: pyarrow before 26 cannot read lists of fixed length of which one is null.
    """
    given = [isinstance(place, int) for place in places]
    width = vectors.shape[1]
    values = np.full((len(given), width), np.nan, vectors.dtype)
    values[given] = vectors
    flat = arrow.array(values.reshape(-1))
    return arrow.FixedSizeListArray.from_arrays(flat, width)


def _text(value: object) -> str:
    """Return a text as UTF-8 can hold it: names of files may be none."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _name(text: str) -> str:
    """Return the text that `_text` has written."""
    return re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda m: chr(int(m[1], 16)), text)


def join(shards: Iterable[bytes], target: Path) -> None:
    """Write the rows of all shards into one file, a row group a shard.

    Args:
        shards: The content of their files.
        target: The file.
    """
    _, parquet = _arrow("--output in .parquet")
    writer = None
    try:
        for shard in shards:
            table = parquet.read_table(io.BytesIO(shard))
            if writer is None:
                writer = parquet.ParquetWriter(target, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def read_rows(file: Path, columns: Sequence[str]) -> tuple[str, list[list[str]]]:
    """Return what a shard notes of its network, and some columns of texts.

    Raises:
        UserError: It cannot be read.
    """
    arrow, parquet = _arrow("features in Parquet")
    try:
        table = parquet.read_table(file, columns=list(columns))
    except (OSError, arrow.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise UserError(
            f"{file}: expected a shard that `embed` wrote, but it cannot be read "
            f"({first}). Remove its .done.json, and give that command again."
        ) from None
    noted = (table.schema.metadata or {}).get(_NETWORK.encode(), b"").decode()
    return noted, [[*map(_name, table[name].to_pylist())] for name in columns]


def read_vectors(content: bytes) -> np.ndarray:
    """Return the features of a shard's content, shape (rows, width); NaN for none."""
    arrow, parquet = _arrow("features in Parquet")
    table = parquet.read_table(arrow.BufferReader(content), columns=[_FEATURES])
    lists = table[_FEATURES].combine_chunks()
    if isinstance(lists, arrow.ChunkedArray):
        lists = lists.chunk(0)
    values = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values.reshape(-1, lists.type.list_size))


def is_own(file: Path | Place) -> bool:
    """Tell whether a file has what `encode` notes in it."""
    arrow, parquet = _arrow("--output in .parquet")
    try:
        with stores.opened(file) as content:
            noted = parquet.read_schema(content).metadata or {}
    except (OSError, arrow.ArrowException):
        return False
    return _NETWORK.encode() in noted


def _arrow(flag: str = "--format parquet") -> tuple[Any, Any]:
    check(flag)
    return importlib.import_module("pyarrow"), importlib.import_module(
        "pyarrow.parquet"
    )
