"""Which settings a training on held features has, by what these were computed with."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfpipeline.config import DataSettings, ModelSettings, RunSettings
from tfpipeline.config.model import NETWORK
from tfpipeline.core import console
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.shards import reading
from tfpipeline.shards.plan import Plan
from tfpipeline.shards.reading import FLAG


def settle(settings: RunSettings) -> RunSettings:
    """Return settings whose network is that of `data.features`, where those are given.

    Raises:
        UserError: A setting needs pictures, or differs from what was embedded.
    """
    if settings.data.features is None:
        return settings
    _check(settings)
    plan = reading.open_plan(Path(settings.data.features))
    request = plan.request
    model = dataclasses.replace(settings.model, **_network(settings, plan))
    usual = DataSettings()
    data = dataclasses.replace(
        settings.data,
        resize=_own(settings.data, usual, "data.resize", request["resize"]),
        range=_own(settings.data, usual, "data.range", request["range"]),
    )
    train = dataclasses.replace(
        settings.train, from_scratch=False, engine="tensorflow", precision="float32"
    )
    return dataclasses.replace(settings, model=model, data=data, train=train)


def _check(settings: RunSettings) -> None:
    """Refuse what cannot be done without pictures."""
    for flag, value, way in _refused(settings):
        raise UserError(
            f"--{flag} {value} with {FLAG}: it needs the pictures, but only their "
            f"features are read. {way or 'Leave it out'}, or train on the pictures: "
            f"--data.source instead of {FLAG}."
        )


def _refused(settings: RunSettings) -> Iterator[tuple[str, object, str]]:
    """Yield the flags that need pictures, their values, and what to do."""
    data, train = settings.data, settings.train
    exact = "Features are of float32: leave it out"
    for flag, value, fits, way in (
        ("data.augmentation", data.augmentation, ("none",), ""),
        ("data.views", data.views, (0,), ""),
        ("data.group", data.group, ("exact", "none"), "Say exact"),
        ("data.batch_size", data.batch_size, (), "Give a number"),
        ("fine_tune.epochs", settings.fine_tune.epochs, (0,), ""),
        ("robust.method", settings.robust.method, ("none",), ""),
        ("train.from_scratch", train.from_scratch, (None, False), ""),
        ("train.engine", train.engine, ("auto", "tensorflow"), ""),
        ("train.precision", train.precision, ("auto", "float32"), exact),
    ):
        is_fine = value in fits or (not fits and value != "auto")
        if not is_fine:
            yield flag, value, way
    is_table = Path(data.source).is_file()
    if data.target not in (None, targets.SINGLE) and not is_table:
        way = "List path and labels in a CSV, --data.source FILE.csv"
        yield "data.target", data.target, way


def _network(settings: RunSettings, plan: Plan) -> dict[str, Any]:
    """Return the settings of the network that has computed the features."""
    request, known = plan.request, plan.named.get("model")
    if "size" not in request:
        raise UserError(
            f"{FLAG} {settings.data.features}: expected features of a run or of a "
            "network of Keras. These are of a SavedModel, which has no layers that a "
            "head can be trained on. Embed the pictures with --run RUN, the run that "
            "was exported."
        )
    if known is None:
        # Of an earlier version, which kept its digest alone: see `Held.check`.
        return {"image_size": settings.model.image_size or request["size"][0]}
    if known["weights"] == "none" and "run" not in plan.named:
        raise UserError(
            f"{FLAG} {settings.data.features}: expected features of a network with "
            f"weights. These are of {known['backbone']} with random ones, which no "
            "model can have again. Embed the pictures with --model.weights or --run."
        )
    usual = ModelSettings()
    return {
        name: _own(settings.model, usual, f"model.{name}", known[name])
        for name in NETWORK
    }


def _own(given: object, usual: object, flag: str, known: Any) -> Any:
    """Return what was embedded with; refuse to be given anything else."""
    name = flag.rpartition(".")[2]
    value = getattr(given, name)
    if value not in (getattr(usual, name), known):
        raise UserError(
            f"--{flag} {value} with {FLAG}: expected {known}, with which they were "
            f"computed. Leave it out, or embed the pictures with --{name} {value}."
        )
    if value not in (known, None, "auto"):
        console.note(f"--{flag}: {known}, as the features")
    return known
