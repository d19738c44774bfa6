"""From a run to a published version: written, asked, compared, then numbered."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core import file_io, image_io, provenance, startup
from tfpipeline.core.errors import UserError
from tfpipeline.data import decode_graph
from tfpipeline.export import (
    ask_process,
    compare,
    converters,
    gate,
    model_metadata,
    parity,
    plain_json,
    protocol,
    publication,
    signatures,
    versions,
    warmup,
)
from tfpipeline.export.prepare import Opened
from tfpipeline.metrics import classification
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

    Args:
        opened: The run.
        settings: What was asked for.
        phases: Are told how long it takes.

    Returns:
        `version` (null where it was not better), `folder`, `labels`, `bytes`, `parity`,
        `also` (of each other runtime `published`, `why` not, and its `parity`), and
        `better`, the comparison with the live version, where there was one.

    Raises:
        UserError: Its answers are others than those of the training path.
    """
    base = Path(str(settings.output))
    if settings.only_if_better:
        compare.check(opened, base)
    with versions.staged(base) as folder, tempfile.TemporaryDirectory() as scratch:
        with phases("write"):
            _write(folder, opened, settings)
        with phases("parity"):
            answers = ask_process.ask(folder, opened.places, Path(scratch))
        tolerance = gate.tolerance(settings, gate.SAVEDMODEL)
        rules = parity.Rules(least=settings.min_answered)
        found = parity.compare(opened.asked, answers, tolerance, rules)
        found["seconds_to_load"] = answers["seconds"]
        check_passed(found, "the SavedModel")
        _write_golden(folder, opened, answers)
        result: dict[str, Any] = {"version": None, "folder": None}
        if settings.only_if_better:
            with phases("compare"):
                result["better"] = compare.compare(folder, opened, Path(scratch))
        best = result.get("better", {}).get("winner", "new") == "new"
        also = {}
        for name in settings.also if best else ():
            with phases(name):
                allowed = gate.tolerance(settings, name)
                also[name] = _convert(folder, name, opened, Path(scratch), allowed)
        file_io.write_json(folder / PARITY, {**found, "also": also})
        size = versions.size_bytes(folder)
        result |= {"bytes": size, "parity": found, "also": also}
        if best:
            number, labels = publication.publish(
                folder,
                settings.label,
                settings.name,
                settings.batch_sizes,
                settings.max_images,
            )
            result |= {"version": number, "folder": str(base / str(number))}
        else:
            labels = versions.read_labels(base)
    return result | {"labels": labels}


def _write(folder: Path, opened: Opened, settings: ExportSettings) -> None:
    """Write everything of a version but what its answers are needed for."""
    extractor, head = classifier.split_classifier(opened.model)
    height, width = opened.model.input_shape[1:3]
    resize = opened.trained.data.resize
    answers = signatures.Answers(
        opened.labels,
        opened.calibration.temperature,
        settings.top_k,
        opened.calibration.threshold,
        opened.calibration.reason,
    )
    bounds = settings.max_pixels, settings.max_request_pixels
    reader = decode_graph.Reader(height, width, resize, *bounds)
    parts = signatures.Parts(
        extractor,
        head,
        answers,
        reader,
        settings.max_images,
        Frozen(extractor, _MOST_BYTES),
    )
    served = signatures.Served(parts)
    signatures.save(folder, served)
    file_io.write_lines(folder / compare.LABELS, opened.labels)
    if opened.run.learned.is_file():
        file_io.write_lines(folder / compare.LEARNED, compare.learned_from(opened))
    about = {
        "run": str(opened.run.path.absolute()),
        "name": settings.name,
        "classes": len(opened.labels),
        "image_size": [height, width],
        "resize": resize,
        "max_pixels": settings.max_pixels,
        "max_request_pixels": settings.max_request_pixels,
        "max_images": settings.max_images,
        "top_k": min(settings.top_k, len(opened.labels)),
        "calibration": opened.calibration.to_json(),
        "versions": provenance.versions(),
        "command": provenance.command(),
    }
    file_io.write_json(folder / ABOUT, about)
    some = [image_io.content(Path(path), *at) for path, *at in opened.places[:32]]
    warmup.write(folder, settings.name, some, settings.batch_sizes)


