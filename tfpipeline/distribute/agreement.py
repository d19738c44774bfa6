"""What all workers have to have in common, and how they fail together."""

import contextlib
import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core.errors import UserError, mendable
from tfpipeline.distribute.collectives import gather_all, is_chief, workers

# From what a worker has to what each of them has, in their order.
Exchange = Callable[[bytes], list[bytes]]

# Rows of a kind, e.g. the labels of all files; asked for as often as they are needed.
Rows = Callable[[], Iterable[str]]

# Bytes of the first message: its length, and all of it where it is short.
_FIRST, _LENGTH = 512, 4


def exchange(strategy: tf.distribute.Strategy, value: bytes) -> list[bytes]:
    """Return what each worker hands in, in their order; all have to take part."""
    if workers(strategy)[1] == 1:
        return [value]
    message = len(value).to_bytes(_LENGTH, "big") + value
    messages = _gather(strategy, message, _FIRST)
    sizes = [_LENGTH + int.from_bytes(m[:_LENGTH], "big") for m in messages]
    if max(sizes) > _FIRST:
        messages = _gather(strategy, message, max(sizes))
    return [m[_LENGTH:size] for m, size in zip(messages, sizes)]


def _gather(strategy: tf.distribute.Strategy, message: bytes, size: int) -> list[bytes]:
    # As numbers that every device can send.
    row = np.frombuffer(message[:size].ljust(size, b"\0"), np.uint8)
    rows = gather_all(strategy, tf.constant(row[None], tf.float32)).astype(np.uint8)
    each = len(rows) // workers(strategy)[1]
    return [row.tobytes() for row in rows[::each]]


@contextlib.contextmanager
def jointly(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Do a block in every worker and wait until all have: it fails in all or in none.

    The block itself exchanges nothing. Raises a `UserError` where something of the
    user's is wrong, at this worker or at another one.
    """
    error: UserError | None = None
    try:
        with mendable():
            yield
    except UserError as own:
        error = own
    _agree(strategy, error)


def _agree(strategy: tf.distribute.Strategy, own: UserError | None = None) -> None:
    words = str(own or "").encode("utf-8", "surrogateescape")
    messages = exchange(strategy, words)
    if own is not None:
        raise own
    for index, message in enumerate(messages):
        if message:
            text = message.decode("utf-8", "surrogateescape")
            raise UserError(
                f"Worker {index} of {len(messages)} cannot continue: " f"{text}"
            )


@contextlib.contextmanager
def chief_first(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Do a block `jointly`, the chief before the others, who find what it has kept."""
    if not is_chief(strategy):
        _agree(strategy)
    with jointly(strategy):
        yield
    if is_chief(strategy):
        _agree(strategy)


def check_same(
    strategy: tf.distribute.Strategy, facts: Mapping[str, Rows], advice: str
) -> None:
    """Refuse to go on where workers differ, in the same words at each of them.

    Facts are rows by what they are, e.g. `labels`; the first that differs is reported.
    """
    if workers(strategy)[1] == 1:
        return
    if words := difference(facts, lambda value: exchange(strategy, value)):
        raise UserError(f"The workers have to have the same {words} {advice}")


def difference(facts: Mapping[str, Rows], swap: Exchange) -> str:
    """Return in what workers differ, in the same words at each; nothing where in none.

    Only digests are exchanged, and the first row that differs.
    """
    mine = {name: _digest(rows()) for name, rows in facts.items()}
    digests: list[dict[str, Any]] = [json.loads(m) for m in swap(_json(mine))]
    for name, rows in facts.items():
        if all(worker[name] == digests[0][name] for worker in digests):
            continue
        counts = [worker[name][0] for worker in digests]
        same, other = 0, max(counts)
        # The first `same` rows are, and the first `other` rows are not.
        while other - same > 1:
            middle = (same + other) // 2
            parts = swap(_json(_digest(rows(), middle)))
            same, other = (middle, other) if len({*parts}) == 1 else (same, middle)
        row = next(itertools.islice(rows(), same, None), None)
        texts = [json.loads(message) for message in swap(_json(row))]
        return f"{name}: {_describe(texts, counts, same)}."
    return ""


def _json(value: object) -> bytes:
    return json.dumps(value).encode("ascii")


def _digest(rows: Iterable[str], most: int | None = None) -> tuple[int, str]:
    """Return how many rows there are, of the first ones, and a digest of them."""
    digest, count = hashlib.sha256(), 0
    for row in itertools.islice(rows, most):
        data = row.encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(data) + data)
        count += 1
    return count, digest.hexdigest()


def _describe(texts: list[str | None], counts: list[int], place: int) -> str:
    """Say which workers have what, the odd one last."""
    groups: dict[tuple[str | None, int], list[int]] = defaultdict(list)
    for index, key in enumerate(zip(texts, counts)):
        groups[key].append(index)
    parts = []
    for (text, count), who in sorted(groups.items(), key=lambda item: -len(item[1])):
        names = ", ".join(map(str, who[:8])) + ", ..." * (len(who) > 8)
        verb = "workers {} have" if len(who) > 1 else "worker {} has"
        what = "nothing" if text is None else repr(text)
        where = f" as number {place + 1} of {count}" if len({*counts}) > 1 else ""
        parts.append(f"{verb.format(names)} {what}{where}")
    more = f"; and {len(parts) - 4} more kinds" if len(parts) > 4 else ""
    return "; ".join(parts[:4]) + more
