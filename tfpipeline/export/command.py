"""From a run to a version for TF Serving, published if it answers rightly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import console, provenance, startup
from tfpipeline.core.errors import Incomplete, UserError, unknown


def export(settings: ExportSettings) -> dict[str, Any]:
    """Write a version for TF Serving, prove that it answers as the run, publish it."""
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
    from tfpipeline.export import tf_serving_files, versions

    versions.check_base(base)
    tf_serving_files.check(base)
    if settings.stable is not None:
        if settings.run is not None:
            raise UserError(
                "--stable moves a label and exports nothing: leave --run out."
            )
        return _promote(base, settings.stable)
    with phases("import"), startup.quiet_start():
        from tfpipeline.export import prepare, publish

    prepare.check(settings)
    opened = prepare.open_run(settings, phases)
    result = publish.publish(opened, settings, phases)
    result["seconds"] = phases.report()
    then = [
        f"Serve it: {tf_serving_files.command(base, settings.name)}",
        f"or without Docker: {tf_serving_files.local_command(base, settings.name)}",
    ]
    console.close(_closing(result, then))
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


def _promote(base: Path, number: int) -> dict[str, Any]:
    """Move the label `stable`, and export nothing."""
    from tfpipeline.export import publication, versions

    careful = []
    if number not in versions.read_named(base):
        careful.append(
            f"A TF Serving that runs does not hold version {number}, which had no "
            "label of late: restart it, or it keeps the labels that it has."
        )
    labels = publication.promote(base, number)
    done = [f"{_names(labels)}."]
    console.close(console.Closing(done, careful=careful, look=base))
    return {"labels": labels, "written": console.written(base, None)}


def _closing(result: dict[str, Any], then: list[str]) -> console.Closing:
    parity = result["parity"]
    done = [
        f"Asked about {parity['n']} images in a separate process: the same best "
        f"class on {parity['labels_equal']:.0%}, largest difference of a probability "
        f"{parity['max_difference']:.1g}."
    ]
    careful = []
    if refused := parity["not_served"]:
        careful.append(
            f"{len(refused)} images that a server does not read were skipped, e.g. "
            f"{refused[0]['id']} ({refused[0]['error']}). `predict` sends what is of "
            "another kind as PNG; what is too large stays refused."
        )
    items = [
        f"{name}: the same best class on {other['labels_equal']:.1%}, largest "
        f"difference {other['max_difference']:.2g}, {other['bytes'] / 1e6:.1f} MB."
        for name, other in result["also"].items()
        if other["published"]
    ]
    if better := result.get("better"):
        done.append(_comparison(better))
    if result["version"] is None:
        done.append("Nothing was published.")
        return console.Closing(done, items, careful, "parity.json")
    done.append(
        f"Published version {result['version']} ({result['bytes'] / 1e6:.1f} MB); "
        f"{_names(result['labels'])}."
    )
    look = result["folder"]
    return console.Closing(done, items, careful, "parity.json", look, then)


def _comparison(better: dict[str, Any]) -> str:
    new, live = better["new"], better["live"]
    if live is None:
        return (
            f"There is no live version; the new one has accuracy {new['accuracy']:.3f}."
        )
    winner = {
        "new": "Better: the new one",
        "live": "Better: the live one",
        "tie": "No difference that chance would not make: the live one stays",
    }[better["winner"]]
    lines = [
        f"On the same {better['n']} images: accuracy {new['accuracy']:.3f} (new), "
        f"{live['accuracy']:.3f} (version {better['live_version']}); only the new one "
        f"is right on {better['only_new']}, only the other on {better['only_live']} "
        f"(p = {better['p_holm']:.2g})."
    ]
    if better["p_loss"] is not None:
        lines.append(
            f"Cross-entropy {new['loss']:.3f} and {live['loss']:.3f} "
            f"(p = {better['p_loss_holm']:.2g})."
        )
    if better["left_out"]:
        lines.append(
            f"{better['left_out']} test images were skipped: equal files, or one of "
            "the two has learned from them."
        )
    if not better["learned_known"]:
        lines.append(
            f"Version {better['live_version']} does not say what it has learned from: "
            "it may know these images."
        )
    return " ".join([*lines, f"{winner}."])


def _names(labels: dict[str, int]) -> str:
    return ", ".join(f"version {number} is {name}" for name, number in labels.items())