def check_passed(found: Mapping[str, Any], what: str) -> None:
    """Refuse to publish what answers otherwise.

    Args:
        found: What `parity.compare` returned.
        what: Was asked, in words.

    Raises:
        UserError: With how far it is off, and where.
    """
    if found["passed"]:
        return
    refused = found["not_served"]
    if found["answered"] < found["least"] or not found["n"]:
        raise UserError(
            f"Nothing was published: {what} reads {found['n'] or 'none'} of "
            f"{found['n'] + len(refused)} images, expected {found['least']:.0%} (the "
            f"first that it does not: {refused[0]['id']}, {refused[0]['error']}). Name "
            "others by --images: JPEG, PNG, GIF or BMP; or say by --min_answered which "
            "share is enough."
        )
    raise UserError(
        f"Nothing was published: {what} does not answer as the training path does. "
        f"{_apart(found)}."
    )


def _apart(found: Mapping[str, Any]) -> str:
    """Return in words how far an answer is from what was trained."""
    most = f" on all images but {found['most_beyond']}" if found["most_beyond"] else ""
    kept = f", {found['changed']} with another best class" if found["changed"] else ""
    return (
        f"Largest difference of a probability: {found['max_difference']:.2g} (expected "
        f"at most {found['tolerance']:g}{most}; beyond it "
        f"are {found['beyond']}{kept}) on {found['worst']}; the best class is the same "
        f"on {found['labels_equal']:.1%} of {found['n']} images, or as good on "
        f"{found['agreed']:.1%} (expected {found['agreement']:.0%})"
    )


def _write_golden(folder: Path, opened: Opened, answers: Mapping[str, Any]) -> None:
    """Write a few requests with their answers, to try any server with."""
    served = [i for i, valid in enumerate(answers["valid"]) if valid]
    sizes = {i: opened.files[i].length or opened.files[i].size for i in served}
    smallest = sorted(served, key=lambda i: sizes[i])[:_GOLDEN]
    places = [opened.places[i] for i in smallest]
    contents = [image_io.content(Path(path), *at) for path, *at in places]
    keys = [key for key in answers if key != "seconds"]
    golden = {
        "request": {
            "signature_name": protocol.SIGNATURE,
            "instances": protocol.instances(contents),
        },
        "predictions": [{key: answers[key][i] for key in keys} for i in smallest],
    }
    file_io.write_json(folder / GOLDEN, golden)


def _convert(
    folder: Path, name: str, opened: Opened, scratch: Path, tolerance: float
) -> dict[str, Any]:
    """Convert to another runtime, ask that as well, and keep it if it answers rightly.

    The version itself does not suffer: what is not kept says why.
    """
    target = converters.TARGETS[name]
    file = folder / "also" / target.file
    file.parent.mkdir(exist_ok=True)
    about: dict[str, Any] = {"published": False}
    pixels = np.zeros((0, *opened.pixels.shape[1:]), np.uint8)
    if target.kind == "int8" and opened.ranges is not None:
        split, rows, pixels = opened.ranges
        digests = [row.sha256[: compare.DIGITS] for row in rows]
        about["ranges"] = {"split": split, "n": len(rows), "sha256": digests}
    some = pixels.astype(np.float32) / 255
    try:
        with startup.quiet_start():
            content = target.convert(
                opened.model, opened.calibration.temperature, some, target.kind
            )
            content = model_metadata.describe(content, target.file, _described(opened))
        file.write_bytes(content)
        chance = ask_process.ask_pixels(file, opened.pixels, scratch)
    except OSError:
        raise  # A full disk is no fault of the runtime.
    except Exception as error:
        file.unlink(missing_ok=True)
        return about | {"why": f"It cannot be converted: {plain_json.reason(error)}"}
    best = classification.top_k(chance, chance.shape[1])
    answers = {
        "valid": [True] * len(chance),
        "labels": [[opened.labels[k] for k in row] for row in best],
        "probabilities": np.take_along_axis(chance, best, axis=1),
    }
    rules = parity.Rules(target.agreement, within=converters.WITHIN, margin=tolerance)
    about |= parity.compare(opened.asked, answers, tolerance, rules)
    if not about["passed"]:
        file.unlink()
        why = f"{_apart(about)}. --tolerance.{name} NUMBER lets more pass"
        return about | {"why": why}
    about |= {"published": True, "bytes": len(content)}
    about["file"] = str(file.relative_to(folder))
    file_io.write_json(file.with_suffix(".parity.json"), about)
    return about


def _described(opened: Opened) -> model_metadata.Description:
    """Return what a converted classifier says of itself."""
    height, width = opened.model.input_shape[1:3]
    resize = opened.trained.data.resize
    name = opened.run.path.name
    return model_metadata.Description(name, opened.labels, (height, width), resize)
