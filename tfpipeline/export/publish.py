"""From a run to a published version: written, asked, compared, then numbered."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import file_io, image_io, provenance, startup
from tfpipeline.core.errors import UserError
from tfpipeline.data import decode_graph
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import (
    ask_process,
    compare,
    converters,
    gate,
    model_metadata,
    protocol,
    publication,
    signatures,
    target_gate,
    versions,
    warmup,
)
from tfpipeline.export.prepare import Opened
from tfpipeline.models import classifier
from tfpipeline.models.constant_weights import Frozen

PARITY, GOLDEN, ABOUT = "parity.json", "golden_requests.json", "export.json"

# Golden requests are small files, so that they can be read.
_GOLDEN = 3

# Weights up to this size are constants of what is published: it then answers in two
# thirds of the time on CPUs, but each signature that is used may hold a copy.
_MOST_BYTES = 2**25


def publish(
    opened: Opened, settings: ExportSettings, phases: provenance.Phases
) -> dict[str, Any]:
    """Write a version, ask it, and give it a number where its answers are right.

    Returns:
        `version` (null where it was not better), `folder`, `labels`, `bytes`, `parity`,
        `also` (of each other runtime `published`, `why` not, and its `parity`), and
        `better`, the comparison with the live version, where there was one.
    """
    base = Path(str(settings.output))
    if settings.only_if_better:
        compare.check(opened, base)
    with publication.staged(base) as folder:
        with phases("write"):
            _write(folder, opened, settings)
        with phases("parity"):
            answers = ask_process.ask(folder, opened.files)
        tolerance = gate.tolerance(settings, gate.SAVEDMODEL)
        rules = gate.Rules(least=settings.min_answered)
        trained, own = _trained(opened), opened.ready.decision
        given = target_gate.comparable(own, answers)
        report = gate.compare(trained, given, tolerance, rules)
        also_said = target_gate.said(trained, own, answers, tolerance)
        report |= also_said
        report["passed"] &= all(part["passed"] for part in also_said.values())
        report["seconds_to_load"] = answers.pop("seconds")
        check_passed(report)
        _write_golden(folder, opened, answers)
        result: dict[str, Any] = {"version": None, "folder": None}
        if settings.only_if_better:
            with phases("compare"):
                result["better"] = compare.compare(folder, opened)
        best = result.get("better", {}).get("winner", "new") == "new"
        also = {}
        for name in settings.also if best else ():
            with phases(name):
                allowed = gate.tolerance(settings, name)
                also[name] = _convert(folder, name, opened, allowed)
        file_io.write_json(folder / PARITY, {**report, "also": also})
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        result |= {"bytes": size, "parity": report, "also": also}
        labels = versions.read_labels(base)
        if best:
            served = settings.name, settings.batch_sizes, settings.max_images
            number, labels = publication.publish(folder, settings.label, *served)
            result |= {"version": number, "folder": str(base / str(number))}
    return result | {"labels": labels}


def _trained(opened: Opened) -> gate.Trained:
    """Return what the training path says of the images of the gate."""
    own = opened.ready.decision, opened.logits, opened.calibration.temperature
    chance = target_gate.chances(*own)
    score, novelty = opened.ready.novelty, None
    if score is not None and opened.novelty is not None:
        novelty = gate.Novelty(opened.novelty, score.threshold)
    ids = [row.path for row in opened.files]
    return gate.Trained(ids, chance, opened.ready.labels, novelty)


def _write(folder: Path, opened: Opened, settings: ExportSettings) -> None:
    """Write everything of a version but what its answers are needed for."""
    calibration, labels = opened.calibration, opened.ready.labels
    extractor, head = classifier.split_classifier(opened.ready.model)
    height, width = opened.ready.model.input_shape[1:3]
    resize = opened.ready.trained.data.resize
    sure = calibration.threshold, calibration.reason
    temperature, top_k = calibration.temperature, settings.top_k
    score = opened.ready.novelty
    decision = opened.ready.decision
    answers = signatures.Answers(labels, temperature, top_k, *sure, score, decision)
    bounds = settings.max_pixels, settings.max_request_pixels
    ranges = opened.ready.ranges
    reader = decode_graph.Reader(height, width, resize, *bounds, ranges)
    network = Frozen(extractor, _MOST_BYTES)
    served = signatures.Served(network, head, answers, reader, settings.max_images)
    signatures.save(folder, served)
    file_io.write_lines(folder / compare.LABELS, labels)
    if opened.run.learned.is_file():
        file_io.write_lines(folder / compare.LEARNED, compare.learned_from(opened))
    about = {
        "run": str(opened.run.path.absolute()),
        "name": settings.name,
        "classes": len(labels),
        "image_size": [height, width],
        "resize": resize,
        "range": str(ranges),
        "max_pixels": settings.max_pixels,
        "max_request_pixels": settings.max_request_pixels,
        "max_images": settings.max_images,
        "top_k": min(settings.top_k, len(labels)),
        "calibration": calibration.to_json(),
        "novelty": score and score.about(),
        "target": decision.to_json(),
        "versions": provenance.versions(),
        "command": provenance.command(),
    }
    file_io.write_json(folder / ABOUT, about)
    contents = _contents(opened.files[:32])
    warmup.write(folder, settings.name, contents, settings.batch_sizes)


def _contents(files: Sequence[Row]) -> list[bytes]:
    return [image_io.content(Path(r.path), r.offset, r.length) for r in files]


def check_passed(report: Mapping[str, Any]) -> None:
    """Refuse to publish what does not answer as the training path does."""
    if report["passed"]:
        return
    refused = report["not_served"]
    if report["answered"] < report["least"] or not report["n"]:
        raise UserError(
            f"Nothing was published: the SavedModel reads {report['n'] or 'none'} of "
            f"{report['n'] + len(refused)} images, expected {report['least']:.0%} (the "
            f"first that it does not: {refused[0]['id']}, {refused[0]['error']}). Name "
            "others by --images: JPEG, PNG, GIF or BMP; or say by --min_answered which "
            "share is enough."
        )
    raise UserError(
        "Nothing was published: the SavedModel does not answer as the training path "
        f"does. {_difference(report)}."
    )


def _difference(report: Mapping[str, Any]) -> str:
    """Return in words how far an answer is from what was trained."""
    most, changed = report["most_beyond"], report["changed"]
    most = f" on all images but {most}" if most else ""
    changed = f", {changed} with another best class" if changed else ""
    strange, more = report.get("novelty"), ""
    if strange and not strange["passed"]:
        more = (
            ". Largest relative difference of novelty: "
            f"{strange['max_difference']:.2g} (expected at most "
            f"{strange['tolerance']:g}), and {strange['changed']} of "
            "the images are known in one of the two alone"
        )
    labels = report.get("said")
    if labels and not labels["passed"]:
        more += f". {labels['changed']} labels are said by one of the two alone"
    return (
        "Largest difference of a probability: "
        f"{report['max_difference']:.2g} (expected at most "
        f"{report['tolerance']:g}{most}; beyond it are {report['beyond']}{changed}) "
        f"on {report['worst']}; the best class is the same on "
        f"{report['labels_equal']:.1%} of {report['n']} images, or as good "
        f"on {report['agreed']:.1%} (expected {report['agreement']:.0%}){more}"
    )


def _write_golden(folder: Path, opened: Opened, answers: Mapping[str, Any]) -> None:
    """Write a few requests with their answers, to try any server with."""
    files = opened.files
    valid = [i for i, valid in enumerate(answers["valid"]) if valid]
    smallest = sorted(valid, key=lambda i: files[i].length or files[i].size)[:_GOLDEN]
    contents = _contents([files[i] for i in smallest])
    golden = {
        "request": {
            "signature_name": protocol.SIGNATURE,
            "instances": protocol.instances(contents),
        },
        "predictions": [{key: answers[key][i] for key in answers} for i in smallest],
    }
    file_io.write_json(folder / GOLDEN, golden)


def _convert(
    folder: Path, name: str, opened: Opened, tolerance: float
) -> dict[str, Any]:
    """Convert to another runtime, ask that as well, and keep it if it answers rightly.

    The version itself does not suffer: what is not kept says why.
    """
    target = converters.TARGETS[name]
    file = folder / "also" / target.file
    file.parent.mkdir(exist_ok=True)
    about: dict[str, Any] = {"published": False}
    if opened.novelty is not None:
        # Runtimes for phones expect one output of a classifier.
        about["known"] = "told by the SavedModel alone"
    labels, model = opened.ready.labels, opened.ready.model
    size, resize = tuple(model.input_shape[1:3]), opened.ready.trained.data.resize
    own = opened.ready.decision
    decision = own if own.labels else dataclasses.replace(own, labels=tuple(labels))
    described = opened.run.path.name, labels, size, resize, decision
    description = model_metadata.Description(*described)
    images = np.zeros((0, *opened.pixels.shape[1:]), np.float32)
    if target.kind == "int8" and opened.ranges is not None:
        split, rows, pixels = opened.ranges
        images = pixels.astype(np.float32) / 255
        digests = [row.sha256[: compare.DIGITS] for row in rows]
        about["ranges"] = {"split": split, "n": len(rows), "sha256": digests}
    try:
        with startup.quiet_start():
            temperature = opened.calibration.temperature
            answering = converters.Answering(temperature, decision.target)
            content = target.convert(model, answering, images, target.kind)
            content = model_metadata.describe(content, target.file, description)
        file.write_bytes(content)
        chance = ask_process.ask_pixels(file, opened.pixels)
    except OSError:
        raise  # A full disk is no fault of the runtime.
    except Exception as error:
        file.unlink(missing_ok=True)
        return about | {"why": f"It cannot be converted: {protocol.reason(error)}"}
    answers = target_gate.comparable(decision, target_gate.rows(decision, chance))
    agreement, within = converters.AGREEMENT, converters.WITHIN
    rules = gate.Rules(agreement, within=within, margin=tolerance)
    about |= gate.compare(_trained(opened), answers, tolerance, rules)
    if not about["passed"]:
        file.unlink()
        why = f"{_difference(about)}. --tolerance.{name} NUMBER lets more pass"
        return about | {"why": why}
    about |= {"published": True, "bytes": len(content), "input": description.input}
    about["file"] = str(file.relative_to(folder))
    file_io.write_json(file.with_suffix(".parity.json"), about)
    return about
