"""From a run to a published version: written, asked, compared, then numbered."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import file_io, image_io, provenance
from tfpipeline.core.errors import UserError
from tfpipeline.data import decode_graph
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import (
    also_files,
    ask_process,
    compare,
    gate,
    held_out,
    prepare,
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
        trained, own = prepare.trained(opened), opened.ready.decision
        given = target_gate.comparable(own, answers)
        report = gate.compare(trained, given, tolerance, rules)
        further = target_gate.said(trained, own, answers, tolerance)
        further |= target_gate.ends(own, answers, tolerance)
        report |= further
        report["passed"] &= all(part["passed"] for part in further.values())
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
                also[name] = also_files.convert(folder, name, opened, allowed)
        file_io.write_json(folder / PARITY, {**report, "also": also})
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        result |= {"bytes": size, "parity": report, "also": also}
        labels = versions.read_labels(base)
        if best:
            served = settings.name, settings.batch_sizes, settings.max_images
            number, labels = publication.publish(folder, settings.label, *served)
            result |= {"version": number, "folder": str(base / str(number))}
    return result | {"labels": labels}


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
    held_out.write(folder, opened.run, opened.ready, temperature)
    contents = _contents(opened.files[:32])
    warmup.write(folder, settings.name, contents, settings.batch_sizes)


def _contents(files: Sequence[Row]) -> list[bytes]:
    return [image_io.content(r.path, r.offset, r.length) for r in files]


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
        f"does. {gate.difference(report)}."
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
