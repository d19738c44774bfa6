"""Several processes of this machine at the same shards, each with cores of its own."""

import contextlib
import dataclasses
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfpipeline import cli
from tfpipeline.core import progress
from tfpipeline.core.errors import TemporaryError, UserError
from tfpipeline.core.stores import Place
from tfpipeline.shards import plan as plans

# How often is looked whether processes have ended; and, of these times, whether there
# are more shards behind a URL, which is a request for each thousand.
_LOOK_SECONDS, _LOOKS = 0.5, 20


def run(command: str, settings: Any, output: Path | Place) -> None:
    """Run a command in `settings.workers` processes until all of them have ended.

    Raises:
        UserError: One of them ended badly; its message is in front of the others'.
    """
    count = settings.workers
    words = [sys.executable, "-m", f"tfpipeline.{command}", "--quiet", "--config"]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        logs = [Path(folder) / f"{number}.log" for number in range(count)]
        before = _plan(output) if settings.overwrite else b""
        started: list[subprocess.Popen[bytes]] = []
        try:
            for number, (log, cores) in enumerate(zip(logs, _cores(count))):
                file = log.with_suffix(".yaml")
                file.write_text(cli.dump(_alone(settings, output, number)), "utf-8")
                started.append(stack.enter_context(_start([*words, str(file)], log)))
                with contextlib.suppress(OSError, AttributeError):
                    os.sched_setaffinity(started[-1].pid, cores)
                if not number and not _has_planned(started[0], output, before):
                    break
            _watch(started, output)
        finally:
            for process in started:
                if process.poll() is None:
                    process.terminate()
        codes = [process.wait() for process in started]
        _check(codes, logs)


def _alone(settings: Any, output: Path | Place, number: int) -> Any:
    """Return the settings of one of several processes."""
    alone = dataclasses.replace(settings, workers=1)
    if not isinstance(output, Place):
        return alone
    # Nobody can lock a shard or a plan there: each has its part, and the first plans.
    part = {"part": str(number), "parts": settings.workers}
    replaces = settings.overwrite and not number
    return dataclasses.replace(alone, **part, overwrite=replaces)


def _plan(output: Path | Place) -> bytes:
    """Return the plan behind a URL as it is written; empty where there is none."""
    with contextlib.suppress(FileNotFoundError):
        return (output / plans.PLAN).read_bytes() if isinstance(output, Place) else b""
    return b""


def _has_planned(
    first: subprocess.Popen[bytes], output: Path | Place, before: bytes
) -> bool:
    """Wait until a process has planned behind a URL; tell whether it has not failed.

    A plan that was there `before` is replaced; or it is of the same work, and another
    shard of it is there.
    """
    if not isinstance(output, Place):
        return True
    there = _done(output)
    while (code := first.poll()) is None:
        now = _plan(output)
        if now and (now != before or _done(output) - there):
            return True
        time.sleep(_LOOK_SECONDS)
    return code == 0


def _done(output: Place) -> set[str]:
    return {name for name in output.names() if name.endswith(".done.json")}


def _check(codes: Sequence[int], logs: Sequence[Path]) -> None:
    """Raise what made processes fail; what may pass by itself only if all is that."""
    passing = TemporaryError.exit_code
    # What has to be mended is told first.
    failed = sorted((code == passing, n) for n, code in enumerate(codes) if code)
    if not failed:
        return
    text = logs[failed[0][1]].read_text(encoding="utf-8", errors="replace")
    kind = TemporaryError if failed[0][0] else UserError
    raise kind(
        f"{len(failed)} of {len(codes)} processes failed: "
        f"{text.strip().removeprefix('error: ') or 'killed'}\nFinished shards "
        "are kept: run the same command again."
    )


def _start(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that finds this package as this one did."""
    path = os.pathsep.join(name for name in sys.path if name)
    with open(log, "wb") as file:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, "PYTHONPATH": path},
        )


def _cores(count: int) -> list[list[int]]:
    """Return the cores of each of several processes, the same number for each."""
    mine = sorted(getattr(os, "sched_getaffinity", lambda _: {0})(0))
    return [mine[n % len(mine) :: count] or [mine[n % len(mine)]] for n in range(count)]


def _watch(started: Sequence[subprocess.Popen[bytes]], output: Path | Place) -> None:
    """Show how many shards are there until every process has ended."""
    plan = None
    with contextlib.ExitStack() as stack:
        bar, looks = None, itertools.count(1)
        while any(process.poll() is None for process in started):
            time.sleep(_LOOK_SECONDS)
            if next(looks) % _LOOKS and not isinstance(output, Path):
                continue
            if plan is None and (output / plans.PLAN).is_file():
                plan = plans.read(output)
                bar = stack.enter_context(
                    progress.bar(plan.shards, "shards", "shard", initial=_there(plan))
                )
            if plan is not None and bar is not None:
                bar.update(_there(plan) - bar.n)


def _there(plan: plans.Plan) -> int:
    if isinstance(plan.folder, Path):
        return sum(plan.done(number).is_file() for number in range(plan.shards))
    return len({plan.done(n).name for n in range(plan.shards)} & {*plan.folder.names()})
