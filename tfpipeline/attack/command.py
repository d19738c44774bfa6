"""From photographs to pictures that a network is wrong about, and their score."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.config.attack import AttackSettings
from tfpipeline.core import console, file_io, image_io, provenance, result_dir, startup
from tfpipeline.core.errors import UserError, check_each, unknown
from tfpipeline.models import registry

RESULT, TABLE = "attack.json", "attack.csv"


def attack(settings: AttackSettings) -> dict[str, Any]:
    """Find adversarial perturbations of photographs, and check the attack."""
    phases = provenance.Phases()
    registry.check(settings.model)
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    _check(settings)
    from tfpipeline.data.sources import listing

    paths = listing.named_files(settings.images)
    output.check(_names(settings, paths), paths)
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.attack import blocks, experiment, summary, text
        from tfpipeline.models import load_network, worker_agreement
        from tfpipeline.report import result_page

        strategy = distribute.start(settings.distribute, "float32", settings.seed)
    chief = distribute.is_chief(strategy)
    losing_nobody = functools.partial(
        distribute.losing_nobody, strategy, "it starts again"
    )
    with phases("build"), losing_nobody(), strategy.scope():
        worker_agreement.check_settings(strategy, settings)
        number = settings.target is None or str(settings.target).isdecimal()
        network = load_network.open_network(
            settings.run,
            settings.model,
            names_needed=not number,
            pictures=paths,
            max_pixels=settings.max_pixels,
        )
        others = [load_network.open_judge(w, "--together") for w in settings.together]
        judges = [load_network.open_judge(word) for word in settings.judges]
        networks = [network, *others]
        experiment.compare_ranges([*networks, *judges], paths, settings.max_pixels)
        worker_agreement.check_weights(strategy, [each.model for each in networks])
        strike = experiment.Strike(networks, judges, settings, strategy, len(paths))
        work = blocks.Blocks(strike, output, phases)
    with output.recording():
        with losing_nobody():
            checks = work.run(paths)
        if not chief:
            return {}
        result = summary.result(work, checks)
        result["summary"] |= provenance.of_result(phases, settings.seed)
        folder = output.folder
        file_io.write_csv(folder / TABLE, *summary.table(result["images"]))
        file_io.write_json(folder / RESULT, result)
        page = result_page.attempt(folder)
    console.close(text.closing_words(result, folder, page))
    if work.stopped is not None:
        raise work.stopped
    return result | {"written": console.written(folder, page)}


def _names(settings: AttackSettings, paths: Sequence[Path]) -> list[str]:
    """Return the names of all files that may be written."""
    taken = {"sheet", "overview"}
    names = [result_dir.own_name(path, taken) for path in paths]
    places = ["{}.png", "figures/{}.png"]
    places += ["full_size/{}.png"] if settings.full_size else []
    if settings.preset == "lesson":
        places += ["lesson/{}.png", "lesson/{}_beside.png"]
    every = [place.format(name) for place in places for name in names]
    return [*every, "sheet.png", "overview.png", TABLE, result_dir.PAGE]


def _check(settings: AttackSettings) -> None:
    """Refuse what can be seen to be wrong without TensorFlow."""
    norm, grid = settings.norm, settings.adversary.eight_bit
    Epsilon.read(settings.epsilon, "--epsilon", norm, grid=grid)
    Epsilon.read_all(settings.epsilons, "--epsilons", norm, grid=grid)
    if settings.resize not in (None, *image_io.RESIZES):
        raise unknown("--resize", str(settings.resize), image_io.RESIZES)
    if settings.preset not in ("best", "lesson"):
        raise unknown("--preset", settings.preset, ("best", "lesson"))
    if settings.preset == "lesson" and settings.target is None:
        raise UserError(
            '--preset lesson: expected --target, as in the lesson: "Siamese cat".'
        )
    figures = ("a number from 0, or null for all", (settings.figures or 0) >= 0)
    check_each("", settings, {"figures": figures})
    for word in settings.jpeg:
        if not word.isdecimal() or not 1 <= int(word) <= 95:
            raise UserError(
                f"--jpeg {word}: expected qualities from 1 to 95, e.g. --jpeg 95 75."
            )
