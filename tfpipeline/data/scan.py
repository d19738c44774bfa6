"""Open every file once, before anything is trained: what is it, and is it whole?

Imports no TensorFlow: the files are read while it is still being imported.
"""

import contextlib
import functools
import os
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL

from tfpipeline.core import hardware, image_formats, image_io, progress, remote
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan_workers
from tfpipeline.data.inspect_file import MEASURED, examine
from tfpipeline.data.scan_cache import Ledger, Row

# Part of the cache's name, with the rules of decoding: raise it when one of
# `inspect_file` changes.
RULES = f"11.{image_io.RULES}-pillow{PIL.__version__}"

# Findings are kept at least so often, so that an interruption costs little.
KEEP_SECONDS = 30.0

# Files that a thread takes at a time, where there are many: handing them out one by one
# costs as much as a tenth of looking at a small one.
TOGETHER = 8

# From so many files on, processes look at them: threads wait for each other for what
# Python does, a fifth of the work with a photograph and most of it with a small one.
PROCESSES_FROM = 4_000


def audit(
    paths: Sequence[Path | str],
    spans: Sequence[tuple[int, int]] = (),
    *,
    cache: Path | None,
    max_pixels: int = image_formats.MAX_PIXELS,
    joins: bool = True,
    look: str = MEASURED,
) -> list[Row]:
    """Open every file once, in parallel, and tell what it is.

    Args:
        paths: The files.
        spans: Offset and length of each image in its file; empty for whole files.
        cache: Folder where rows are kept; a file of the same path, size and time is
            not opened again. None keeps nothing.
        max_pixels: Height times width of a picture, at most.
        joins: Whether many parts of the cache become one: not where other processes
            are about to read them.
        look: How closely; see `inspect_file.examine`. Scores and thumbnails take half
            of the time of a photograph; what is not `MEASURED` may not be kept.

    Returns:
        One row a file, in the order of `paths`; nothing is raised for a bad one.

    Raises:
        TemporaryError: A store or a drive could not be reached.
    """
    ledger = Ledger(cache / f"audit-{RULES}-{max_pixels}") if cache else None
    spans = spans or [(0, 0)] * len(paths)
    places = [(remote.absolute(path), start) for path, (start, _) in zip(paths, spans)]
    known = ledger.read(places, joins=joins) if ledger else {}
    # The images of a shard come one after the other: it is asked for its time once.
    state = functools.lru_cache(maxsize=16)(_state)

    def unchanged(row: Row | None, length: int) -> bool:
        return (
            row is not None
            and row.length == length
            and state(row.path) == (row.size, row.mtime_ns, row.ctime_ns)
        )

    rows = [known.get(place) for place in places]
    open_ = [i for i, row in enumerate(rows) if not unchanged(row, spans[i][1])]
    if open_:
        jobs = [(os.fspath(paths[i]), *spans[i], max_pixels, look) for i in open_]
        _fill(rows, open_, jobs, ledger)
    return [row for row in rows if row is not None]


def _fill(
    rows: list[Row | None],
    positions: Sequence[int],
    jobs: Sequence[scan_workers.Job],
    ledger: Ledger | None,
) -> None:
    """Fill in the rows of some files, and keep each of them before long."""
    fresh: deque[Row] = deque()
    count = len(positions)
    # A few large pictures have a core each.
    together = max(1, min(TOGETHER, count // (4 * hardware.cores())))
    others = scan_workers.fitting(count) if count >= PROCESSES_FROM else 0

    def fill(start: int) -> int:
        part = slice(start, start + together)
        answers: Iterable[Row] | None = workers.look(jobs[part]) if workers else None
        if answers is None:
            answers = (
                examine(_as_path(path), max_pixels, offset, length, look)
                for path, offset, length, max_pixels, look in jobs[part]
            )
        for i, row in zip(positions[part], answers):
            rows[i] = row
            if row.sha256 and not image_formats.is_for_now(row.reason):
                fresh.append(row)
        return len(jobs[part])

    def keep() -> None:
        if ledger:
            ledger.add([fresh.popleft() for _ in range(len(fresh))])

    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress.bar(count, "audit", "file"))
        workers = scan_workers.Processes(others) if others else None
        if workers:
            stack.enter_context(workers)
        pool = stack.enter_context(ThreadPoolExecutor(hardware.cores()))
        since = time.monotonic()
        try:
            for done in pool.map(fill, range(0, count, together)):
                bar.update(done)
                if time.monotonic() - since > KEEP_SECONDS:
                    keep()
                    since = time.monotonic()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            keep()


def _as_path(path: str) -> Path | str:
    """Return a local file as a path; a URL as it is, whose slashes one would change."""
    return path if remote.is_remote(path) else Path(path)


def _state(path: str) -> tuple[int, int, int] | None:
    """Return what tells that a file is another one: its size, and the two times.

    None of what is not there, and of a URL: that is read again.
    """
    try:
        now = os.stat(path)
    except OSError:
        return None
    return now.st_size, now.st_mtime_ns, now.st_ctime_ns


def changed(row: Row) -> bool:
    """Tell whether a file is another one than that which was looked at."""
    now = _state(row.path)
    # Reading says why there is none.
    return now is not None and now[:2] != (row.size, row.mtime_ns)


def gone_bad(path: str, reason: str) -> UserError:
    """Return the error for a file that could be read when it was audited."""
    return UserError(
        f"{remote.shown(path)}: {reason}. It was readable during the audit. Run the "
        "same command again."
    )


def quarantine(
    rows: Sequence[Row], ids: Sequence[str], max_bad_fraction: float
) -> tuple[np.ndarray, list[tuple[str, Row]]]:
    """Return indices of usable files, and id and row of others.

    Raises:
        UserError: A larger share of them than `max_bad_fraction` is bad, or none good.
    """
    bad = [(name, row) for name, row in zip(ids, rows) if row.reason]
    good = np.array([i for i, row in enumerate(rows) if not row.reason], np.int64)
    if len(bad) > max_bad_fraction * len(rows) or not len(good):
        reasons = Counter(row.reason.split(":")[0] for _, row in bad)
        counts = ", ".join(f"{count} x {why}" for why, count in reasons.most_common(5))
        first = "; ".join(f"{row.path}: {row.reason}" for _, row in bad[:3])
        raise UserError(
            f"{len(bad)} of {len(rows)} files cannot be used ({counts}), more than "
            f"--data.max_bad_fraction {max_bad_fraction:g}. First: {first}. Repair or "
            f"remove them, or raise the limit."
        )
    return good, bad
