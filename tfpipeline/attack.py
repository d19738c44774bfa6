"""VERB: from photographs to pictures that a network is wrong about, and their score."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfpipeline import (
    atomic,
    cli,
    config_adversary,
    images,
    manifest,
    results,
    terminal,
)
from tfpipeline.config_attack import AttackSettings
from tfpipeline.errors import UserError, unknown

RESULT, TABLE = "attack.json", "attack.csv"


def attack(settings: AttackSettings) -> dict[str, Any]:
    """Change photographs slightly until a network is wrong, and say how slightly."""
    phases = manifest.Phases()
    output = results.new_result(settings.output, RESULT, overwrite=settings.overwrite)
    _check(settings)
    from tfpipeline.data import folders

    paths = folders.named_files(settings.images)
    output.check(_names(settings, paths), paths)
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.report import result_page
        from tfpipeline.workflow import (
            agreement,
            attack_summary,
            attack_words,
            attacking,
            networks,
            striking,
            surveying,
        )

        strategy = distribution.start(settings.distribute, "float32", settings.seed)
    chief = distribution.is_chief(strategy)
    losing_nobody = functools.partial(
        distribution.losing_nobody, strategy, "it starts again"
    )
    with phases("build"), losing_nobody(), strategy.scope():
        agreement.check_settings(strategy, settings)
        number = settings.target is None or str(settings.target).isdecimal()
        network = networks.open_network(
            settings.run, settings.model, names_needed=not number
        )
        others = [networks.open_judge(w, "--together") for w in settings.together]
        judges = [networks.open_judge(word) for word in settings.judges]
        every = [network, *others]
        agreement.check_weights(strategy, [one.model for one in every])
        surveying.check_networks(every, judges, matrix=settings.matrix)
        plan = striking.plan(settings, network, len(paths))
        strike = striking.Strike(every, plan, settings, strategy, titles=chief)
        work = attacking.Attacking(strike, judges, output, phases)
    with output.recording():
        with losing_nobody():
            checks = work.run(paths)
        if not chief:
            return {}
        result = attack_summary.result(work, checks)
        result["summary"] |= manifest.of_result(phases, settings.seed)
        folder = output.folder
        atomic.write_csv(folder / TABLE, *attack_summary.table(result["images"]))
        atomic.write_json(folder / RESULT, result)
        page = result_page.attempt(folder)
    terminal.close(attack_words.closing_words(result, folder, page))
    if work.stopped is not None:
        raise work.stopped
    return result | {"written": terminal.written(folder, page)}


def _names(settings: AttackSettings, paths: Sequence[Path]) -> list[str]:
    """Return the names of all files that may be written."""
    taken = {"sheet", "overview"}
    names = [results.own_name(path, taken) for path in paths]
    places = ["{}.png", "figures/{}.png"]
    places += ["full_size/{}.png"] if settings.full_size else []
    if settings.preset == "lesson":
        places += ["lesson/{}.png", "lesson/{}_beside.png"]
    every = [place.format(name) for place in places for name in names]
    return [*every, "sheet.png", "overview.png", TABLE, results.PAGE]


def _check(settings: AttackSettings) -> None:
    """Refuse what can be seen to be wrong without TensorFlow."""
    grid = settings.adversary.eight_bit
    config_adversary.check_radius(settings.epsilon, settings.norm, eight_bit=grid)
    for word in settings.epsilons:
        config_adversary.epsilon(word, "--epsilons")
    if settings.resize not in (None, *images.RESIZES):
        raise unknown("--resize", str(settings.resize), images.RESIZES)
    if settings.preset not in ("best", "lesson"):
        raise unknown("--preset", settings.preset, ("best", "lesson"))
    if settings.preset == "lesson" and settings.target is None:
        raise UserError(
            '--preset lesson: expected --target, as in the lesson: "Siamese cat".'
        )
    if settings.figures is not None and settings.figures < 0:
        raise UserError(
            f"--figures: expected a number from 0, or null for all. Received: "
            f"{settings.figures}."
        )
    for word in settings.jpeg:
        if not word.isdecimal() or not 1 <= int(word) <= 95:
            raise UserError(
                f"--jpeg {word}: expected qualities from 1 to 95, e.g. --jpeg 95 75."
            )


if __name__ == "__main__":
    sys.exit(cli.main(attack, AttackSettings))
