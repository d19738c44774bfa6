"""VERB: from class names to ideal images: what does a network think that is?"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

from tfpipeline import atomic, cli, manifest, results, terminal
from tfpipeline.config_synthesis import SynthesizeSettings
from tfpipeline.errors import UserError

RESULT = "synthesis.json"


def synthesize(settings: SynthesizeSettings) -> dict[str, Any]:
    """Make the images that excite classes of a network most, and have them judged."""
    phases = manifest.Phases()
    output = results.new_result(settings.output, RESULT, overwrite=settings.overwrite)
    if not settings.classes:
        raise UserError(
            "--classes: expected names or numbers of classes, e.g. --classes "
            '"Siamese cat" zebra 898.'
        )
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.models import naming
        from tfpipeline.report import result_page
        from tfpipeline.workflow import (
            agreement,
            board,
            ideals,
            networks,
            plans,
            showing,
        )

        wanted = plans.chosen_plans(settings)
        strategy = distribution.start(settings.distribute, "float32", settings.seed)
    losing_nobody = functools.partial(
        distribution.losing_nobody, strategy, "it starts again"
    )
    with phases("build"), losing_nobody(), strategy.scope():
        agreement.check_settings(strategy, settings, settings.synthesis.start)
        numbers = all(word.isdecimal() for word in settings.classes)
        network = networks.open_network(
            settings.run, settings.model, names_needed=not numbers
        )
        agreement.check_weights(strategy, [network.model])
        found = naming.find(settings.classes, network.labels, "--classes")
        indices = list(dict.fromkeys(found))
        judges = [networks.open_judge(word) for word in settings.judges]
    chief, seed, folder = distribution.is_chief(strategy), settings.seed, output.folder
    jobs = {
        name: ideals.Job(network, indices, preset, given, seed, strategy, settings.gif)
        for name, (preset, given) in wanted.items()
    }
    places = {name: "." if name == settings.preset else name for name in jobs}
    names = [n for name, job in jobs.items() for n in showing.names(places[name], job)]
    logs = ["logs/"] if settings.tensorboard else []
    start = settings.synthesis.start
    inputs = [] if start is None else [Path(start)]
    both = ["compare.png"] if settings.compare else []
    output.check([*names, *logs, *both, results.PAGE], inputs)
    made: dict[str, list[Any]] = {}
    with output.recording():
        for name, job in jobs.items():
            with phases(f"ascent_{name}"), losing_nobody():
                made[name] = []
                for ideal in ideals.make(job):
                    if chief:
                        kept = showing.save(
                            folder / places[name], ideal, network.labels
                        )
                        made[name].append(kept)
        if not chief:
            return {}
        with phases("judge"):
            result = showing.write(folder, jobs, made, judges)
            if settings.tensorboard:
                board.show_ideals(folder / "logs", made)
        result["summary"] |= manifest.of_result(phases, settings.seed)
        atomic.write_json(folder / RESULT, result)
        page = result_page.attempt(folder)
    terminal.close(showing.closing_words(result, folder, page))
    return result | {"written": terminal.written(folder, page)}


if __name__ == "__main__":
    sys.exit(cli.main(synthesize, SynthesizeSettings))
