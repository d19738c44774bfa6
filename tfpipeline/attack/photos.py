"""Photographs that are to be attacked, and what is on them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.distribute.agreement import Rows
from tfpipeline.features import layer_maps
from tfpipeline.metrics import classification
from tfpipeline.models import class_names, imagenet_weights
from tfpipeline.models.load_network import Network

# Where the name of a class may stand in the path of a photograph.
FOLDER, WORDNET, NETWORK = "folder", "wordnet number", "network"


@dataclass(frozen=True)
class Subject:
    """One photograph as the network sees it, and what the network says of it."""

    path: Path
    picture: np.ndarray  # uint8, of the size of the network's input.
    label: int
    # Who says so: the folder it lies in, a WordNet number in its name, or, where there
    # is neither, the network itself.
    label_from: str
    probabilities: np.ndarray  # What the network sees, shape (classes,).

    @property
    def seen(self) -> int:
        """Number of the class that the network sees first."""
        return int(self.probabilities.argmax())

    @property
    def right(self) -> bool:
        """Whether that is the right one."""
        return self.seen == self.label


def gather(
    paths: Sequence[Path], network: Network, how: str, max_pixels: int
) -> tuple[list[Subject], list[tuple[Path, str]]]:
    """Return the photographs that can be read, and what is wrong with the others."""
    good, bad = layer_maps.photographs(paths, network, how, max_pixels)
    if not good:
        return [], bad
    logits = network.logits(np.stack([photo.picture for photo in good]))
    known, subjects = _known(network), []
    for photo, share in zip(good, classification.probabilities(logits)):
        label, who = _label(photo.path, known) or (int(share.argmax()), NETWORK)
        subjects.append(Subject(photo.path, photo.picture, label, who, share))
    return subjects, bad


def _known(network: Network) -> dict[str, tuple[int, str]]:
    """Return what may stand in a path for which class."""
    names = network.labels.unique.items()
    known = {name: (i, FOLDER) for name, i in names if not name.isdecimal()}
    if network.imagenet and network.named:
        for index, (number, _) in enumerate(imagenet_weights.class_table()):
            known[number] = (index, WORDNET)
    return known


def _label(path: Path, known: dict[str, tuple[int, str]]) -> tuple[int, str] | None:
    for word in (path.name, path.parent.name):
        number = re.match(r"n\d{8}(?!\d)", word)
        if number and number[0] in known:
            return known[number[0]]
    return known.get(class_names.normalize(path.absolute().parent.name))


def attackable(
    subjects: Sequence[Subject], target: int | None
) -> tuple[list[Subject], list[tuple[Subject, str]]]:
    """Return the photographs that an attack can say something about, and the others."""
    good, left = [], []
    for subject in subjects:
        if target is not None and target in (subject.seen, subject.label):
            left.append((subject, "it is taken for the target already, or is one"))
        elif not subject.right:
            left.append((subject, "the network is wrong without an attack"))
        else:
            good.append(subject)
    return good, left


def check_subjects(
    strategy: tf.distribute.Strategy, subjects: Sequence[Subject]
) -> None:
    """Refuse to attack where workers see different photographs."""
    rows: dict[str, Rows] = {
        "photographs": lambda: (f"{s.path}: class {s.label}" for s in subjects),
        "contents of photographs": lambda: (
            f"{s.path}: digest {hashlib.sha256(s.picture.tobytes()).hexdigest()}"
            for s in subjects
        ),
    }
    distribute.check_same(strategy, rows, "Give all of them one copy of --images.")
