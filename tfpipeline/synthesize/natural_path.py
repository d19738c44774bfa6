"""Do ideal images take the way of photographs of their class through the layers?

An image can excite a class by other units than photographs do. In each layer, the
activations of an ideal image are compared with those of photographs of its class, and
that with how alike photographs of one class, and of different classes, are.

Source: Geirhos et al., "Don't trust your eyes", ICML 2024, arXiv:2306.04719.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfpipeline.core import file_io, image_io
from tfpipeline.core.checks import Check, if_asked
from tfpipeline.core.errors import UserError
from tfpipeline.core.image_formats import ImageError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data.sources import listing
from tfpipeline.models import layer_outputs, reference
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.layer_outputs import Inside
from tfpipeline.models.load_network import Network

# Photographs of each class, and of all others together, at most.
OWN, OTHERS = 8, 24

LAYERS = 8

# Units of a layer that are compared, drawn at random where it has more.
UNITS = 16_384

# Those that the objective knows by `class_features` come last.
_ORDER = tuple(reversed(reference.SPLITS))

# Images that go through the network at a time.
_TOGETHER = 8


class Photographs(NamedTuple):
    """Files by class, and how many of them are of which split of the run."""

    files: dict[int, list[Path]]
    splits: dict[str, int] = {}


def files(folder: str | None, run: str | None, labels: ClassNames) -> Photographs:
    """Return photographs by class: of a folder, else those of a run."""
    if folder is not None:
        return Photographs(of_folder(Path(folder), labels))
    return of_run(run, labels)


def of_run(run: str | None, labels: ClassNames) -> Photographs:
    """Return the files of a run, by class; those that are there.

    Those that it has never seen come first, then those that chose its epoch: images are
    made of what it has learned, partly of the features of just those photographs.
    """
    table = RunFolder(Path(run)).splits if run is not None else None
    if table is None or not table.is_file():
        return Photographs({})
    index = {name: i for i, name in enumerate(labels)}
    found: dict[int, list[Path]] = {}
    splits: dict[str, int] = {}
    rows = [row for row in file_io.read_csv(table) if row.get("split") in _ORDER]
    for row in sorted(rows, key=lambda row: _ORDER.index(row["split"])):
        file, label = row.get("path"), row.get("label", "")
        if file and label in index:
            own = found.setdefault(index[label], [])
            if len(own) < OWN and Path(file).is_file():
                own.append(Path(file))
                splits[row["split"]] = splits.get(row["split"], 0) + 1
    return Photographs(found, splits)


def of_folder(folder: Path, labels: ClassNames) -> dict[int, list[Path]]:
    """Return the files of a folder with one folder for each class, as it is named."""
    if not folder.is_dir():
        raise UserError(
            f"--photographs: expected a folder with one folder of photographs for each "
            f"class. Received: {folder}, which is none."
        )
    names = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    found = {
        labels.find([entry.name], "--photographs")[0]: listing.named_files(
            [str(entry)], "--photographs"
        )
        for entry in names
    }
    if len(found) < 2:
        raise UserError(
            f"--photographs {folder}: expected folders of two classes or more, named "
            f"as these are. Received: {len(found)}. How alike photographs of different "
            "classes are is what ideal images are compared with."
        )
    return {index: list(files)[:OWN] for index, files in found.items()}


@dataclass(frozen=True)
class Way:
    """How alike activations are in a layer, by rank correlation.

    Args:
        ideal: An ideal image and photographs of its class.
        same: Photographs of its class.
        other: Those, and photographs of other classes.
    """

    ideal: float
    same: float
    other: float

    @property
    def normalized(self) -> float | None:
        """1 is as a photograph of its class, 0 as one of another; None: no telling."""
        span = self.same - self.other
        return (self.ideal - self.other) / span if span > 1e-6 else None

    def told(self) -> dict[str, float | None]:
        """Return it for JSON."""
        numbers = {"ideal": self.ideal, "same": self.same, "other": self.other}
        return {**numbers, "normalized": self.normalized}


class Measure:
    """Compares ideal images with photographs in the layers of a network.

    Args:
        network: That they are ideal to.
        files: Photographs by class.
    """

    def __init__(self, network: Network, files: Mapping[int, Sequence[Path]]) -> None:
        self.network, self._files = network, files
        shapes = layer_outputs.maps(network.model)
        self.layers = layer_outputs.spread(list(shapes), LAYERS)
        rng = np.random.default_rng(0)
        self._units = {
            name: np.sort(rng.choice(size, min(size, UNITS), replace=False))
            for name in self.layers
            if (size := int(np.prod(shapes[name])))
        }
        self._inside = Inside(network.model, self.layers)
        self._ranks: dict[tuple[int, int], dict[str, np.ndarray]] = {}

    def __call__(self, picture: np.ndarray, index: int) -> dict[str, Way] | None:
        """Return how alike a picture of a class is in each layer, by its name.

        None is where there are no photographs to compare it with: two of its class, and
        one of another.
        """
        rest = [k for k in sorted(self._files) if k != index]
        if not rest or not self.layers:
            return None
        own = self._of(index, OWN)
        # Some of every class, the first ones first.
        each = [self._of(k, -(-OTHERS // len(rest))) for k in rest]
        name = self.layers[0]
        if len(own[name]) < 2 or not sum(len(other[name]) for other in each):
            return None
        ideal, ways = self._rank(picture[None]), {}
        for name in self.layers:
            others = np.concatenate([other[name] for other in each])
            ways[name] = Way(
                float((ideal[name] @ own[name].T).mean()),
                _off_diagonal(own[name] @ own[name].T),
                float((own[name] @ others.T).mean()),
            )
        return ways

    def _of(self, index: int, count: int) -> dict[str, np.ndarray]:
        """Return the ranks of some photographs of a class, as many as can be read."""
        if (index, count) not in self._ranks:
            pictures = self._read(self._files.get(index, ())[:count])
            self._ranks[index, count] = self._rank(pictures)
        return self._ranks[index, count]

    def _read(self, files: Sequence[Path]) -> np.ndarray:
        pictures, network = [], self.network
        for file in files:
            try:
                (height, width), how = network.size, network.resize
                pictures.append(image_io.read(file, height, width, how, network.ranges))
            except (ImageError, OSError):
                continue  # There are others.
        return np.stack(pictures) if pictures else np.zeros((0, 1, 1, 3), np.uint8)

    def _rank(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the standardised ranks of the units that pictures excite."""
        parts: dict[str, list[np.ndarray]] = {name: [] for name in self.layers}
        for start in range(0, len(pictures), _TOGETHER):
            images = pictures[start : start + _TOGETHER].astype(np.float32) / 255
            outputs = self._inside(tf.constant(images))
            for name, units in self._units.items():
                flat = tf.reshape(outputs[name], (len(images), -1))
                chosen = np.asarray(tf.gather(flat, units, axis=1), np.float32)
                parts[name].append(np.stack([ranks(row) for row in chosen]))
        return {
            name: np.concatenate(rows) if rows else np.zeros((0, len(units)))
            for (name, units), rows in zip(self._units.items(), parts.values())
        }


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of values, equal ones the mean of theirs, standardised.

    Their dot product with those of others is Spearman's rank correlation.
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean = last - (counts + 1) / 2
    own = mean[inverse] - (len(values) - 1) / 2
    length = np.linalg.norm(own)
    return np.asarray(own / length if length > 0 else own, np.float64)


