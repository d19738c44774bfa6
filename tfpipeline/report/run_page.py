"""The page of a run: what was trained on what, what came out, and why."""

import importlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfpipeline.core import target as targets
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import (
    charts,
    class_ranking,
    html,
    measured_parts,
    run_data,
    target_page,
)
from tfpipeline.report.closing import data_lines
from tfpipeline.report.figures import svg
from tfpipeline.report.run_data import RunFiles

SHOWN_QUARANTINE = 200

STAGES = {"head": "the head", "fine_tune": "fine-tuning"}


def prepare() -> None:
    """Do what the first page of a process takes its time for, before it is written."""
    for name in ("gallery", "heatmaps"):
        importlib.import_module(f"tfpipeline.report.{name}")
    html.load("run.html", "page.html", "measured.html", "parts.html")
    svg(charts.lines([("loss", [0.0], [0.0])], "epoch", ""), "")
    measured_parts.confusion_png([""], [[1]])


def draw(folder: RunFolder, diagnosis: str) -> dict[str, Any]:
    """Return the charts of the page before `diagnosis.json`, this text, is written."""
    return drawn(replace(run_data.read(folder), diagnosis=json.loads(diagnosis)))


def write(
    folder: RunFolder,
    output: Path | None = None,
    drawings: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of a finished run from its other files, and return where it lies.

    Args:
        folder: Of the run.
        output: The page; `report.html` in the folder where None.
        drawings: What `draw` returned, if it was called.
    """
    file = output or folder.report
    run = run_data.read(folder)
    if run.has_classes:
        html.write(file, "run.html", **content(run), **(drawings or drawn(run)))
    else:
        html.write(file, "target.html", **_target_content(run))
    return file


def _target_content(run: RunFiles) -> dict[str, Any]:
    """Return what the page of several labels or of a number tells."""
    manifest, source = run.manifest, run.config.get("data", {}).get("source", "?")
    counts, kept = manifest.get("examples", {}), manifest.get("kept_epoch")
    decision = Decision.of(run.decision)
    shown = run.diagnosis.get("splits", {}).get(run.split)
    result = run.metrics[run.split] if run.split else None
    combined = run.metrics.get("combined")
    lead = f"{network(run.config)}, trained on {counts.get('train')} images of"
    if combined:
        what = "predictions" if combined["how"] == "ensemble" else "weights"
        count = html.count(len(combined["kept"]), "run")
        lead = f"The mean of the {what} of {count}, the first of them trained on"
    stages = [f"{s['name']}: {s['epochs']} epochs" for s in _stages(run)]
    chose = "the best epoch"
    if decision.split == "validation":
        is_number = decision.target == targets.NUMBER
        chose += " and the interval" if is_number else " and the thresholds"
    return {
        **target_page.content(result, shown, run.decision),
        "tried": target_page.tried(run.calibration),
        "folds": run.metrics.get("folds"),
        "suspects": run.diagnosis.get("suspects"),
        "suspected": _gallery(run, "suspected"),
        "cleaning": str(run.folder.cleaning),
        "name": run.name,
        "kicker": "Runs combined" if combined else "Training run",
        "lead": f"{lead} {source}; measured on {run.split or 'no'} images.",
        "split": run.split,
        "careful": (
            f"There are no test images. These validation images also chose {chose}, so "
            "the figures are optimistic."
            if run.split == "validation"
            else ""
        ),
        "curves": target_page.curves(run.history, kept, decision.target),
        "thresholds": decision.words,
        "known": data_lines(manifest["review"]) if "review" in manifest else None,
        "strange": run.novelty,
        "manifest": manifest,
        "leaks": html.picture(run.folder.figures / "leaks.png"),
        "families": html.picture(run.folder.figures / "families.png"),
        "batch": html.picture(run.folder.figures / "batch.png"),
        "broken": [(r["id"], r["reason"]) for r in run.quarantine[:SHOWN_QUARANTINE]],
        "how": {k: manifest.get(k) for k in ("command", "versions")},
        "facts": [
            ("stages", "; ".join(stages)),
            ("kept epoch", kept),
            ("loss", run.config.get("train", {}).get("loss")),
            ("seconds", f"{run.metrics.get('seconds', {}).get('total', 0):.1f}"),
        ],
        "config_text": run.config_text,
    }


def drawn(run: RunFiles) -> dict[str, Any]:
    """Return the charts of the page."""
    splits = run.diagnosis.get("splits", {})
    shown = splits.get(run.split) if run.split else None
    return {
        "curves": curves(run.history, run.manifest.get("kept_epoch")),
        "confusion": measured_parts.confusion(shown, run.split),
        "reliability": measured_parts.reliability(splits.get("validation") or shown),
        "coverage": measured_parts.coverage(splits, run.calibration),
    }


def content(run: RunFiles) -> dict[str, Any]:
    """Return what the page tells beside its charts."""
    splits = run.diagnosis.get("splits", {})
    shown = splits.get(run.split) if run.split else None
    return {
        "run": run,
        "result": run.metrics.get(run.split) if run.split else None,
        "network": network(run.config),
        "stages": _stages(run),
        "shown": shown,
        "classes": _classes(run),
        "reliability_split": "validation" if "validation" in splits else run.split,
        "losses": _gallery(run, "top_losses"),
        "suspected": _gallery(run, "suspected"),
        "suspects": run.diagnosis.get("suspects"),
        "data": run.diagnosis.get("data"),
        "known": (
            data_lines(run.manifest["review"]) if "review" in run.manifest else None
        ),
        "leaks": html.picture(run.folder.figures / "leaks.png"),
        "families": html.picture(run.folder.figures / "families.png"),
        "batch": html.picture(run.folder.figures / "batch.png"),
        "rates": html.picture(run.folder.figures / "learning_rate.png"),
        "quarantine": run.quarantine[:SHOWN_QUARANTINE],
        "phases": _phases(run.metrics.get("seconds", {})),
    }


def network(config: Mapping[str, Any]) -> str:
    """Return what a network is called, with its weights and the size of its input."""
    model = config.get("model", {})
    alpha = model.get("alpha")
    width = "" if alpha in (None, 1) else f" {alpha:g}"
    weights = "untrained" if model.get("weights") == "none" else model.get("weights")
    return f"{model.get('backbone')}{width} ({weights}, {model.get('image_size')} px)"


def curves(history: list[dict[str, Any]], kept: int | None) -> list[Any]:
    """Return the charts of loss and accuracy over the epochs of all stages."""
    shown = []
    for name, words in (("loss", "loss, nats"), ("accuracy", "accuracy")):
        lines, details = charts.of_history(history, name, kept)
        if lines:
            last = ", ".join(f"{called} {y[-1] or 0:.3f}" for called, _, y in lines)
            alt = f"{name} over {len(history)} epochs; at the end {last}"
            shown.append(svg(charts.lines(lines, "epoch", words, **details), alt))
    return shown


def _stages(run: RunFiles) -> list[dict[str, Any]]:
    """Return what each stage was, in numbers."""
    stages = []
    for stage, group in itertools.groupby(run.history, lambda row: row.get("stage")):
        rows = list(group)
        losses = [r["val_loss"] for r in rows if r.get("val_loss") is not None]
        stages.append(
            {
                "name": STAGES.get(str(stage), stage),
                "epochs": len(rows),
                "rate": rows[0].get("learning_rate"),
                "loss": rows[-1].get("loss"),
                "best": min(losses, default=None),
            }
        )
    return stages


def _classes(run: RunFiles) -> list[dict[str, Any]]:
    """Return a row a class, the lowest recall first."""
    metrics = run.metrics[run.split]["classes"] if run.split else {}
    counts = run.diagnosis.get("data", {}).get("classes", {})
    ranked = class_ranking.ranked({k: metrics.get(k, {}) for k in run.labels})
    return [{"trained": counts.get(r["name"], {}).get("train"), **r} for r in ranked]


def _gallery(run: RunFiles, kind: str) -> list[dict[str, Any]]:
    """Return rows of images, each with its pictures inside."""
    rows = []
    for row in run.diagnosis.get(kind, []):
        inside = {
            name: html.picture(run.folder.path / row[name])
            for name in ("picture", "grad_cam")
            if name in row
        }
        near = [
            {**one, "small": html.picture(run.folder.path / one["picture"])}
            for one in row.get("neighbours", ())
            if "picture" in one
        ]
        inside = {name: uri for name, uri in inside.items() if uri}
        rows.append({**row, "inside": inside, "near": near})
    return rows


def _phases(seconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return seconds of each phase, and their share in percent."""
    total = max(seconds.get("total", 0.0), 1e-9)
    named = {name: value for name, value in seconds.items() if name != "total"}
    named["the rest"] = max(0.0, total - sum(named.values()))
    return [
        {"name": name, "seconds": value, "width": 100 * value / total}
        for name, value in named.items()
    ]
