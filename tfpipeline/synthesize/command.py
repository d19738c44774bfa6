"""From class names to ideal images: what does a network think that is?"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.core import console, file_io, provenance, result_dir, startup
from tfpipeline.core.errors import UserError
from tfpipeline.models import registry

RESULT = "synthesis.json"


def synthesize(settings: SynthesizeSettings) -> dict[str, Any]:
    """Generate ideal images of classes, and have other networks classify them."""
    phases = provenance.Phases()
    registry.check(settings.model)
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    if not settings.classes:
        raise UserError(
            "--classes: expected names or numbers of classes, e.g. --classes "
            '"Siamese cat" zebra 898.'
        )
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.models import load_network, worker_agreement
        from tfpipeline.report import result_page
        from tfpipeline.synthesize import (
            class_features,
            class_statistics,
            engine,
            generate,
            natural_path,
            presets,
            tensorboard,
            writer,
        )

        chosen = presets.choose_presets(settings)
        strategy = distribute.start(settings.distribute, "float32", settings.seed)
    losing_nobody = functools.partial(
        distribute.losing_nobody, strategy, "it starts again"
    )
    with phases("build"), losing_nobody(), strategy.scope():
        worker_agreement.check_settings(strategy, settings, settings.synthesis.start)
        start = settings.synthesis.start
        numbers = all(word.isdecimal() for word in settings.classes)
        network = load_network.open_network(
            settings.run,
            settings.model,
            names_needed=not numbers,
            pictures=[Path(start)] if start else [],
        )
        worker_agreement.check_weights(strategy, [network.model])
        indices = dict.fromkeys(network.labels.find(settings.classes, "--classes"))
        judges = [load_network.open_judge(word) for word in settings.judges]
        natural = natural_path.files(settings.photographs, settings.run, network.labels)
    chief, seed, folder = distribute.is_chief(strategy), settings.seed, output.folder
    classes, gif = list(indices), settings.gif
    jobs = {
        name: generate.Job(
            *(network, classes, preset, given, seed, strategy, gif),
            class_features.of(preset, given, settings.run, network),
            class_features.weight(preset, given, settings.run, network),
            class_statistics.of(preset, given, settings.run, network, classes),
            engine.is_bfloat16(preset, given, network, strategy, len(classes)),
        )
        for name, (preset, given) in chosen.items()
    }
    places = {name: "." if name == settings.preset else name for name in jobs}
    files = [n for name, job in jobs.items() for n in writer.names(places[name], job)]
    files += ["logs/"] * settings.tensorboard + ["compare.png"] * settings.compare
    sources = [] if start is None else [Path(start)]
    sources += [file for some in natural.files.values() for file in some]
    output.check([*files, result_dir.PAGE], sources)
    for index in dict.fromkeys(i for job in jobs.values() for i in job.directionless):
        console.note(
            f"{network.labels[index]}: the run has no features of photographs of it; "
            "its image goes by its logit alone, without --synthesis.class_features"
        )
    ideals: dict[str, list[Any]] = {}
    with output.recording():
        for name, job in jobs.items():
            with phases(f"ascent_{name}"), losing_nobody():
                ideals[name] = []
                for ideal in generate.make(job):
                    if chief:
                        kept = writer.save(folder / places[name], ideal, network.labels)
                        ideals[name].append(kept)
        if not chief:
            return {}
        with phases("judge"):
            result = writer.write(folder, jobs, ideals, judges, natural)
            if settings.tensorboard:
                tensorboard.show_ideals(folder / "logs", ideals)
        result["summary"] |= provenance.of_result(phases, settings.seed)
        file_io.write_json(folder / RESULT, result)
        page = result_page.attempt(folder)
    console.close(writer.closing_words(result, folder, page))
    return result | {"written": console.written(folder, page)}
