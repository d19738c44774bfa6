"""What `synthesize` writes and says of the images that it made."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tfpipeline.core import contact_sheets, disk, file_io, image_io
from tfpipeline.core.checks import Check
from tfpipeline.core.console import Closing
from tfpipeline.models import load_network
from tfpipeline.models.load_network import Network
from tfpipeline.report.closing import closing
from tfpipeline.synthesize import generate, judge_network, plots
from tfpipeline.synthesize.generate import Ideal, Job


def names(folder: str, job: Job) -> list[str]:
    """Return the names of all files that may be written for a job.

    Args:
        folder: Of its images, relative to that of the result.
        job: What is to be made.
    """
    labels, copies = job.network.labels, range(job.settings.copies)
    each = [generate.file_name(i, labels[i], k) for i in job.indices for k in copies]
    places = ["{}.png", "charts/{}.png", *(["{}.gif"] if job.frames else [])]
    every = [place.format(name) for place in places for name in each]
    return [f"{folder}/{name}" for name in ["sheet.png", *every]]


def save(folder: Path, ideal: Ideal, labels: Sequence[str]) -> Ideal:
    """Write an image, its chart and its animation as soon as it is made.

    Args:
        folder: Where to.
        ideal: The image.
        labels: Names of all classes.

    Returns:
        The image without the frames of its animation, which take much memory.
    """
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
    made: Mapping[str, Sequence[Ideal]],
    judges: Sequence[Network],
) -> dict[str, Any]:
    """Write the sheets, have the files judged, and return what is true of them.

    Args:
        output: The folder.
        jobs: What was asked for, by preset; the first one is the user's.
        made: The images of each, saved already.
        judges: Networks that took no part.

    Returns:
        For `synthesis.json`: `images`, `checks`, `summary`, and `compared`, which holds
        the images of the other preset.
    """
    told: list[dict[str, Any]] = []
    for number, (name, some) in enumerate(made.items()):
        job, folder = jobs[name], Path(name) if number else Path()
        pictures = [ideal.picture for ideal in some]
        items = [_item(ideal, job, folder / f"{ideal.name}.png") for ideal in some]
        _judge(items, output, some, judges, job.network)
        captions = [
            "\n".join([_caption(one), *_verdicts(item)])
            for one, item in zip(some, items)
        ]
        sheet = contact_sheets.contact_sheet(pictures, captions, min(5, len(pictures)))
        image_io.save_png(output / folder / "sheet.png", sheet)
        summary = {"preset": name, "sheet": str(folder / "sheet.png")}
        summary |= _summary(job, items, judges)
        told.append({"images": items, "checks": _checks(some), "summary": summary})
    result = told[0]
    if len(told) > 1:
        image_io.save_png(output / "compare.png", _comparison(made))
        result["summary"]["comparison"] = "compare.png"
        result["compared"] = told[1:]
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
        **({"gif": str(file.with_suffix(".gif"))} if job.frames else {}),
    }


def _caption(ideal: Ideal) -> str:
    fell = "" if ideal.rose else "DID NOT RISE "
    return f"{fell}{ideal.label} {ideal.probability:.3f}"


def _write_gif(file: Path, frames: Sequence[np.ndarray]) -> None:
    first, *rest = (Image.fromarray(frame) for frame in frames)
    durations = [100] * len(rest) + [2000]
    with file_io.replacing(file) as temporary, disk.naming(temporary):
        first.save(
            temporary,
            "GIF",
            save_all=True,
            append_images=rest,
            duration=durations,
            loop=0,
        )


def _judge(
    items: Sequence[dict[str, Any]],
    output: Path,
    ideal_images: Sequence[Ideal],
    judges: Sequence[Network],
    network: Network,
) -> None:
    """Let other networks say what is on the files, as they lie on the disk."""
    pictures = np.stack([image_io.decode(output / item["image"]) for item in items])
    for judge in judges:
        verdicts = judge_network.judged(ideal_images, pictures, judge, network.labels)
        for item, verdict in zip(items, verdicts):
            item["judges"][judge.name] = verdict


def _comparison(made: Mapping[str, Sequence[Ideal]]) -> np.ndarray:
    """Return a sheet with the images of all presets side by side, class by class."""
    pictures, captions = [], []
    names = list(made)
    firsts = [[i for i in made[name] if not i.copy] for name in names]
    for same in zip(*firsts):
        for name, ideal in zip(names, same):
            pictures.append(ideal.picture)
            captions.append(f"{_caption(ideal)} ({name})")
    columns = len(names) * (2 if len(firsts[0]) > 3 else 1)
    return contact_sheets.contact_sheet(pictures, captions, columns)


# What should be true, and what it means where it is not.
_MEANINGS = {
    "finite": (
        "Every number of the image and of its score is one: the ascent did not "
        "diverge.",
        "the ascent diverged. Try a lower --synthesis.learning_rate.",
    ),
    "score_rose": (
        "The score of the picture is higher than that of its start.",
        "the score did not rise; the picture shows nothing. Try more "
        "--synthesis.steps.",
    ),
    "gradient": (
        "There is a gradient, as the preset has it; without one nothing can rise.",
        "the network has no gradient there, so nothing can rise.",
    ),
    "recognised": (
        "The network itself names the class of the saved file first.",
        "the network itself sees another class first on the saved file. Try more "
        "--synthesis.steps.",
    ),
    "eight_bit": (
        "Rounding to 8 bits undoes no larger share of a score's rise.",
        "rounding to 8 bits undoes more than 2 % of what some score rose by.",
    ),
}


def _checks(some: Sequence[Ideal]) -> dict[str, Any]:
    finite = [ideal for ideal in some if ideal.finite]
    found: dict[str, tuple[bool | None, Any]] = {}
    for name, whose in {
        "finite": [i.label for i in some if not i.finite],
        "score_rose": [i.label for i in some if not i.rose],
        "gradient": [i.label for i in finite if not (i.alive or i.rose)],
        "recognised": [i.label for i in some if not i.recognised],
    }.items():
        found[name] = (not whose, whose)
    if not finite:
        found["gradient"] = (None, [])
    if not any(ideal.raw for ideal in some):
        change = max(ideal.rounding_change for ideal in some)
        found["eight_bit"] = (change <= generate.EIGHT_BIT_TOLERANCE, change)
    checks = {
        name: Check(passed, value, *_MEANINGS[name]).told()
        for name, (passed, value) in found.items()
    }
    if "eight_bit" in checks:
        checks["eight_bit"]["expected"] = generate.EIGHT_BIT_TOLERANCE
    return checks


def _summary(
    job: Job, items: Sequence[Mapping[str, Any]], judges: Sequence[Network]
) -> dict[str, Any]:
    told: dict[str, Any] = {
        **load_network.about(job.network),
        "defects": list(job.preset.defects),
        "images": len(items),
        "recognised": sum(item["recognised"] for item in items),
        "least_probability": min(item["probability"] for item in items),
        "judges": {},
    }
    for judge in judges:
        verdicts = [item["judges"][judge.name] for item in items]
        known = [v for v in verdicts if v["rank"] is not None]
        same = judge.is_same(job.network)
        told["judges"][judge.name] = {
            "took_no_part": not (same or judge.shares_backbone(job.network)),
            "is_the_network": same,
            "known": len(known),
            "top_1": sum(v["rank"] == 1 for v in known),
            "top_5": sum(v["rank"] <= 5 for v in known),
            "mean_probability": (
                float(np.mean([v["probability"] for v in known])) if known else None
            ),
        }
    return told


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
