"""The files of other runtimes: converted, asked, compared, and kept if they pass."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io, startup
from tfpipeline.core import target as targets
from tfpipeline.export import (
    ask_process,
    compare,
    converters,
    gate,
    model_metadata,
    prepare,
    protocol,
    target_gate,
)
from tfpipeline.export.prepare import Opened
from tfpipeline.metrics.decision import Decision
from tfpipeline.metrics.novelty import Novelty


def convert(
    folder: Path, name: str, opened: Opened, tolerance: float
) -> dict[str, Any]:
    """Convert to another runtime, ask that as well, and keep it if it answers rightly.

    The version itself does not suffer: what is not kept says why. Where it is the
    novelty that is not kept, there is a file without it.
    """
    score = None if opened.novelty is None else opened.ready.novelty
    about = _attempt(folder, name, opened, tolerance, score)
    if score is None or about["published"]:
        return about
    without = _attempt(folder, name, opened, tolerance, None)
    # Of one that cannot be converted either way, it is the same.
    if without["published"]:
        without["known"] = f"not in this file: {about['why']}"
        _write_about(folder, without)
    return without


def _attempt(
    folder: Path, name: str, opened: Opened, tolerance: float, score: Novelty | None
) -> dict[str, Any]:
    """Convert with a score, or without one, and keep the file if it answers rightly."""
    target = converters.TARGETS[name]
    file = folder / "also" / target.file
    file.parent.mkdir(exist_ok=True)
    about: dict[str, Any] = {"published": False}
    labels, model = opened.ready.labels, opened.ready.model
    size, resize = tuple(model.input_shape[1:3]), opened.ready.trained.data.resize
    decision = opened.ready.decision
    if not decision.labels:
        decision = dataclasses.replace(decision, labels=tuple(labels))
    described = opened.run.path.name, labels, size, resize, decision
    description = model_metadata.Description(*described, exact=target.kind != "int8")
    if score is not None:
        description = description._replace(
            novelty=True, threshold=score.threshold, false_alarms=score.false_alarms
        )
    images = np.zeros((0, *opened.pixels.shape[1:]), np.float32)
    if target.kind == "int8" and opened.ranges is not None:
        split, rows, pixels = opened.ranges
        images = pixels.astype(np.float32) / 255
        digests = [row.sha256[: compare.DIGITS] for row in rows]
        about["ranges"] = {"split": split, "n": len(rows), "sha256": digests}
    try:
        with startup.quiet_start():
            own = opened.temperature, decision.target, decision.half_width
            answering = converters.Answering(*own)
            content = target.convert(model, answering, images, target.kind, score)
            content = model_metadata.describe(content, target.file, description)
        file.write_bytes(content)
        outputs = ask_process.ask_pixels(file, opened.pixels)
    except OSError:
        raise  # A full disk is no fault of the runtime.
    except Exception as error:
        file.unlink(missing_ok=True)
        return about | {"why": f"It cannot be converted: {protocol.reason(error)}"}
    answers = _answers(outputs, decision)
    trained = prepare.trained(opened)
    about |= gate.compare(trained, answers, tolerance, rules(decision, tolerance))
    more = target_gate.ends(decision, answers, tolerance)
    more |= target_gate.sets(trained, decision, answers, converters.AGREEMENT)
    about |= more
    about["passed"] &= all(part["passed"] for part in more.values())
    if not about["passed"]:
        file.unlink()
        why = f"{gate.difference(about)}. --tolerance.{name} NUMBER lets more pass"
        return about | {"why": why}
    about |= {"published": True, "bytes": len(content), "input": description.input}
    about |= {"outputs": description.outputs, "file": str(file.relative_to(folder))}
    _write_about(folder, about)
    return about


def rules(decision: Decision, tolerance: float) -> gate.Rules:
    """Return what is let pass: of numbers nothing, which have no class to keep."""
    is_number = decision.target == targets.NUMBER
    within = 1 if is_number else converters.WITHIN
    return gate.Rules(converters.AGREEMENT, within=within, margin=tolerance)


def _write_about(folder: Path, about: Mapping[str, Any]) -> None:
    file = folder / about["file"]
    file_io.write_json(file.with_suffix(".parity.json"), about)


def _answers(
    outputs: Mapping[str, np.ndarray], decision: Decision
) -> Mapping[str, Any]:
    """Return the outputs of a converted file as the gate takes them."""
    first = converters.Answering(target=decision.target).output
    answers = target_gate.rows(decision, outputs[first])
    for name in (
        *(converters.NOVELTY, converters.KNOWN, converters.LOW, converters.HIGH),
    ):
        if name in outputs:
            answers[name] = outputs[name][:, 0]
    return target_gate.comparable(decision, answers)
