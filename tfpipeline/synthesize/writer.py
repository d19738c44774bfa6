"""What `synthesize` writes and says of the images that it made."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tfpipeline.core import contact_sheets, disk, file_io, image_io
from tfpipeline.core.checks import Check, if_asked
from tfpipeline.core.console import Closing
from tfpipeline.metrics import classification
from tfpipeline.models import load_network
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.engines.names import BFLOAT16, TENSORFLOW
from tfpipeline.models.load_network import Network
from tfpipeline.report.closing import closing
from tfpipeline.synthesize import generate, natural_path, plots
from tfpipeline.synthesize.generate import Ideal, Job


def names(folder: str, job: Job) -> list[str]:
    """Return the names of all files that may be written for a job, below its folder."""
    labels, copies = job.network.labels, range(job.settings.copies)
    each = [generate.file_name(labels, i, k) for i in job.indices for k in copies]
    places = ["{}.png", "charts/{}.png", *(["{}.gif"] if job.frames else [])]
    every = [place.format(name) for place in places for name in each]
    whole = ["sheet.png", "natural_path.png"]
    return [f"{folder}/{name}" for name in [*whole, *every]]


def save(folder: Path, ideal: Ideal, labels: ClassNames) -> Ideal:
    """Write an image, its chart and animation, and return it without large frames."""
    file = folder / f"{ideal.name}.png"
    image_io.save_png(file, ideal.picture)
    chart = plots.ideal(
        ideal.picture, _caption(ideal), ideal.probabilities, labels, ideal.curve
    )
    image_io.save_png(folder / "charts" / file.name, chart)
    if ideal.frames:
        _write_gif(file.with_suffix(".gif"), [*ideal.frames, ideal.picture])
    return dataclasses.replace(ideal, frames=[])


def write(
    output: Path,
    jobs: Mapping[str, Job],
    ideals: Mapping[str, Sequence[Ideal]],
    judges: Sequence[Network],
    natural: natural_path.Photographs,
) -> dict[str, Any]:
    """Write the sheets, have the saved files judged, and return `synthesis.json`.

    Jobs and images are by preset; the first one is the user's. Natural are
    photographs of classes, as far as there are some.
    """
    results: list[dict[str, Any]] = []
    network = next(iter(jobs.values())).network
    measure = natural_path.Measure(network, natural.files)
    for number, (name, own) in enumerate(ideals.items()):
        job, folder = jobs[name], Path(name) if number else Path()
        items = [_item(ideal, job, folder / f"{ideal.name}.png") for ideal in own]
        # As they lie on the disk.
        pictures = np.stack([image_io.decode(output / item["image"]) for item in items])
        for network in judges:
            verdicts = judge(own, pictures, network, job.network.labels)
            for item, verdict in zip(items, verdicts):
                item["judges"][network.name] = verdict
        captions = [
            "\n".join([_caption(ideal), *_verdicts(item)])
            for ideal, item in zip(own, items)
        ]
        sheet = contact_sheets.contact_sheet(list(pictures), captions, min(5, len(own)))
        image_io.save_png(output / folder / "sheet.png", sheet)
        summary = {"preset": name, "sheet": str(folder / "sheet.png")}
        summary["engine"] = BFLOAT16 if job.bfloat16 else TENSORFLOW
        summary |= _summary(job, items, judges)
        ways = _ways(items, pictures, measure)
        checks = _checks(own)
        checks["natural_path"] = natural_path.check(ways, natural.splits)
        if checks["natural_path"]["passed"] is not None:
            chart = folder / "natural_path.png"
            image_io.save_png(output / chart, plots.natural_path(items))
            summary["natural_path_chart"] = str(chart)
        results.append({"images": items, "checks": checks, "summary": summary})
    result = results[0]
    if len(results) > 1:
        image_io.save_png(output / "compare.png", _comparison(ideals))
        result["summary"]["comparison"] = "compare.png"
        result["compared"] = results[1:]
    return result


def _item(ideal: Ideal, job: Job, file: Path) -> dict[str, Any]:
    best = np.argsort(-ideal.probabilities, kind="stable")[:5]
    return {
        "class": ideal.label,
        "index": ideal.index,
        "image": str(file),
        "file": str(file),
        "chart": str(file.parent / "charts" / file.name),
        "start_score": ideal.start_score,
        "end_score": ideal.end_score,
        "rose": ideal.rose,
        "recognised": ideal.recognised,
        "start_probability": ideal.start_probability,
        "probability": ideal.probability,
        **({} if ideal.raw else {"score_before_rounding": ideal.score_before_rounding}),
        "top": [[job.network.labels[i], float(ideal.probabilities[i])] for i in best],
        "total_variation": ideal.total_variation,
        "steps": job.preset.steps,
        "seconds": round(ideal.seconds, 3),
        "woken": ideal.cured,
        "judges": {},
        **({"raw": ideal.raw} if ideal.raw else {}),
        **_nearness(ideal, job),
        **({"gif": str(file.with_suffix(".gif"))} if job.frames else {}),
    }


def _ways(
    items: Sequence[dict[str, Any]], pictures: np.ndarray, measure: natural_path.Measure
) -> list[Mapping[str, natural_path.Way]]:
    """Add to each image how it goes through the layers, and return that of all."""
    ways: list[Mapping[str, natural_path.Way]] = []
    for item, picture in zip(items, pictures):
        way = measure(picture, item["index"])
        if way is not None:
            ways.append(way)
            item["natural_path"] = {name: one.told() for name, one in way.items()}
    return ways


def _nearness(ideal: Ideal, job: Job) -> dict[str, Any]:
    """Return how near an accentuated photograph has stayed, and in which layer."""
    if ideal.feature_distance is None:
        return {}
    return {
        "feature_distance": ideal.feature_distance,
        "feature_layer": generate.feature_layer(job),
    }


def _caption(ideal: Ideal) -> str:
    fell = "" if ideal.rose else "DID NOT RISE "
    return f"{fell}{ideal.label} {ideal.probability:.3f}"


def _write_gif(file: Path, frames: Sequence[np.ndarray]) -> None:
    first, *rest = (Image.fromarray(frame) for frame in frames)
    how = {"duration": [100] * len(rest) + [2000], "loop": 0, "append_images": rest}
    with file_io.replacing(file) as temporary, disk.naming(temporary):
        first.save(temporary, "GIF", save_all=True, **how)


def judge(
    ideals: Sequence[Ideal], pictures: np.ndarray, network: Network, labels: ClassNames
) -> list[dict[str, Any]]:
    """Return what a network that took no part says of images, given with their files.

    It is the rank of the class (1 is first) and its probability, both None where the
    judge does not know the class, and what the judge would call the image.
    """
    known, same = network.labels, labels == network.labels
    verdicts = []
    for shares, ideal in zip(
        classification.probabilities(network.logits(pictures)), ideals
    ):
        # A name that two classes have tells neither.
        name = labels.normalized[ideal.index]
        own = ideal.index if same else known.unique.get(name)
        verdicts.append(
            {
                # Of equal ones the last: a judge that cannot tell does not recognise.
                "rank": None if own is None else int((shares >= shares[own]).sum()),
                "probability": None if own is None else float(shares[own]),
                "top": known[int(shares.argmax())],
            }
        )
    return verdicts


def _comparison(ideals: Mapping[str, Sequence[Ideal]]) -> np.ndarray:
    """Return a sheet with the images of all presets side by side, class by class."""
    firsts = [[i for i in own if not i.copy] for own in ideals.values()]
    pairs = [pair for same in zip(*firsts) for pair in zip(ideals, same)]
    pictures = [ideal.picture for _, ideal in pairs]
    captions = [f"{_caption(ideal)} ({name})" for name, ideal in pairs]
    columns = len(ideals) * (2 if len(firsts[0]) > 3 else 1)
    return contact_sheets.contact_sheet(pictures, captions, columns)


# What should be true of each image, what it means, and what it means otherwise.
_CHECKS: dict[str, tuple[Callable[[Ideal], bool], str, str]] = {
    "finite": (
        lambda ideal: ideal.finite,
        "Every number of the image and of its score is one: the ascent did not "
        "diverge.",
        "the ascent diverged. Try a lower --synthesis.learning_rate.",
    ),
    "score_rose": (
        lambda ideal: ideal.rose,
        "The score of the picture is higher than that of its start.",
        "the score did not rise; the picture shows nothing. Try more "
        "--synthesis.steps.",
    ),
    "gradient": (
        lambda ideal: ideal.alive or ideal.rose or not ideal.finite,
        "There is a gradient, as the preset has it; without one nothing can rise.",
        "the network has no gradient there, so nothing can rise.",
    ),
    "recognised": (
        lambda ideal: ideal.recognised,
        "The network itself names the class of the saved file first.",
        "the network itself sees another class first on the saved file. Try more "
        "--synthesis.steps.",
    ),
}


def _checks(ideals: Sequence[Ideal]) -> dict[str, Any]:
    checks = {}
    for name, (passes, *meanings) in _CHECKS.items():
        wrong = [ideal.label for ideal in ideals if not passes(ideal)]
        applies = name != "gradient" or any(ideal.finite for ideal in ideals)
        checks[name] = Check(if_asked(applies, not wrong), wrong, *meanings).told()
    if not any(ideal.raw for ideal in ideals):
        change = max(ideal.rounding_change for ideal in ideals)
        most = generate.EIGHT_BIT_TOLERANCE
        check = Check(
            change <= most,
            change,
            "Rounding to 8 bits undoes at most 2 % of the rise of a score.",
            "rounding to 8 bits undoes more than 2 % of the rise of some score.",
        )
        checks["eight_bit"] = check.told() | {"expected": most}
    return checks


def _summary(
    job: Job, items: Sequence[Mapping[str, Any]], judges: Sequence[Network]
) -> dict[str, Any]:
    votes = {}
    for network in judges:
        verdicts = [item["judges"][network.name] for item in items]
        known = [v for v in verdicts if v["rank"] is not None]
        same = network.is_same(job.network)
        shares = [v["probability"] for v in known]
        votes[network.name] = {
            "took_no_part": not (same or network.shares_backbone(job.network)),
            "is_the_network": same,
            "known": len(known),
            "top_1": sum(v["rank"] == 1 for v in known),
            "top_5": sum(v["rank"] <= 5 for v in known),
            "mean_probability": float(np.mean(shares)) if known else None,
        }
    return {
        **load_network.about(job.network),
        "defects": list(job.preset.defects),
        "class_features": job.class_features,
        "class_statistics": job.statistics.weight if job.statistics else 0.0,
        **(
            {"without_statistics": job.statistics.lacking(job.indices)}
            if job.statistics
            else {}
        ),
        **(
            {"without_photographs": len(job.directionless)}
            if job.class_features
            else {}
        ),
        "images": len(items),
        "recognised": sum(item["recognised"] for item in items),
        "least_probability": min(item["probability"] for item in items),
        "judges": votes,
    }


def closing_words(
    result: Mapping[str, Any], output: Path, page: Path | None
) -> Closing:
    """Say in a few lines what was made, and what to be careful of."""
    summary = result["summary"]
    return closing(
        "synthesize",
        page or output / summary.get("comparison", summary["sheet"]),
        "synthesis.json",
        result=result,
        compared=result.get("compared", ()),
        careful=load_network.careful(summary),
        verdicts=_verdicts,
    )


def _verdicts(item: Mapping[str, Any]) -> list[str]:
    """Return what each judge says of an image, in words."""
    said = []
    for name, verdict in item["judges"].items():
        if verdict["rank"] is None:
            said.append(f"{name} has no such class")
        else:
            said.append(f"{name}: rank {verdict['rank']}, {verdict['probability']:.3f}")
    return said
