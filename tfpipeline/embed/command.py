"""From pictures to shards of features, by any number of processes."""

from __future__ import annotations

from typing import Any

from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core import console, image_io, startup, stores
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.models import registry
from tfpipeline.models.engines import names
from tfpipeline.report.closing import closing
from tfpipeline.shards import driving, parquet
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work

_FORMATS = ("numpy", parquet.ENDING)


def embed(settings: EmbedSettings) -> dict[str, Any]:
    """Compute the features of pictures, in shards with one row per picture."""
    own = _check(settings)
    output = stores.of("--output", str(settings.output))
    plan, counted = driving.run("embed", settings, own, open_job)
    content = work.end(plan)
    console.close(
        closing(
            "embed",
            output,
            plans.INDEX,
            result=content,
            request=plan.request,
            missing=work.numbers_in_words(content["missing"]),
        )
    )
    more = {"counted": counted} if counted else {}
    return content | more | {"written": console.written(output, None)}


def open_job(settings: EmbedSettings) -> work.Job:
    """Return what is done with the pictures of any shard."""
    with startup.quiet_start():
        from tfpipeline.embed import exported, network

        version = exported.version_of(settings)
        embedder: network.Embedder | exported.Embedder
        if version is None:
            embedder = network.open_embedder(settings)
        else:
            embedder = exported.open_embedder(version, settings)
    about = {"command": "embed", **embedder.about()}
    if settings.format != _FORMATS[0]:
        about["format"] = settings.format
    return work.Job(about, embedder.compute, embedder.named, begin=embedder.begin)


def _check(settings: EmbedSettings) -> tuple[int, int]:
    """Refuse what cannot be done before anything heavy is imported."""
    if settings.output is None:
        raise UserError("--output: expected a folder for the shards.")
    if settings.run is None:
        registry.check(settings.model)
    if settings.dtype not in ("float32", "float16"):
        raise unknown("--dtype", settings.dtype, ("float32", "float16"))
    if settings.format not in _FORMATS:
        raise unknown("--format", settings.format, _FORMATS)
    if settings.format == parquet.ENDING:
        parquet.check()
    names.check(settings.engine, "--engine")
    if settings.resize not in (None, *image_io.RESIZES):
        raise unknown("--resize", str(settings.resize), image_io.RESIZES)
    return work.check(settings, "batch_size")
