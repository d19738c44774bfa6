"""Apache Beam hands out the shards: their numbers travel, and no pixel does.

A worker reads the list of a shard's pictures in the plan, and writes the shard beside
it: all of them see the folder of the output. A bundle that Beam tries again finds the
shards that are there, and computes those that are not.
"""

import contextlib
import fcntl
import logging
import os
import shlex
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.utils.shared import Shared

from tfpipeline.config.beam import BeamSettings
from tfpipeline.core import console, hardware, startup
from tfpipeline.core.errors import TemporaryError, UserError, suggest
from tfpipeline.shards import work
from tfpipeline.shards.plan import Plan

# Runs in this process, or in several that it starts. `DirectRunner` is not named: it
# may choose Prism, which is a program of its own that is downloaded.
RUNNER = "FnApiRunner"

NAMESPACE = "tfpipeline"
COUNTED = ("pictures", "bytes", "errors", "milliseconds", "shards")


class Opening:
    """A job that is opened once in each process, whatever number of threads ask for it.

    Args:
        open_job: From settings to the job; a function of a module.
        settings: Of the command.
    """

    def __init__(self, open_job: Callable[[Any], work.Job], settings: Any) -> None:
        self._open, self._settings = open_job, settings
        self._shared, self._driver = Shared(), os.getpid()
        self.name, self.cores = uuid.uuid4().hex, 0

    @property
    def is_elsewhere(self) -> bool:
        """Whether this is a process that a runner has started."""
        return os.getpid() != self._driver

    def job(self) -> work.Job:
        """Return the job of this process."""
        return self._shared.acquire(self._begin)

    def _begin(self) -> work.Job:
        if self.is_elsewhere:
            startup.own_process()
            _keep_to(_cores_of(self.name, self.cores))
        return self._open(self._settings)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Show no progress but in the process that was started by the user."""
        with contextlib.ExitStack() as stack:
            if self.is_elsewhere:
                stack.enter_context(console.set_mode(quiet=True))
            yield


class ComputeShards(beam.DoFn):
    """From the number of a shard to its files; yields what it counted.

    Args:
        plan: Lists the pictures.
        opening: Of the job.
    """

    def __init__(self, plan: Plan, opening: Opening) -> None:
        self._plan, self._opening = plan, opening

    def setup(self) -> None:
        """Load the model where no other instance of this process has done it."""
        self._job = self._opening.job()
        self._job.begin(self._plan)

    def process(self, shard: int) -> Iterator[int]:
        """Compute a shard, unless it is there; wait for one that is being computed."""
        start = time.monotonic()
        with self._opening.quiet():
            content = work.compute_one(self._plan, shard, self._job.compute, waits=True)
        if content is not None:
            counts = (
                *(len(content.rows), content.bytes_read, content.errors),
                *(round((time.monotonic() - start) * 1000), 1),
            )
            for name, count in zip(COUNTED, counts):
                Metrics.counter(NAMESPACE, name).inc(count)
        yield shard


def run(plan: Plan, opening: Opening, settings: BeamSettings) -> dict[str, int]:
    """Compute the shards of a plan that are not there, and return what was counted.

    Raises:
        UserError: The pipeline failed, or Beam does not know an option.
    """
    options = _options(settings)
    count = options.view_as(DirectOptions).direct_num_workers or hardware.cores()
    opening.cores = settings.cores or -(-hardware.cores() // count)
    missing = work.summary(plan)["missing"]
    path = os.pathsep.join(name for name in sys.path if name)
    with _environment("PYTHONPATH", path), _fewer_logs():
        try:
            pipeline = beam.Pipeline(options=options)
            _ = (
                pipeline
                | "Shards" >> beam.Create(missing, reshuffle=False)
                | "Spread" >> beam.Reshuffle()
                | "Compute" >> beam.ParDo(ComputeShards(plan, opening))
            )
            result = pipeline.run()
            result.wait_until_finish()
        except UserError:
            raise
        except Exception as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            # From another process only its words come.
            kinds = TemporaryError.__name__, work.NotNow.__name__
            passes = any(kind in line for line in lines for kind in kinds)
            kind = TemporaryError if passes else UserError
            raise kind(
                f"--runner beam: the pipeline failed: {lines[-1] if lines else error!r}"
                "\nShards that are done stay: give the same command again."
            ) from error
        finally:
            for file in _places().glob(f"tfpipeline-{opening.name}-*"):
                file.unlink(missing_ok=True)
    found = result.metrics().query(
        beam.metrics.MetricsFilter().with_namespace(NAMESPACE)
    )
    counted = dict.fromkeys(COUNTED, 0)
    for counter in found["counters"]:
        counted[counter.key.metric.name] += counter.committed or 0
    return counted


def _options(settings: BeamSettings) -> PipelineOptions:
    try:
        words = shlex.split(settings.options)
        options = PipelineOptions(words)
        options.view_as(StandardOptions).runner = (
            options.view_as(StandardOptions).runner or RUNNER
        )
    except (ValueError, SystemExit) as error:
        raise UserError(
            f"--beam.options {settings.options!r}: expected options of Apache Beam, as "
            f'"--runner=FnApiRunner --direct_num_workers=2". {error}'
        ) from None
    if unknown := [w for w in words if not w.startswith("-")]:
        raise UserError(
            f"--beam.options: expected words like --NAME=VALUE. Received: {unknown[0]}."
        )
    if options.view_as(StandardOptions).runner == RUNNER:
        # Others hand on what they do not know, and what takes it may refuse it.
        _check_known(options)
    return options


def _check_known(options: PipelineOptions) -> None:
    """Refuse options that Beam leaves out with a warning."""
    known = options.get_all_options()
    for name in options.get_all_options(retain_unknown_options=True):
        if name not in known:
            near = suggest(f"--{name}", [f"--{each}" for each in known])
            raise UserError(
                f"--beam.options: expected options that Apache Beam knows. Received: "
                f"--{name}.{near}"
            )


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set a variable for the processes that a runner starts."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextlib.contextmanager
def _fewer_logs() -> Iterator[None]:
    """Leave out what runners say of each step: only warnings and errors are shown."""
    logger = logging.getLogger("apache_beam")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _cores_of(name: str, count: int) -> list[int]:
    """Return the cores of this process: the first free place of those of a machine.

    A place is a file that is locked until the process ends.
    """
    mine = sorted(getattr(os, "sched_getaffinity", lambda _: range(1))(0))
    places = max(1, len(mine) // max(1, count))
    for place in range(places):
        file = _places() / f"tfpipeline-{name}-{place}"
        held = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            continue
        return mine[place * count : (place + 1) * count] or mine
    return mine[:count] or mine


def _places() -> Path:
    return Path(tempfile.gettempdir())


def _keep_to(cores: list[int]) -> None:
    """Keep every thread of this process, and those that they start, to some cores."""
    with contextlib.suppress(OSError, AttributeError):
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), cores)
