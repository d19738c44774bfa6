"""From photographs to what each layer of a network extracts from them."""

from __future__ import annotations

import functools
from typing import Any

from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import console, file_io, image_io, provenance, result_dir, startup
from tfpipeline.core.errors import check_each, unknown
from tfpipeline.models import registry

RESULT = "features.json"


def features(settings: FeaturesSettings) -> dict[str, Any]:
    """Show what each layer extracts from photographs, and explain predictions."""
    phases = provenance.Phases()
    registry.check(settings.model)
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    check_each(
        "",
        settings,
        {
            "layer_count": ("at least 1", settings.layer_count >= 1),
            "top": ("at least 1", settings.top >= 1),
            "steps": ("at least 0", settings.steps >= 0),
        },
    )
    if settings.resize not in (None, *image_io.RESIZES):
        raise unknown("--resize", str(settings.resize), image_io.RESIZES)
    from tfpipeline.data.sources import listing

    paths = listing.named_files(settings.images)
    taken = {"channels"}
    every = [f"{result_dir.own_name(path, taken)}/" for path in paths]
    output.check([*every, "channels/", result_dir.PAGE], paths)
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.features import channels, layer_maps, writer
        from tfpipeline.models import load_network, worker_agreement
        from tfpipeline.report import result_page

        strategy = distribute.start(settings.distribute, "float32", settings.seed)
    losing_nobody = functools.partial(
        distribute.losing_nobody, strategy, "it starts again"
    )
    with phases("build"), losing_nobody(), strategy.scope():
        worker_agreement.check_settings(strategy, settings)
        named = all(word.isdecimal() for word in settings.classes)
        network = load_network.open_network(
            settings.run,
            settings.model,
            names_needed=not named,
            pictures=paths,
            max_pixels=settings.max_pixels,
        )
        worker_agreement.check_weights(strategy, [network.model])
        inspector = layer_maps.Inspector(settings, network)
    how = settings.resize or network.resize
    with losing_nobody(), distribute.jointly(strategy):
        good, bad = layer_maps.photographs(paths, network, how, settings.max_pixels)
        writer.check_readable(good, bad)
    with phases("ascent"), losing_nobody():
        ideals = channels.ideal_images(network, inspector.channels, settings, strategy)
    if not distribute.is_chief(strategy):
        return {}
    folder = output.folder
    with output.recording():
        with phases("look"):
            items, scores = writer.write_photographs(
                folder, inspector, good, settings.top
            )
            sheets = writer.write_channels(folder, good, scores, ideals)
        result = writer.result(network, items, sheets, bad)
        result["summary"] |= provenance.of_result(phases, settings.seed)
        file_io.write_json(folder / RESULT, result)
        page = result_page.attempt(folder)
    console.close(writer.closing_words(result, folder, page))
    return result | {"written": console.written(folder, page)}
