"""From a run to a published version: written, asked, compared, then numbered."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import atomic, cli, images, manifest
from tfpipeline.config_serving import ExportSettings
from tfpipeline.data import encoded
from tfpipeline.errors import UserError
from tfpipeline.evaluation import metrics
from tfpipeline.models import classifier
from tfpipeline.models.frozen import Frozen
from tfpipeline.serving import (
    asking,
    client,
    descriptions,
    other_targets,
    parity,
    publication,
    signatures,
    versions,
    warmup,
)
from tfpipeline.workflow import contest, measuring
from tfpipeline.workflow.exporting import Opened

PARITY, GOLDEN, ABOUT = "parity.json", "golden_requests.json", "export.json"

# Golden requests are small files, so that they can be read.
_GOLDEN = 3

# Weights up to this size are constants of what is published: it then answers in two
# thirds of the time on CPUs, but each signature that is used may hold a copy.
_MOST_BYTES = 2**25


def publish(
    opened: Opened, settings: ExportSettings, phases: manifest.Phases
) -> dict[str, Any]:
    """Write a version, ask it, and give it a number where its answers are right.

    Args:
        opened: The run.
        settings: What was asked for.
        phases: Are told how long it takes.

    Returns:
        `version` (null where it was not better), `folder`, `labels`, `bytes`, `parity`,
        `also`, and `better`, the comparison with the live version, where there was one.

    Raises:
        UserError: Its answers are others than those of the training path.
    """
    base = Path(str(settings.output))
    if settings.only_if_better:
        contest.check(opened, base)
    with versions.staged(base) as folder, tempfile.TemporaryDirectory() as scratch:
        with phases("write"):
            _write(folder, opened, settings)
        with phases("parity"):
            answers = asking.ask(folder, opened.places, Path(scratch))
        found = parity.compare(
            opened.asked, answers, settings.tolerance, least=settings.min_answered
        )
        found["seconds_to_load"] = answers["seconds"]
        atomic.write_json(folder / PARITY, found)
        check_passed(found, "the SavedModel")
        _write_golden(folder, opened, answers)
        also = {}
        for name in settings.also:
            with phases(name):
                also[name] = _convert(folder, name, opened, Path(scratch))
        result: dict[str, Any] = {"version": None, "folder": None}
        if settings.only_if_better:
            with phases("compare"):
                result["better"] = contest.compare(folder, opened, Path(scratch))
        size = versions.size_bytes(folder)
        result |= {"bytes": size, "parity": found, "also": also}
        if result.get("better", {}).get("winner", "new") == "new":
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
        opened.calibration.accepts_from,
    )
    bounds = settings.max_pixels, settings.max_request_pixels
    reader = encoded.Reader(height, width, resize, *bounds)
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
    atomic.write_lines(folder / contest.LABELS, opened.labels)
    if opened.run.learned.is_file():
        atomic.write_lines(folder / contest.LEARNED, contest.learned_from(opened))
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
        "versions": manifest.versions(),
        "command": manifest.command(),
    }
    atomic.write_json(folder / ABOUT, about)
    some = [images.content(Path(path), *at) for path, *at in opened.places[:32]]
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
        f"Largest difference of a probability: {found['max_difference']:.2g} (expected "
        f"at most {found['tolerance']:g}) on {found['worst']}; the best class is the "
        f"same on {found['labels_equal']:.1%} of {found['n']} images (expected "
        f"{found['agreement']:.0%})."
    )


def _write_golden(folder: Path, opened: Opened, answers: Mapping[str, Any]) -> None:
    """Write a few requests with their answers, to try any server with."""
    served = [i for i, valid in enumerate(answers["valid"]) if valid]
    sizes = {i: opened.files[i].length or opened.files[i].size for i in served}
    smallest = sorted(served, key=lambda i: sizes[i])[:_GOLDEN]
    places = [opened.places[i] for i in smallest]
    contents = [images.content(Path(path), *at) for path, *at in places]
    keys = [key for key in answers if key != "seconds"]
    golden = {
        "request": {
            "signature_name": client.SIGNATURE,
            "instances": client.instances(contents),
        },
        "predictions": [{key: answers[key][i] for key in keys} for i in smallest],
    }
    atomic.write_json(folder / GOLDEN, golden)


def _convert(folder: Path, name: str, opened: Opened, scratch: Path) -> dict[str, Any]:
    """Convert to another runtime, and ask that as well."""
    target = other_targets.TARGETS[name]
    chosen = measuring.spread(len(opened.pixels), 100)
    some = opened.pixels[chosen].astype(np.float32) / 255
    temperature = opened.calibration.temperature
    with cli.quiet_start():
        content = target.convert(opened.model, temperature, some, target.kind)
        content = descriptions.describe(content, target.file, _described(opened))
    file = folder / "also" / target.file
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    chance = asking.ask_pixels(file, opened.pixels, scratch)
    best = metrics.top_k(chance, chance.shape[1])
    answers = {
        "valid": [True] * len(chance),
        "labels": [[opened.labels[k] for k in row] for row in best],
        "probabilities": np.take_along_axis(chance, best, axis=1),
    }
    found = parity.compare(opened.asked, answers, target.tolerance, target.agreement)
    found |= {"file": str(file.relative_to(folder)), "bytes": len(content)}
    atomic.write_json(file.with_suffix(".parity.json"), found)
    check_passed(found, f"{name} of --also")
    return found


def _described(opened: Opened) -> descriptions.Description:
    """Return what a converted classifier says of itself."""
    height, width = opened.model.input_shape[1:3]
    resize = opened.trained.data.resize
    name = opened.run.path.name
    return descriptions.Description(name, opened.labels, (height, width), resize)