def _off_diagonal(square: np.ndarray) -> float:
    count = len(square)
    return float((square.sum() - np.trace(square)) / (count * (count - 1)))


def pooled(paths: Sequence[Mapping[str, Way]]) -> dict[str, Way]:
    """Return the means over images, layer by layer."""
    return {
        name: Way(
            *(
                float(np.mean([getattr(one[name], part) for one in paths]))
                for part in ("ideal", "same", "other")
            )
        )
        for name in (paths[0] if paths else ())
    }


def check(
    paths: Sequence[Mapping[str, Way]], splits: Mapping[str, int]
) -> dict[str, Any]:
    """Return the check that ideal images take the way of photographs, for JSON.

    Beside it is of which splits of the run the photographs are; empty is another
    folder.

    Its value is of all layers together, so that one counts by how well photographs tell
    classes apart there: as sums of both sides of the fraction.
    """
    layers = pooled(paths).values()
    parts = ("ideal", "same", "other")
    whole = Way(*(sum(getattr(one, part) for one in layers) for part in parts))
    value = whole.normalized
    off = sum((one.normalized or 0) < 0 for one in layers)
    told = Check(
        if_asked(value is not None, (value or 0) > 0),
        None if value is None else round(value, 3),
        "Over all layers, the activations of the ideal images are more similar to "
        "those of photographs of their class than activations of other photographs "
        "are (0: as other photographs; 1: as photographs of the class).",
        f"in {off} of {len(layers)} layers, photographs of other classes are more "
        "similar to those of the class than its ideal image is: it excites the class "
        "by other activations, and may show what photographs of the class lack.",
    ).told()
    return told | {"photographs": dict(splits)}
