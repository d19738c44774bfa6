"""What `attack` writes and says of the pictures that it made."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.attack.engine import perturbation_metrics, sanity_checks
from tfpipeline.attack.engine.loop import Found
from tfpipeline.attack.engine.norms import inside
from tfpipeline.attack.experiment import Strike
from tfpipeline.attack.figures import Figures
from tfpipeline.core import contact_sheets, image_io, result_dir
from tfpipeline.metrics import classification
from tfpipeline.models.load_network import Network

# Pictures on the sheet of all, at most.
ON_SHEET = 60


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an attack came to, and what others say of it.

    Args:
        strike: What was done.
        found: The images.
        judges: Networks that took no part.
    """

    strike: Strike
    found: Found
    judges: Sequence[Network]

    @property
    def network(self) -> Network:
        """That was attacked first."""
        return self.strike.networks[0]

    def fooled(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Tell which answers are what the attack wanted.

        Args:
            logits: Of the network, shape (n, classes).
            labels: Of the photographs, shape (n,).
        """
        first, target = logits.argmax(-1), self.strike.plan.target
        made: np.ndarray = first != labels if target is None else first == target
        return made


@dataclasses.dataclass
class Written:
    """The pictures that were written so far.

    Args:
        output: The folder.
        figures: Which get one.
        items: What is true of each.
        taken: Names that are in use.
        first: The first pictures, for a sheet.
    """

    output: Path
    figures: Figures
    items: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    taken: set[str] = dataclasses.field(default_factory=lambda: {"sheet", "overview"})
    first: list[np.ndarray] = dataclasses.field(default_factory=list)

    def add(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Write some pictures, judge the files, and return what is true of each.

        Args:
            outcome: Of the attack.
        """
        pictures, items = _written(outcome, self.output, self.taken)
        self.figures.draw(outcome.strike, pictures, items, self.output)
        self.items += items
        self.first += list(pictures[: max(0, ON_SHEET - len(self.first))])
        return items

    def copied(self) -> "Written":
        """Return the same, which what comes next does not change."""
        return Written(
            self.output,
            copy.copy(self.figures),
            list(self.items),
            set(self.taken),
            list(self.first),
        )

    def sheet(self) -> None:
        """Draw the first pictures on one sheet."""
        shown = [
            f"{i['label']}\n"
            + (f"now {i['final_class']}" if i["success_8bit"] else "NOT FOOLED")
            for i in self.items[: len(self.first)]
        ]
        drawn = contact_sheets.contact_sheet(self.first, shown, min(5, len(shown)))
        image_io.save_png(self.output / "sheet.png", drawn)


def _written(
    outcome: Outcome, output: Path, taken: set[str]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    strike, network = outcome.strike, outcome.network
    names = [result_dir.own_name(subject.path, taken) for subject in strike.subjects]
    for name, image in zip(names, outcome.found.image):
        image_io.save_png(output / f"{name}.png", sanity_checks.levels(image))
    # As they lie on the disk.
    pictures = np.stack([image_io.decode(output / f"{name}.png") for name in names])
    labels = strike.labels
    logits = [one.logits(pictures) for one in strike.networks]
    fooled = np.all([outcome.fooled(some, labels) for some in logits], 0)
    shares = classification.probabilities(logits[0])
    items = []
    for k, subject in enumerate(strike.subjects):
        item = _item(outcome, k, f"{names[k]}.png")
        item |= {
            "final_class": network.labels[int(shares[k].argmax())],
            "final_probability": float(shares[k].max()),
            **perturbation_metrics.sizes(pictures[k], subject.picture),
        }
        small = inside(np.array(item[item["norm"]]), strike.plan.epsilon)
        item["success_8bit"] = bool(fooled[k] and small)
        if strike.plan.target is not None:
            item["target_probability"] = float(shares[k, strike.plan.target])
        item["top"] = _top(shares[k], network.labels)
        item["clean_top"] = _top(subject.probabilities, network.labels)
        items.append(item)
    _after_jpeg(outcome, pictures, labels, items)
    _judged(outcome, pictures, labels, items)
    if strike.settings.full_size:
        _at_full_size(outcome, pictures, items, output)
    return pictures, items


def _item(outcome: Outcome, k: int, file: str) -> dict[str, Any]:
    strike, found, network = outcome.strike, outcome.found, outcome.network
    subject, target = strike.subjects[k], strike.plan.target
    return {
        "image": str(subject.path),
        "adversarial": file,
        "figure": None,
        "clean_class": network.labels[subject.seen],
        "clean_probability": float(subject.probabilities.max()),
        "label": network.labels[subject.label],
        "label_from": subject.label_from,
        "target": None if target is None else network.labels[target],
        "epsilon": strike.plan.epsilon,
        "norm": strike.settings.norm,
        "success": bool(found.success[k]),
        "steps": int(found.steps[k]),
        "steps_without_gradient": int(found.flat[k]),
        "judges": {},
    }


def _top(share: np.ndarray, labels: Sequence[str]) -> list[tuple[str, float]]:
    best = np.argsort(-share, kind="stable")[:5]
    return [(labels[i], float(share[i])) for i in best]


def _after_jpeg(
    outcome: Outcome,
    pictures: np.ndarray,
    labels: np.ndarray,
    items: Sequence[dict[str, Any]],
) -> None:
    """Say which pictures still fool after they were kept as JPEG."""
    for item in items:
        item["success_jpeg"] = {}
    for word in outcome.strike.settings.jpeg:
        kept = np.stack([perturbation_metrics.jpeg(one, int(word)) for one in pictures])
        some = [
            outcome.fooled(one.logits(kept), labels) for one in outcome.strike.networks
        ]
        for item, success in zip(items, np.all(some, 0)):
            item["success_jpeg"][word] = bool(success)


def _judged(
    outcome: Outcome,
    pictures: np.ndarray,
    labels: np.ndarray,
    items: Sequence[dict[str, Any]],
) -> None:
    """Let networks that took no part say what is on the pictures."""
    own, target = outcome.network.labels, outcome.strike.plan.target
    clean = outcome.strike.clean
    for judge in outcome.judges:
        names = judge.labels.normalized
        before, after = judge.logits(clean), judge.logits(pictures)
        shares = classification.probabilities(after)
        for k, item in enumerate(items):
            wish = own.normalized[labels[k] if target is None else target]
            seen = [names[int(some[k].argmax())] for some in (before, after)]
            # Only what it was right about can be lost; of what it does not know, or was
            # wrong about anyway, nothing is said.
            fooled: bool | None = seen[1] == wish if wish in names else None
            if target is None:
                fooled = seen[1] != wish if seen[0] == wish else None
            item["judges"][judge.name] = {
                "clean_class": judge.labels[int(before[k].argmax())],
                "class": judge.labels[int(after[k].argmax())],
                "probability": float(shares[k].max()),
                "fooled": fooled,
            }


def _at_full_size(
    outcome: Outcome,
    pictures: np.ndarray,
    items: Sequence[dict[str, Any]],
    output: Path,
) -> None:
    """Carry the perturbations back to the photographs, and judge those again."""
    how = outcome.strike.settings.resize or outcome.network.resize
    for k, (subject, item) in enumerate(zip(outcome.strike.subjects, items)):
        item |= {"full_size": None, "success_full_size": None}
        if how != "squash":
            continue
        photograph = image_io.decode(subject.path)
        made = perturbation_metrics.carried(photograph, pictures[k], subject.picture)
        if made is None:
            continue
        file = f"full_size/{item['adversarial']}"
        image_io.save_png(output / file, made)
        kept, label = image_io.decode(output / file), np.array([subject.label])
        # Each network squashes it to a size of its own.
        fooled = [
            outcome.fooled(one.logits(kept[None]), label)[0]
            for one in outcome.strike.networks
        ]
        item |= {"full_size": file, "success_full_size": bool(all(fooled))}
