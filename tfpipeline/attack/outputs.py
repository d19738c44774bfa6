"""The pictures that `attack` writes, and what is true of each of the files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.attack.engine import perturbation_metrics, sanity_checks
from tfpipeline.attack.engine.loop import Outcome
from tfpipeline.attack.experiment import Strike
from tfpipeline.core import image_io, result_dir
from tfpipeline.metrics import classification


def write(
    strike: Strike, outcome: Outcome, output: Path, taken: set[str]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Write the pictures of an attack into a folder, and judge the files.

    Returns:
        The pictures as they lie on the disk, and an item of `attack.json` for each.
    """
    labels, own = strike.labels, strike.networks[0].labels
    names = [result_dir.own_name(subject.path, taken) for subject in strike.subjects]
    for name, picture in zip(names, sanity_checks.levels(outcome.image)):
        image_io.save_png(output / f"{name}.png", picture)
    pictures = np.stack([image_io.decode(output / f"{name}.png") for name in names])
    logits = [network.logits(pictures) for network in strike.networks]
    fooled = np.all([strike.fools(each, labels) for each in logits], 0)
    shares = classification.probabilities(logits[0])
    items = []
    for k, subject in enumerate(strike.subjects):
        item = _item(strike, outcome, k) | {"adversarial": f"{names[k]}.png"}
        item |= {
            "final_class": own[int(shares[k].argmax())],
            "final_probability": float(shares[k].max()),
            **perturbation_metrics.sizes(pictures[k], subject.picture),
        }
        small = strike.epsilon.holds(item[item["norm"]])
        item["success_8bit"] = bool(fooled[k] and small)
        if strike.target is not None:
            item["target_probability"] = float(shares[k, strike.target])
        item["top"] = _top(shares[k], own)
        item["clean_top"] = _top(subject.probabilities, own)
        item["success_jpeg"] = {}
        items.append(item)
    for quality in strike.settings.jpeg:
        kept = [perturbation_metrics.jpeg(one, int(quality)) for one in pictures]
        fooled = _fools_all(strike, np.stack(kept), labels)
        for item, success in zip(items, fooled):
            item["success_jpeg"][quality] = bool(success)
    _judge(strike, pictures, items)
    if strike.settings.full_size:
        _save_full_size(strike, pictures, items, output)
    return pictures, items


def _item(strike: Strike, outcome: Outcome, k: int) -> dict[str, Any]:
    """Return what is known of a photograph before its file is written."""
    subject, target = strike.subjects[k], strike.target
    labels = strike.networks[0].labels
    return {
        "image": str(subject.path),
        "adversarial": "",
        "figure": None,
        "clean_class": labels[subject.seen],
        "clean_probability": float(subject.probabilities.max()),
        "label": labels[subject.label],
        "label_from": subject.label_from,
        "target": None if target is None else labels[target],
        "epsilon": strike.epsilon.value,
        "norm": strike.settings.norm,
        "success": bool(outcome.success[k]),
        "steps": int(outcome.steps[k]),
        "steps_without_gradient": int(outcome.flat[k]),
        "judges": {},
    }


def _top(share: np.ndarray, labels: Sequence[str]) -> list[tuple[str, float]]:
    best = np.argsort(-share, kind="stable")[:5]
    return [(labels[i], float(share[i])) for i in best]


def _fools_all(strike: Strike, pictures: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tell which pictures fool all networks that were attacked."""
    logits = (network.logits(pictures) for network in strike.networks)
    return np.all([strike.fools(each, labels) for each in logits], 0)


def _judge(
    strike: Strike, pictures: np.ndarray, items: Sequence[dict[str, Any]]
) -> None:
    """Let networks that took no part say what is on the pictures."""
    labels, target = strike.labels, strike.target
    own = strike.networks[0].labels.normalized
    for judge in strike.judges:
        names = judge.labels.normalized
        before, after = judge.logits(strike.clean), judge.logits(pictures)
        shares = classification.probabilities(after)
        for k, item in enumerate(items):
            wish = own[labels[k] if target is None else target]
            was, now = int(before[k].argmax()), int(after[k].argmax())
            # Only what it was right about can be lost; of what it does not know, or was
            # wrong about anyway, nothing is said.
            fooled: bool | None = names[now] == wish if wish in names else None
            if target is None:
                fooled = names[now] != wish if names[was] == wish else None
            item["judges"][judge.name] = {
                "clean_class": judge.labels[was],
                "class": judge.labels[now],
                "probability": float(shares[k].max()),
                "fooled": fooled,
            }


def _save_full_size(
    strike: Strike,
    pictures: np.ndarray,
    items: Sequence[dict[str, Any]],
    output: Path,
) -> None:
    """Carry the perturbations back to the photographs, and judge those again."""
    how = strike.settings.resize or strike.networks[0].resize
    for picture, subject, item in zip(pictures, strike.subjects, items):
        item |= {"full_size": None, "success_full_size": None}
        if how != "squash":
            continue
        photograph = image_io.decode(
            subject.path,
            ranges=strike.networks[0].ranges,
            max_pixels=strike.settings.max_pixels,
        )
        large = perturbation_metrics.carried(photograph, picture, subject.picture)
        if large is None:
            continue
        file = f"full_size/{item['adversarial']}"
        image_io.save_png(output / file, large)
        kept, label = image_io.decode(output / file), np.array([subject.label])
        # Each network squashes it to a size of its own.
        fooled = _fools_all(strike, kept[None], label)
        item |= {"full_size": file, "success_full_size": bool(fooled[0])}
