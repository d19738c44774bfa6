"""From a run and what has arrived to whether that is still like the run's own."""

from __future__ import annotations

import contextlib
import glob
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfpipeline import cli
from tfpipeline.config.monitoring import MonitorSettings
from tfpipeline.core import console, file_io, provenance, result_dir, run_dir, startup
from tfpipeline.core import target as targets
from tfpipeline.core.errors import Incomplete, UserError, check_each
from tfpipeline.monitor.drift import WORDS
from tfpipeline.report.closing import closing

if TYPE_CHECKING:
    from tfpipeline.core.brightness import Ranges

RESULT, PAGE = "monitor.json", "monitor.html"

# Pictures in `monitor.json` and on its page that have changed most.
CHANGED = 60


def monitor(settings: MonitorSettings) -> dict[str, Any]:
    """Test whether new pictures have drifted from the held-out pictures of a run."""
    phases = provenance.Phases()
    run = _check(settings)
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    from tfpipeline.data.sources import listing
    from tfpipeline.monitor.predictions import ENDINGS

    if settings.predictions:
        given = map(_shards, settings.predictions)
        paths = listing.named_files([*given], "--predictions")
    else:
        paths = listing.named_files(settings.images)
    output.check([PAGE], paths)
    is_table = [path.suffix.lower() in ENDINGS for path in paths]
    from_tables = bool(settings.predictions) and all(is_table)
    if settings.predictions and any(is_table) and not from_tables:
        raise UserError(
            "--predictions: expected tables that `predict` wrote, or request logs, not "
            f"both. Received: {paths[is_table.index(True)]} and "
            f"{paths[is_table.index(False)]}."
        )
    with contextlib.ExitStack() as stack:
        if from_tables:
            result, ranges = _by_tables(settings, run, paths), None
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            result, ranges = _by_pictures(settings, run, paths, folder, phases)
        result["summary"] |= provenance.of_result(phases, settings.seed)
        with startup.quiet_start(keras=False):
            from tfpipeline.monitor import page
        with output.recording():
            page.write(output.folder / PAGE, result, ranges)
            for row in result["changed"]:
                row.pop("path")
            file_io.write_json(output.folder / RESULT, result)
    words = closing("monitor", output.folder / PAGE, RESULT, result=result, file=RESULT)
    console.close(words)
    result["written"] = console.written(output.folder, output.folder / PAGE)
    if settings.fail_on_drift and result["drift"]:
        console.answer(result)
        raise Incomplete(
            f"--fail_on_drift: what arrived is unlike the run's own pictures (p = "
            f"{result['p']:.3g}). {output.folder / PAGE} shows how.",
            result,
        )
    return result


def _check(settings: MonitorSettings) -> run_dir.RunFolder:
    """Return the run, if all settings can be used."""
    if settings.run is None:
        raise UserError("--run: expected the folder of a finished run.")
    if (version := _version(Path(settings.run))) is not None:
        run = run_dir.RunFolder(version)
    else:
        run = run_dir.RunFolder(Path(settings.run)).existing()
    if settings.ignore_shares:
        targets.expect(
            *(_target(run), "--ignore_shares true"),
            "It compares pictures of the same predicted class, of which there is not "
            "one an image: leave it out.",
        )
    if bool(settings.images) == bool(settings.predictions):
        raise UserError(
            "--images, --predictions: expected one of them, the pictures or what "
            "`predict` wrote about them."
        )
    level = settings.false_alarms
    # Each part has the lowest p-value in one draw.
    least = math.ceil(len(WORDS) / level - 1e-9) - 1 if 0 < level < 1 else 1
    check_each(
        "",
        settings,
        {
            "false_alarms": ("a share between 0 and 1", 0 < level < 1),
            "permutations": (
                f"at least {least}, or no p-value is as low as --false_alarms {level}",
                settings.permutations >= least,
            ),
            "most": ("at least 2", settings.most >= 2),
        },
    )
    return run


def _version(path: Path) -> Path | None:
    """Return the exported version that a folder is, or the live one below it."""
    from tfpipeline.predict import answers

    return answers.version_of(path)


def _target(run: run_dir.RunFolder) -> str:
    """Return what a run or an exported version answers."""
    from tfpipeline.predict import answers

    if _version(run.path) is not None:
        return answers.target_of(run.path)
    # Without Keras, which the model itself would need.
    return cli.of_run(run.config).data.target or targets.SINGLE


def _shards(word: str) -> str:
    """Return what names the tables of a folder that `predict` wrote in shards."""
    from tfpipeline.shards.plan import PLAN

    if not Path(word, PLAN).is_file():
        return word
    return os.path.join(glob.escape(word), "shard-*.csv")


def _by_tables(
    settings: MonitorSettings, run: run_dir.RunFolder, paths: list[Path]
) -> dict[str, Any]:
    """Return what predictions alone say."""
    from tfpipeline.monitor import predictions, results

    labels = file_io.read_lines(run.labels)
    target = _target(run)
    told = predictions.arrived(paths, labels, target)
    arrived = told.seen
    is_run = _version(run.path) is None
    if is_run and arrived.novelty is not None and run.novelty.is_file():
        # How novel its own held-out pictures are is told by their features.
        with startup.quiet_start():
            from tfpipeline.monitor import pictures
        held_out, split = pictures.held_out(run, settings.most, settings.seed)
    else:
        held_out, split = predictions.held_out(run, labels, target)
    counts: dict[str, Any] = {"arrived": len(arrived.label), "split": split}
    counts["unknown"] = told.unknown
    drift, compared = results.compare(held_out, arrived, settings)
    return results.result(settings, labels, drift, compared, counts, told.bad)


def _by_pictures(
    settings: MonitorSettings,
    run: run_dir.RunFolder,
    paths: list[Path],
    folder: Path,
    phases: provenance.Phases,
) -> tuple[dict[str, Any], Ranges]:
    """Return what the features of pictures say as well."""
    with phases("import"), startup.quiet_start():
        import numpy as np

        from tfpipeline.monitor import exported, pictures, request_logs, results
    names: dict[str, str] = {}
    count, empty = len(paths), 0
    with phases("read"):
        if settings.predictions:
            found, count, empty = request_logs.sample(
                paths, folder, settings.most, settings.seed
            )
            paths, names = sorted(found), {str(k): v for k, v in found.items()}
        else:
            rng = np.random.default_rng([settings.seed, 2])
            chosen = results.draw(np.arange(count), settings.most, rng)
            paths = [paths[i] for i in chosen]
    with phases("extract"):
        compare = pictures if _version(run.path) is None else exported
        given = compare.compared(
            run, paths, settings.most, settings.seed, settings.max_pixels
        )
    for row in given.bad:
        row["image"] = names.get(row["image"], row["image"])
    with phases("test"):
        drift, compared = results.compare(given.held_out, given.arrived, settings)
    counts: dict[str, Any] = {"arrived": count, "split": given.split}
    counts |= {"unknown": given.unknown, "requests_without": empty}
    labels = list(given.network.labels)
    result = results.result(settings, labels, drift, compared, counts, given.bad)
    if drift.change is not None:
        changed = pictures.changed(given, drift.change, names, CHANGED)
        result["changed"] = changed
    return result, given.network.ranges
