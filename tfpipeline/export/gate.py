"""What a version is asked about before it is published, and what is let pass."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import converters
from tfpipeline.metrics.spread import spread

# What the gate of the version itself is called among those of other runtimes.
SAVEDMODEL = "savedmodel"

# Float32 here and there: more than the order of sums makes is a fault.
_TOLERANCE = 1e-4

# By how much a novelty may differ at least, as a share of it: it is a difference of
# sums of squares, which loses two digits.
_NOVELTY_TOLERANCE = 1e-3

# Probabilities that are no further apart are equal, whatever else is let pass.
TIE = 1e-4

# By how much the shares of images that are known may differ, or by one image: what is
# near the limit may be on either side of it, but not more on one than on the other.
_KNOWN_TOLERANCE = 0.02

# Images by which the ranges of 8-bit numbers are set, at most.
_RANGES = 100


class Novelty(NamedTuple):
    """The novelty of each image, shape (n,), and the largest that is known."""

    values: np.ndarray
    threshold: float | None


class Trained(NamedTuple):
    """What the training path says: calibrated probabilities, shape (n, classes)."""

    ids: Sequence[str]
    chance: np.ndarray
    labels: Sequence[str]
    novelty: Novelty | None = None


class Rules(NamedTuple):
    """What is let pass besides the tolerance.

    Args:
        agreement: Share of the images whose best class has to be the same, or one that
            the training path puts below its own by `margin` at most.
        least: Share of the images that the served model has to read.
        within: Share of the images whose difference has to be within the tolerance;
            below 1, one of several may be beyond it in any case. Those beyond have to
            keep their best class.
    """

    agreement: float = 1
    least: float = 0
    within: float = 1
    margin: float = TIE


def divide(
    held_out: Sequence[Row], train: Sequence[Row], most: int, needed: bool
) -> tuple[list[Row], list[Row]]:
    """Return `most` images of the gate, and others by which 8-bit ranges are set.

    What a network was fitted to says too little of it: the ranges come from training
    images, or, where there are none, from every other one of the images that there are.
    None is a copy of an image of the gate; there are none where none is `needed`.
    """
    halved = needed and not train
    pool = held_out[::2] if halved else held_out
    gate = [pool[i] for i in spread(len(pool), most)]
    if not needed:
        return gate, []
    of_gate = {row.sha256 for row in gate}
    others = held_out[1::2] if halved else train
    others = [row for row in others if row.sha256 not in of_gate]
    if not others:
        raise UserError(
            "--also litert_int8: expected images that set its ranges, and others that "
            f"the gate asks about. Received: {len(held_out)}, of which none is no copy "
            "of those. Name more by --images, or leave that flag out, and training "
            "images set them."
        )
    return gate, [others[i] for i in spread(len(others), _RANGES)]


def tolerance(settings: ExportSettings, name: str) -> float:
    """Return by how much a probability of `savedmodel` or a runtime may differ."""
    given = settings.tolerance
    if isinstance(given, int | float):
        return given
    return (tolerances() | (given or {}))[name]


def tolerances() -> dict[str, float]:
    """Return by how much a probability may differ by default, by what is written."""
    targets = converters.TARGETS
    return {SAVEDMODEL: _TOLERANCE} | {n: t.tolerance for n, t in targets.items()}


def check(given: float | dict[str, float] | None) -> None:
    """Refuse a name that nobody knows, and what is no difference."""
    known = tolerances()
    for name, value in given.items() if isinstance(given, dict) else (("", given),):
        if name and name not in known:
            raise unknown("--tolerance", name, known)
        if value is not None and not (0 < value and math.isfinite(value)):
            raise UserError(
                f"--tolerance{'.' if name else ''}{name}: expected a positive number. "
                f"Received: {value}."
            )


def compare(
    trained: Trained,
    answers: Mapping[str, Any],
    tolerance: float,
    rules: Rules = Rules(),
) -> dict[str, Any]:
    """Return how far two answers to the same images are apart, for `parity.json`.

    Of the served model, `labels`, `probabilities` (both best first), `valid` and
    `error` have an entry an image.

    Returns:
        Beside the rules `n` (images compared), `labels_equal` and `agreed` (shares of
        the same best class, and of what `agreement` is about), `beyond` (images that
        differ by more than the tolerance) and `changed` (those of another best class),
        `worst` (the image of the largest difference), `not_served` (why not), and
        `unit`, of differences that are none of probabilities.
    """
    columns = {name: column for column, name in enumerate(trained.labels)}
    differences, equal, agreed, compared, refused = [], [], [], [], []
    for row, image in enumerate(trained.ids):
        if not answers["valid"][row]:
            refused.append({"id": image, "error": answers["error"][row]})
            continue
        chance = trained.chance[row]
        places = [columns[name] for name in answers["labels"][row]]
        served = np.asarray(answers["probabilities"][row], np.float64)  # None is NaN.
        differences.append(float(np.abs(served - chance[places]).max()))
        below = chance.max() - chance[places[0]]
        equal.append(bool(below <= TIE))
        agreed.append(bool(below <= rules.margin))
        compared.append(image)
    # The largest of NaN and any number is NaN, and no NaN is within a tolerance.
    largest = float(np.max(differences)) if differences else 0.0
    share = float(np.mean(agreed)) if agreed else 0.0
    answered = len(compared) / len(trained.ids)
    beyond = [same for off, same in zip(differences, equal) if not off <= tolerance]
    most = 0 if rules.within == 1 else max(1, round((1 - rules.within) * len(compared)))
    # One image at least has to be within the tolerance: else nothing was asked.
    most = min(most, max(0, len(compared) - 1))
    passed = bool(compared) and answered >= rules.least and share >= rules.agreement
    passed &= math.isfinite(largest) and len(beyond) <= most and all(beyond)
    strange = _strange(trained, answers, tolerance)
    passed &= all(part["passed"] for part in strange.values())
    return {
        "passed": passed,
        "n": len(compared),
        "max_difference": largest,
        "tolerance": tolerance,
        "labels_equal": float(np.mean(equal)) if equal else 0.0,
        "agreed": share,
        "agreement": rules.agreement,
        "beyond": len(beyond),
        "most_beyond": most,
        "changed": beyond.count(False),
        "answered": answered,
        "least": rules.least,
        "worst": compared[int(np.argmax(differences))] if compared else None,
        "not_served": refused,
        **({"unit": "standard deviations"} if "value" in answers else {}),
        **strange,
    }


def difference(report: Mapping[str, Any]) -> str:
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
        if known := strange.get("known"):
            more += (
                f", with novelty near the limit {known['differ']}; "
                f"{known['served']:.1%} are known, expected {known['trained']:.1%} "
                f"within {_KNOWN_TOLERANCE:.0%}"
            )
    labels = report.get("said")
    if labels and not labels["passed"]:
        more += f". {labels['changed']} labels are said by one of the two alone"
    ends = report.get("interval")
    if ends and not ends["passed"]:
        more += (
            f". Its interval lacks {' and '.join(ends['missing'])}"
            if "missing" in ends
            else ". Largest difference of an end of its interval, in standard "
            f"deviations: {ends['max_difference']:.2g}"
        )
    what, best = "a probability", (
        f"; the best class is the same on {report['labels_equal']:.1%} of "
        f"{report['n']} images, or as good on {report['agreed']:.1%} (expected "
        f"{report['agreement']:.0%})"
    )
    if report.get("unit"):
        what, best = f"the number, in {report['unit']}", f", of {report['n']} images"
    return (
        f"Largest difference of {what}: {report['max_difference']:.2g} (expected at "
        f"most {report['tolerance']:g}{most}; beyond it are {report['beyond']}"
        f"{changed}) on {report['worst']}{best}{more}"
    )


def _strange(
    trained: Trained, answers: Mapping[str, Any], tolerance: float
) -> dict[str, dict[str, Any]]:
    """Return how far novelty is apart, where both have it, and what is known.

    An image as near to the threshold as the tolerance may be on either side of it, as
    long as about as many are known.
    """
    if trained.novelty is None or "novelty" not in answers:
        return {}
    valid = np.array(answers["valid"], bool)
    values, threshold = trained.novelty.values[valid], trained.novelty.threshold
    served = np.asarray(answers["novelty"], np.float64)[valid]  # None is NaN.
    allowed = max(_NOVELTY_TOLERANCE, tolerance)
    size = np.maximum(1.0, np.abs(values))
    off = np.abs(served - values) / size
    largest = float(off.max()) if len(off) else 0.0
    passed = largest <= allowed
    told: dict[str, Any] = {"max_difference": largest, "tolerance": allowed}
    told["changed"] = 0
    if threshold is not None:
        own, knows = values <= threshold, np.array(answers["known"], bool)[valid]
        near = np.abs(values - threshold) <= allowed * size
        told["changed"] = int(((knows != own) & ~near).sum())
        moved = abs(int(knows.sum()) - int(own.sum()))
        passed &= not told["changed"] and moved <= max(1, _KNOWN_TOLERANCE * len(own))
        told["known"] = {
            "trained": float(own.mean()) if len(own) else None,
            "served": float(knows.mean()) if len(own) else None,
            "differ": int((knows != own).sum()),
        }
    return {"novelty": {"passed": bool(passed), **told}}
