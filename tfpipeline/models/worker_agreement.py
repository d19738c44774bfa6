"""What the workers of a command have to agree on before they compute together."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.cli import from_python
from tfpipeline.core import provenance
from tfpipeline.data.dataset import Examples
from tfpipeline.distribute.agreement import Rows
from tfpipeline.models import classifier

# Settings that a worker may have for itself.
_OWN = ("workdir", "cache_dir", "distribute", "data.cache")


def check_settings(
    strategy: tf.distribute.Strategy, settings: object, *files: str | None
) -> None:
    """Refuse workers with other settings, packages, or contents of named files."""
    given = from_python.flat(settings, _OWN)
    facts: dict[str, Rows] = {
        "settings": lambda: (f"--{name} {given[name]}" for name in sorted(given)),
        # Python itself, the first one, is no matter.
        "packages": lambda: map(" ".join, list(provenance.versions().items())[1:]),
        "files": lambda: (f"{file}: {_content(Path(file))}" for file in files if file),
    }
    distribute.check_same(strategy, facts, "Give the same command to all of them.")


def _content(file: Path) -> str:
    """Return a digest of what a file holds, or why it cannot be read."""
    try:
        return f"SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()}"
    except OSError as error:
        return error.strerror or "cannot be read"


def check_examples(strategy: tf.distribute.Strategy, examples: Examples) -> None:
    """Refuse to train where workers have different copies of the data."""
    advice = "Give all of them one copy of --data.source and of the files beside it."
    distribute.check_same(strategy, example_facts(examples), advice)


def example_facts(examples: Examples) -> dict[str, Rows]:
    """Return what a training depends on, by what it is, the first cause first."""
    source, fixes = examples.source, examples.corrected
    names, ids = source.labels, source.ids
    return {
        "classes": lambda: names,
        "unusable files": lambda: (f"{n}: {r.reason}" for n, r in examples.quarantined),
        "corrections": lambda: (
            *(f"{name}: {names[new]}" for name, new in fixes.relabelled.items()),
            *(f"{name}: dropped" for name in sorted(fixes.dropped)),
        ),
        "files": lambda: ids,
        "contents of files": lambda: map("{}: SHA-256 {}".format, ids, examples.keys),
        "labels": lambda: (f"{n}: {source.said(i)}" for i, n in enumerate(ids)),
        "shares": lambda: (
            map("{}: {}".format, ids, source.values.tolist())
            if source.values is not None
            else ()
        ),
        "weights": lambda: map("{}: {}".format, ids, source.weight),
        "groups": lambda: map("{}: {}".format, ids, source.group),
        "splits": lambda: map("{}: {}".format, ids, examples.split),
    }


def check_weights(
    strategy: tf.distribute.Strategy, models: Sequence[keras.Model]
) -> None:
    """Refuse to go on where workers have different copies of the weights."""
    if distribute.workers(strategy)[1] > 1:
        rows = [f"{one.name}: digest {classifier.describe(one)}" for one in models]
        advice = "Give all of them one copy: see --model.weights, --run and KERAS_HOME."
        distribute.check_same(strategy, {"weights": lambda: rows}, advice)
