"""Shards are computed: by this process, beside others, or by several of its own."""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.config import AuditSettings, PredictSettings
from tfpipeline.config.beam import BEAM, RUNNERS
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core import file_io, image_formats, progress, stores
from tfpipeline.core.errors import TemporaryError, UserError, check_each, unknown
from tfpipeline.core.stores import Place
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.shards import locks, parquet
from tfpipeline.shards import plan as plans
from tfpipeline.shards.plan import INDEX, Plan

# By scheduler: the variable with the number of a task, with the first of these, with
# the step from one to the next, and with how many tasks there are, where it says so.
_SCHEDULERS = (
    (
        *("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
        "SLURM_ARRAY_TASK_COUNT",
    ),
    ("JOB_COMPLETION_INDEX", "", "", ""),  # Kubernetes, an indexed job.
    ("AWS_BATCH_JOB_ARRAY_INDEX", "", "", "AWS_BATCH_JOB_ARRAY_SIZE"),
)


@dataclass(frozen=True)
class Content:
    """What a shard holds.

    Args:
        header: Names of the columns; the last one is of errors, where there are any.
        rows: One a picture, in the order of the plan.
        errors: How many of them have no answer.
        vectors: Of those that have one, in order; None where rows are all.
        bytes_read: Of all files.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    errors: int
    vectors: np.ndarray | None = None
    bytes_read: int = 0


# From the pictures of a shard to its content: the same for the same pictures.
Compute = Callable[[list[Picture]], Content]


class NotNow(TemporaryError):
    """A picture of a shard may be read where there is more memory."""


@dataclass(frozen=True)
class Job:
    """What is done with the pictures of any shard.

    Args:
        about: Everything that a row depends on, save the picture; plain JSON.
        compute: Does it.
        named: How the network was named, on which no row depends.
        words: That name the pictures; None is the setting `images`.
        listed: Gives the pictures of the words, where `data.sources.pictures` does not.
        begin: Is told the plan before any of its shards is computed, by each process
            and thread.
    """

    about: Mapping[str, Any]
    compute: Compute
    named: Mapping[str, Any] = field(default_factory=dict)
    words: Sequence[str] | None = None
    listed: Callable[[], Iterator[Picture]] | None = None
    begin: Callable[[Plan], object] = field(default=lambda plan: None)


def check(
    settings: EmbedSettings | PredictSettings | AuditSettings,
    *positive: str,
    folder: Path | Place | None = None,
) -> tuple[int, int]:
    """Return the share of this process, and how many there are; see `share`.

    Args:
        settings: Of the command.
        positive: Names of its settings that are at least 1.
        folder: Of the shards (default: `settings.output`).

    Raises:
        UserError: The settings do not go together, one of them or of the `positive` is
            below 1, or the folder is not one for shards.
    """
    names = "shard_images", "workers", *positive
    check_each(
        "", settings, {n: ("at least 1", getattr(settings, n) >= 1) for n in names}
    )
    if settings.runner not in RUNNERS:
        raise unknown("--runner", settings.runner, RUNNERS)
    own = share(settings.part, settings.parts, os.environ)
    if settings.workers > 1 and own != (0, 1):
        raise UserError(
            "--workers with --part: expected one of them. A task of a job array is "
            "one process; --workers starts several on this machine."
        )
    if settings.runner == BEAM and (settings.workers > 1 or own != (0, 1)):
        raise UserError(
            "--runner beam with --workers or --part: expected one of them. Beam has "
            'workers of its own: --beam.options "--direct_num_workers=2 ...".'
        )
    folder = folder or stores.of("--output", str(settings.output))
    if settings.workers > 1 and str(folder).startswith("memory:"):
        raise UserError(
            f"--output {folder} with --workers: expected a folder that other processes "
            "see. This one is in the memory of one process."
        )
    plans.check(folder)
    return own


def share(part: str, parts: int, environment: Mapping[str, str]) -> tuple[int, int]:
    """Return which share of all shards is this process's, and how many there are.

    Args:
        part: From 0 to below `parts`; `auto` is what the scheduler says.
        parts: Shares in all; 0 is what the scheduler says, or else 1.
        environment: Of the process.
    """
    own: int | None = None
    if part == "auto":
        for name, first, step, size in _SCHEDULERS:
            if name in environment:
                begin = _number(environment, first)
                own = _number(environment, name) - begin
                own //= max(1, _number(environment, step))
                parts = parts or _number(environment, size)
                break
        if own is None:
            known = ", ".join(name for name, *_ in _SCHEDULERS)
            raise UserError(
                f"--part auto: expected one of {known} in the environment, as in a job "
                "array. Found none. Give a number from 0 and --parts."
            )
    elif part.isdecimal():
        own = int(part)
    count = parts or (0 if part == "auto" or own else 1)
    if own is None or not 0 <= own < count:
        raise UserError(
            "--part: expected a number from 0 to below --parts, or auto. Received: "
            f"--part {part} --parts {parts}."
        )
    return own, count


def _number(environment: Mapping[str, str], name: str) -> int:
    """Return a number that a scheduler has set, 0 where it has not."""
    text = environment.get(name, "0")
    try:
        return int(text)
    except ValueError:
        raise UserError(
            f"--part auto: expected a number in {name}. Received: {text!r}. Give "
            "--part and --parts."
        ) from None


def compute_all(
    plan: Plan, compute: Compute, own: tuple[int, int] = (0, 1), title: str = "shards"
) -> None:
    """Compute the shards of a share that are not there yet.

    Another process may be at the same share: a shard that it is at is left to it.

    Raises:
        NotNow: A shard has a picture for which there is no memory now; the others of
            the share are there.
    """
    plans.sweep(plan.folder)
    number, count = own
    mine = range(number, plan.shards, count)
    later: NotNow | None = None
    for shard in progress.over(mine, title, "shard"):
        with contextlib.suppress(locks.Busy):
            try:
                compute_one(plan, shard, compute, waits=False)
            except NotNow as error:
                later = later or error
    if later is not None:
        raise later


def compute_one(
    plan: Plan, shard: int, compute: Compute, *, waits: bool
) -> Content | None:
    """Compute a shard and return its content; None where it is there already.

    Raises:
        Busy: Another process is at it, and `waits` is not set.
        NotNow: It has a picture for which there is no memory now; it is not written.
    """
    if plan.finished(shard) is not None:
        return None
    with locks.locked(plan.lock(shard), waits=waits):
        if plan.finished(shard) is not None:
            return None
        content = compute(plan.pictures(shard))
        _check_now(content)
        # Another command may have replaced the plan meanwhile.
        if plans.read(plan.folder).request != plan.request:
            raise UserError(
                f"--output {plan.folder}: the plan was replaced while this command "
                "ran, and nothing more is written here. Choose another folder, or "
                "stop the command that replaced it."
            )
        _write(plan, shard, content)
    return content


def _check_now(content: Content) -> None:
    """Refuse rows that would be others in a process with more memory."""
    for name, *_, reason in content.rows if content.header[-1] == "error" else ():
        if image_formats.is_for_now(str(reason)):
            raise NotNow(
                f"{name}: {reason}. Its shard is not written. Give the same command "
                "again where more memory is free, or lower max_pixels, which makes "
                "such pictures errors everywhere."
            )


def _write(plan: Plan, shard: int, content: Content) -> None:
    """Write a shard; what says that it is whole comes last."""
    files = _encode(plan, content)
    for ending, data in files.items():
        file_io.write_bytes(plan.file(shard, ending), data)
    done = {
        "images": len(content.rows),
        "errors": content.errors,
        "request": plan.digest,
        "sha256": {k: hashlib.sha256(data).hexdigest() for k, data in files.items()},
    }
    file_io.write_json(plan.done(shard), done)


def _encode(plan: Plan, content: Content) -> dict[str, bytes]:
    """Return the files of a shard by their endings."""
    if plan.request.get("format") == parquet.ENDING and content.vectors is not None:
        parts = content.header, content.rows, content.vectors
        return {parquet.ENDING: parquet.encode(*parts, plan.request)}
    text = io.StringIO(newline="")
    file_io.write_rows(text, [content.header, *content.rows])
    files = {"csv": text.getvalue().encode("utf-8", "surrogateescape")}
    if content.vectors is not None:
        array = io.BytesIO()
        np.save(array, content.vectors)
        files["npy"] = array.getvalue()
    return files


def finished(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield what each shard that is there says of itself, in order."""
    for number, done in enumerate(plan.all_finished(range(plan.shards))):
        if done is not None:
            yield {"shard": number, **done}


def summary(plan: Plan) -> dict[str, Any]:
    """Return `images`, `errors`, `shards` that are there, and the `missing` ones."""
    return _summed(plan, list(finished(plan)))


def _summed(plan: Plan, shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    numbers = {done["shard"] for done in shards}
    return {
        "images": sum(done["images"] for done in shards),
        "errors": sum(done["errors"] for done in shards),
        "shards": len(numbers),
        "missing": [n for n in range(plan.shards) if n not in numbers],
    }


def end(plan: Plan) -> dict[str, Any]:
    """Return the summary, `count` of the pictures and `of` the shards of the plan.

    The index is written once every shard is there.
    """
    shards = list(finished(plan))
    result = _summed(plan, shards)
    if not result["missing"]:
        write_index(plan, shards)
    return {**result, "count": plan.images, "of": plan.shards}


def write_index(plan: Plan, shards: Sequence[Mapping[str, Any]]) -> None:
    """Write what is in which shard; of the same shards it has the same bytes."""
    with locks.telling(plan.folder, INDEX):
        request = dict(plan.request)
        # Plans of earlier versions have what is secret.
        request["images"] = plans.shown(request.get("images"))
        content = {"request": request, "count": plan.images}
        file_io.write_json(plan.folder / INDEX, {**content, "shards": shards})


def numbers_in_words(numbers: Iterable[int]) -> str:
    """Return numbers as ranges: `0-3, 7`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)
