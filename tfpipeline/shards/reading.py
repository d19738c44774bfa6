"""What `embed` has written, read back: which picture has which row of which shard.

The rows of all shards are in memory, as long as their ids and 80 bytes more each;
features are not: `vectors` reads those of one shard.
"""

import csv
import hashlib
import io
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import progress, remote
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import columns
from tfpipeline.shards import parquet
from tfpipeline.shards import plan as plans
from tfpipeline.shards.plan import Plan
from tfpipeline.shards.work import numbers_in_words

FLAG = "--data.features"

# Columns that `embed` writes, in this order here.
_COLUMNS = ("id", "sha256", "row", "error")


class Rows(NamedTuple):
    """The pictures of all shards, in the order of the plan.

    Args:
        ids: What each is called.
        sha256: Digest of its file; so are `shard` and `row`, of length n.
        errors: Why pictures have no features, by their places.
        shard: Number of its shard, int32.
        row: Place of its features in that shard, int32; -1 where there are none.
    """

    ids: Sequence[str]
    sha256: Sequence[str]
    errors: Mapping[int, str]
    shard: np.ndarray
    row: np.ndarray


class _Part(NamedTuple):
    """The rows of one shard: texts as arrays of bytes, and an error each."""

    ids: np.ndarray
    sha256: np.ndarray
    errors: Sequence[str]
    row: np.ndarray


def open_plan(folder: Path) -> Plan:
    """Return the plan of a folder that `embed` has written.

    Raises:
        UserError: It is none, or of another command.
    """
    remote.check_local(FLAG, folder)
    if not (folder / plans.PLAN).is_file():
        raise UserError(
            f"{FLAG} {folder}: expected a folder that `embed` has written. Found no "
            f"{plans.PLAN} in it. Name the --output of `embed`."
        )
    plan = plans.read(folder.absolute())
    if (command := plan.request.get("command")) != "embed":
        raise UserError(
            f"{FLAG} {folder}: expected the features that `embed` writes. Received "
            f"what `{command}` has written. Name the --output of `embed`."
        )
    return plan


def rows(plan: Plan) -> Rows:
    """Return the rows of all shards.

    Raises:
        UserError: A shard is missing, of another request, or not as it was written; or
            a picture is there twice.
    """
    parts: list[_Part] = []
    missing: list[int] = []
    for number in progress.over(range(plan.shards), "rows", "shard"):
        done = plan.finished(number)
        if done is None:
            missing.append(number)
        elif not missing:
            parts.append(_of_shard(plan, number, done))
    if missing:
        raise _incomplete(plan, missing)
    numbers = np.repeat(np.arange(len(parts)), [len(part.row) for part in parts])
    errors = (error for part in parts for error in part.errors)
    own = Rows(
        columns.joined([part.ids for part in parts]),
        columns.joined([part.sha256 for part in parts]),
        {place: error for place, error in enumerate(errors) if error},
        numbers.astype(np.int32),
        np.concatenate([part.row for part in parts]).astype(np.int32),
    )
    _check_once(plan, own.ids)
    return own


def _check_once(plan: Plan, ids: Sequence[str]) -> None:
    """Refuse a folder in which a picture is twice."""
    # Of each id 8 bytes are kept, and those that have them in common are compared.
    short = np.fromiter(map(hash, ids), np.int64, len(ids))
    order = np.argsort(short, kind="stable")
    same = np.flatnonzero(np.diff(short[order]) == 0)
    pairs = zip(order[same].tolist(), order[same + 1].tolist())
    if twice := [b for a, b in pairs if ids[a] == ids[b]]:
        raise UserError(
            f"{FLAG} {plan.folder}: expected each picture once. Received "
            f"{ids[min(twice)]!r} twice. Embed them again, each named once."
        )


def _incomplete(plan: Plan, missing: list[int]) -> UserError:
    """Return the error for shards that are not there, or are others'."""
    others = [number for number in missing if plan.done(number).is_file()]
    if others:
        return UserError(
            f"{FLAG} {plan.folder}: expected shards of one request. Of another one, by "
            f"their .done.json: {numbers_in_words(others)}. Give the command `embed` "
            "that wrote the folder again: it computes them again."
        )
    return UserError(
        f"{FLAG} {plan.folder}: expected {plan.shards} shards. Missing: "
        f"{numbers_in_words(missing)}. Give the command `embed` that wrote the folder "
        "again: it computes what is missing."
    )


def _of_shard(plan: Plan, number: int, done: dict[str, Any]) -> _Part:
    """Return the rows of one shard."""
    if parquet.ENDING in done["sha256"]:
        file = _file(plan, number, parquet.ENDING)
        network, table = parquet.read_rows(file, (*_COLUMNS[:2], _COLUMNS[3]))
        if network != str(plan.request.get("network", "")):
            raise _damaged(file, "it has features of another network")
        ids, digests, errors = table
        row = np.where([not error for error in errors], np.arange(len(ids)), -1)
    else:
        file = _file(plan, number, "csv")
        content = _read(file, done["sha256"].get("csv", ""))
        lines = csv.reader(
            io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")
        )
        header = next(lines)
        pick = operator.itemgetter(*map(header.index, _COLUMNS))
        table = [[*values] for values in zip(*map(pick, lines))] or [[]] * 4
        ids, digests, places, errors = table
        row = np.array([int(place) if place else -1 for place in places], np.int64)
    if len(ids) != done["images"]:
        raise _damaged(file, f"it has {len(ids)} rows, not {done['images']}")
    return _Part(columns.encoded(ids), columns.encoded(digests), errors, row)


def vectors(plan: Plan, number: int, *, checks: bool) -> np.ndarray:
    """Return the features of a shard as they are stored, shape (rows, width).

    Args:
        plan: Of the folder.
        number: Of the shard.
        checks: Whether to compare its file with the digest that was written beside it.

    Raises:
        UserError: The file has gone, or is not what was written.
    """
    done = plan.finished(number)
    if done is None:
        raise _incomplete(plan, [number])
    ending = parquet.ENDING if parquet.ENDING in done["sha256"] else "npy"
    file = _file(plan, number, ending)
    content = _read(file, done["sha256"].get(ending, "") if checks else None)
    if ending == parquet.ENDING:
        array = parquet.read_vectors(content)
    else:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    request = plan.request
    expected = (int(request["width"]), np.dtype(str(request["dtype"])))
    if (array.shape[-1], array.dtype) != expected:
        raise _damaged(file, f"it has {array.dtype} of shape {array.shape}")
    return array


def _file(plan: Plan, number: int, ending: str) -> Path:
    """Return a file of a shard, which is local: see `open_plan`."""
    return Path(str(plan.file(number, ending)))


def _read(file: Path, digest: str | None) -> bytes:
    """Return what a file holds, of this SHA-256 where one is given."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _damaged(file, error.strerror or "it cannot be read") from None
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(file, "it was changed since it was written")
    return content


def _damaged(file: Path, reason: str) -> UserError:
    done = f"{file.name.partition('.')[0]}.done.json"
    return UserError(
        f"{FLAG}: {file}: {reason}. Remove {done} beside it, and give the command "
        "`embed` that wrote it again."
    )
