"""VERB: from a run to a version for TF Serving, published if it answers rightly."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from tfpipeline import cli, manifest
from tfpipeline.config_serving import ExportSettings
from tfpipeline.errors import UserError, unknown


def export(settings: ExportSettings) -> dict[str, Any]:
    """Write a version for TF Serving, prove that it answers as the run, publish it."""
    phases = manifest.Phases()
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
    from tfpipeline.serving import server_files, versions

    versions.check_base(base)
    if settings.stable is not None:
        if settings.run is not None:
            raise UserError(
                "--stable moves a label and exports nothing: leave --run out."
            )
        labels = versions.label(base, versions.STABLE, settings.stable)
        server_files.relabel(base, labels)
        print(f"{base}: {_called(labels)}.")
        return {"labels": labels}
    with phases("import"), cli.quiet_start():
        from tfpipeline.workflow import exporting, publishing

    exporting.check(settings)
    opened = exporting.open_run(settings, phases)
    result = publishing.publish(opened, settings, phases)
    result["seconds"] = phases.report()
    print(_words(result, settings))
    if result["version"] is not None:
        print(f"Serve it: {server_files.command(base, settings.name)}")
        print(f"or without Docker: {server_files.local_command(base, settings.name)}")
    return result


def _words(result: dict[str, Any], settings: ExportSettings) -> str:
    found = result["parity"]
    lines = [
        f"\nAsked about {found['n']} images in a process of its own: the same best "
        f"class on {found['labels_equal']:.0%}, largest difference of a probability "
        f"{found['max_difference']:.1g}."
    ]
    if refused := found["not_served"]:
        lines.append(
            f"{len(refused)} images of kinds that a server cannot read were left out, "
            f"e.g. {refused[0]['id']}: `predict` sends such as PNG."
        )
    for name, other in result["also"].items():
        lines.append(
            f"{name}: the same best class on {other['labels_equal']:.1%}, largest "
            f"difference {other['max_difference']:.2g}, {other['bytes'] / 1e6:.1f} MB."
        )
    if better := result.get("better"):
        lines.append(_compared(better))
    if result["version"] is None:
        lines.append("Nothing was published.")
    else:
        lines.append(
            f"Published version {result['version']}: {result['folder']} "
            f"({result['bytes'] / 1e6:.1f} MB); {_called(result['labels'])}."
        )
    return "\n".join(lines)


def _compared(better: dict[str, Any]) -> str:
    new, live = better["new"], better["live"]
    if live is None:
        return (
            f"There is no live version; the new one has accuracy {new['accuracy']:.3f}."
        )
    winner = "the new one" if better["winner"] == "new" else "the live one"
    return (
        f"On the same {new['n']} images: accuracy {new['accuracy']:.3f} (new), "
        f"{live['accuracy']:.3f} (version {better['live_version']}); mean probability "
        f"of the true class {new['mean_probability']:.3f} and "
        f"{live['mean_probability']:.3f}. Better: {winner}."
    )


def _called(labels: dict[str, int]) -> str:
    return ", ".join(f"version {number} is {name}" for name, number in labels.items())


if __name__ == "__main__":
    sys.exit(cli.main(export, ExportSettings))
