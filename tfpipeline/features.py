"""VERB: from photographs to what each layer of a network extracts from them."""

from __future__ import annotations

import functools
import sys
from typing import Any

from tfpipeline import atomic, cli, images, manifest, results, terminal
from tfpipeline.config_synthesis import FeaturesSettings
from tfpipeline.errors import check_each, unknown

RESULT = "features.json"


def features(settings: FeaturesSettings) -> dict[str, Any]:
    """Show what each layer extracts from photographs, and what speaks for a class."""
    phases = manifest.Phases()
    output = results.new_result(settings.output, RESULT, overwrite=settings.overwrite)
    check_each(
        "",
        settings,
        {
            "layer_count": ("at least 1", settings.layer_count >= 1),
            "top": ("at least 1", settings.top >= 1),
            "steps": ("at least 0", settings.steps >= 0),
        },
    )
    if settings.resize not in (None, *images.RESIZES):
        raise unknown("--resize", str(settings.resize), images.RESIZES)
    from tfpipeline.data import folders

    paths = folders.named_files(settings.images)
    taken = {"channels"}
    every = [f"{results.own_name(path, taken)}/" for path in paths]
    output.check([*every, "channels/", results.PAGE], paths)
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.report import result_page
        from tfpipeline.workflow import agreement, channels, looking, networks, telling

        strategy = distribution.start(settings.distribute, "float32", settings.seed)
    losing_nobody = functools.partial(
        distribution.losing_nobody, strategy, "it starts again"
    )
    with phases("build"), losing_nobody(), strategy.scope():
        agreement.check_settings(strategy, settings)
        named = all(word.isdecimal() for word in settings.classes)
        network = networks.open_network(
            settings.run, settings.model, names_needed=not named
        )
        agreement.check_weights(strategy, [network.model])
        wish = looking.wish(settings, network)
    how = settings.resize or network.resize
    with losing_nobody(), distribution.jointly(strategy):
        good, bad = looking.photographs(paths, network, how)
        telling.check_some(good, bad)
    with phases("ascent"), losing_nobody():
        made = channels.ideal_images(network, wish, settings, strategy)
    if not distribution.is_chief(strategy):
        return {}
    looker, folder = looking.Looker(network, wish, settings.seed), output.folder
    with output.recording():
        with phases("look"):
            items, scores = telling.write_photographs(
                folder, looker, good, settings.top
            )
            ideals = telling.write_channels(folder, good, scores, made)
        result = telling.result(network, items, ideals, bad)
        result["summary"] |= manifest.of_result(phases, settings.seed)
        atomic.write_json(folder / RESULT, result)
        page = result_page.attempt(folder)
    terminal.close(telling.closing_words(result, folder, page))
    return result | {"written": terminal.written(folder, page)}


if __name__ == "__main__":
    sys.exit(cli.main(features, FeaturesSettings))
