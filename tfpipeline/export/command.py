"""From a run to a version for TF Serving, published if it answers rightly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import console, provenance, startup
from tfpipeline.core.errors import Incomplete, UserError, unknown
from tfpipeline.report.closing import closing


def export(settings: ExportSettings) -> dict[str, Any]:
    """Write a SavedModel for TF Serving, check it against the run, and publish it."""
    phases = provenance.Phases()
    if settings.output is None:
        raise UserError("--output: expected the folder above the versions.")
    if settings.label not in (known := ("auto", "stable", "canary")):
        raise unknown("--label", settings.label, known)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", settings.name):
        raise UserError(
            "--name: expected letters, digits, dots, dashes and underscores, as in an "
            f"address. Received: {settings.name!r}."
        )
    if settings.run is None and settings.stable is None:
        raise UserError(
            "--run: expected the folder of a finished run (or --stable N, to move that "
            "label to a version that is there)."
        )
    base = Path(settings.output)
    from tfpipeline.export import publication, tf_serving_files, versions

    versions.check_base(base)
    tf_serving_files.check(base)
    if settings.stable is not None:
        if settings.run is not None:
            raise UserError(
                "--stable moves a label and exports nothing: leave --run out."
            )
        held = settings.stable in versions.read_named(base)
        labels = publication.promote(base, settings.stable)
        words: dict[str, Any] = {
            "labels": labels,
            "held": held,
            "stable": settings.stable,
        }
        console.close(closing("export_stable", base, **words))
        return {"labels": labels, "written": console.written(base, None)}
    with phases("import"), startup.quiet_start():
        from tfpipeline.export import prepare, publish

    prepare.check(settings)
    opened = prepare.open_run(settings, phases)
    result = publish.publish(opened, settings, phases)
    result["seconds"] = phases.report()
    then = []
    if result["version"] is not None:
        then = [
            f"Serve it: {tf_serving_files.command(base, settings.name)}",
            f"or without Docker: {tf_serving_files.local_command(base, settings.name)}",
        ]
    console.close(
        closing("export", result["folder"], "parity.json", result=result, then=then)
    )
    result |= {"written": console.written(base, None)}
    also = result["also"]
    if missing := {n: also[n]["why"] for n in also if not also[n]["published"]}:
        console.answer(result)
        each = " ".join(f"{name}: {why}." for name, why in missing.items())
        raise Incomplete(
            f"Version {result['version']} was published, but of --also not "
            f"{', '.join(missing)}. {each}",
            result,
        )
    return result
