"""Who hands out the shards: this process, several of this machine, or Apache Beam."""

import contextlib
import dataclasses
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tfpipeline.config.beam import BEAM
from tfpipeline.core import console, stores
from tfpipeline.core.errors import UserError
from tfpipeline.core.stores import Place
from tfpipeline.shards import plan as plans
from tfpipeline.shards import processes, work


def run(
    command: str,
    settings: Any,
    own: tuple[int, int],
    open_job: Callable[[Any], work.Job],
    folder: Path | Place | None = None,
) -> tuple[plans.Plan, dict[str, int]]:
    """Compute the shards of a command, and return its plan.

    Args:
        command: Its name, by which `python -m tfpipeline.NAME` starts it.
        settings: Its settings.
        own: The share of this process, and how many shares there are.
        open_job: From the settings to what is done with pictures; a function of a
            module, by whose name other processes find it.
        folder: Of the shards (default: `settings.output`).

    Returns:
        The plan, and what Beam's workers have counted: `pictures`, `bytes`, `errors`,
        `milliseconds` and `shards`; nothing without it.
    """
    output = (folder or stores.of("--output", str(settings.output))).absolute()
    settings = _anywhere(settings)
    if settings.runner == BEAM and importlib.util.find_spec("apache_beam") is None:
        raise UserError(
            "--runner beam: expected Apache Beam to be installed. Do: pip install "
            "'tfpipeline[beam]'."
        )
    before = _whole(output)
    plan, counted = _run(command, settings, own, open_job, output)
    if before is not None and before == _whole(output):
        console.note(
            f"{output}: all shards were there already, and nothing was computed. "
            "Pictures that were added or changed since they were listed are not in "
            "them: for these, choose another folder, or remove this one first"
        )
    return plan, counted


def _run(
    command: str,
    settings: Any,
    own: tuple[int, int],
    open_job: Callable[[Any], work.Job],
    output: Path | Place,
) -> tuple[plans.Plan, dict[str, int]]:
    if settings.workers > 1:
        processes.run(command, settings, output)
        return plans.read(output), {}
    if settings.runner == BEAM:
        with _fewer_logs():
            from tfpipeline.shards import beam
        opening = beam.Opening(open_job, settings)
        plan = _settle(settings, output, opening.job())
        return plan, beam.run(plan, opening, settings.beam)
    job = open_job(settings)
    plan = _settle(settings, output, job)
    job.begin(plan)
    work.compute_all(plan, job.compute, own)
    return plan, {}


def _whole(output: Path | Place) -> plans.Plan | None:
    """Return the plan in a folder if all of its shards are there; else nothing."""
    names = stores.names(output)
    if plans.INDEX not in names:
        return None
    with contextlib.suppress(UserError):
        plan = plans.read(output)
        if plan.shards == sum(name.endswith(".done.json") for name in names):
            return plan
    return None


def _anywhere(settings: Any) -> Any:
    """Return settings that name the same model in any working folder."""
    names = [name for name in ("model", "run") if hasattr(settings, name)]
    given = {name: getattr(settings, name) for name in names}
    local = {
        name: os.path.abspath(value)
        for name, value in given.items()
        if isinstance(value, str) and os.path.exists(value)
    }
    return dataclasses.replace(settings, **local)


@contextlib.contextmanager
def _fewer_logs() -> Iterator[None]:
    """Leave out what Beam's import logs: which clouds it has no packages for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _settle(settings: Any, output: Path | Place, job: work.Job) -> plans.Plan:
    words = settings.images if job.words is None else job.words
    given = words if job.listed is None else plans.Listed(words, job.listed)
    return plans.settle(
        *(output, given, settings.shard_images, job.about),
        overwrite=settings.overwrite,
        named=job.named,
    )
