"""Which networks can be exported to what: each family through each target of `export`.

python benchmarks/export_targets.py [NAME ...] [--images 32] [--output FILE.json]
    [--targets savedmodel litert_float16 ...]

Of each family of `keras.applications` the smallest network is built at the smallest
size that it takes, with random weights, scaled so that features differ between images,
and a head that was fitted to tell four tints apart. It is written by the code of
`export`, and each file is loaded again and asked about other images. Told is the
largest difference of a probability from Keras', and on how many images the best class
is the same; or why there is no file. This compares conversions, not trained networks.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from results import tell

from tfpipeline.core import startup

with startup.quiet_start():
    import keras
    import tensorflow as tf

    from tfpipeline.config import ModelSettings
    from tfpipeline.data import decode_graph
    from tfpipeline.export import (
        ask_process,
        converters,
        model_metadata,
        protocol,
        signatures,
    )
    from tfpipeline.models import backbones, classifier
    from tfpipeline.models.constant_weights import Frozen
    from tfpipeline.models.registry import BACKBONES

LABELS = ["a", "b", "c", "d"]


def smallest() -> list[str]:
    """Return the network of each family that has the fewest weights."""
    by_size = sorted(BACKBONES, key=lambda name: BACKBONES[name].parameters_million)
    families: dict[str, str] = {}
    for name in by_size:
        families.setdefault(BACKBONES[name].family, name)
    return [name for name in BACKBONES if name in families.values()]


def pictures(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of blobs, tinted by their class, and the classes.

    Args:
        count: Pictures.
        size: Height and width, pixels.

    Returns:
        float32 in [0, 1] in steps of 8 bits, shape (count, size, size, 3); and int.
    """
    random = np.random.default_rng(0)
    label = np.arange(count) % len(LABELS)
    tint = np.array([[1, 0.3, 0.3], [0.3, 1, 0.3], [0.3, 0.3, 1], [1, 1, 1]])
    small = random.random((count, 4, 4, 3)) * tint[label][:, None, None]
    images = np.clip(tf.image.resize(small, (size, size), "bicubic"), 0, 1)
    return np.round(images * 255).astype(np.float32) / 255, label


def build(name: str, images: np.ndarray, label: np.ndarray) -> keras.Model:
    """Return a classifier of random features; its head is fitted by least squares."""
    row, size = BACKBONES[name], images.shape[1]
    settings = ModelSettings(backbone=name, weights="none", image_size=size)
    resolved = backbones.resolve(settings, "")
    keras.utils.set_random_seed(0)
    backbone = backbones.build(resolved, size, None, include_top=False)
    backbones.calibrate(backbone, images, row.mode)
    model = classifier.build_classifier(backbone, row.mode, resolved, len(LABELS))
    extractor, _ = classifier.split_classifier(model)
    features = np.asarray(extractor.predict(images, verbose=0), np.float64)
    centred = features - features.mean(0)
    gram = centred @ centred.T
    ridge = gram + 0.1 * np.trace(gram) / len(gram) * np.eye(len(gram))
    kernel = centred.T @ np.linalg.solve(ridge, 6 * np.eye(len(LABELS))[label])
    dense = model.get_layer(classifier.HEAD).layers[-1]
    dense.set_weights([kernel, -features.mean(0) @ kernel])
    return model


def ask(
    model: keras.Model, target: str, images: tuple[np.ndarray, ...], folder: Path
) -> np.ndarray:
    """Return the probabilities of a written classifier, in the order of its labels.

    The first images set the ranges of 8 bits, and the second ones are asked about.
    """
    others, shown = images
    size = shown.shape[1]
    if target == "savedmodel":
        extractor, head = classifier.split_classifier(model)
        answers = signatures.Answers(LABELS, 1.0, len(LABELS))
        reader = decode_graph.Reader(size, size, "squash")
        # As `publish` has it: each signature has a copy of such weights.
        frozen = Frozen(extractor, 2**25)
        served = signatures.Served(frozen, head, answers, reader)
        signatures.save(folder / "1", served)
        found = tf.saved_model.load(folder / "1").signatures["pixels"](
            images=tf.constant(shown)
        )
        order = np.argsort(found["labels"].numpy(), axis=1)
        return np.take_along_axis(found["probabilities"].numpy(), order, axis=1)
    kind = converters.TARGETS[target]
    content = kind.convert(model, converters.Answering(), others, kind.kind)
    about = model_metadata.Description("untrained", LABELS, (size, size), "squash")
    file = folder / kind.file
    file.write_bytes(model_metadata.describe(content, kind.file, about))
    outputs = ask_process.ask_pixels(file, np.round(shown * 255).astype(np.uint8))
    return outputs[converters.OUTPUT]


def row_of(name: str, count: int, targets: list[str]) -> dict[str, Any]:
    """Return how far each target is from Keras, or why it is not there."""
    size = max(BACKBONES[name].minimal_size, 32)
    images, label = pictures(2 * count, size)
    halves = images[:count], images[count:]
    model = build(name, halves[0], label[:count])
    logits = model.predict(halves[1], verbose=0)
    expected = np.asarray(tf.nn.softmax(logits))
    row: dict[str, Any] = {"network": name, "image_size": size, "targets": {}}
    row["accuracy"] = float(np.mean(expected.argmax(1) == label[count:]))
    for target in targets:
        since = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                with startup.quiet_start():
                    found = ask(model, target, halves, Path(folder))
            except Exception as error:
                row["targets"][target] = {"why": protocol.reason(error)}
                continue
        row["targets"][target] = {
            "max_difference": float(abs(found - expected).max()),
            "best_equal": float(np.mean(found.argmax(1) == expected.argmax(1))),
            "seconds": time.perf_counter() - since,
        }
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table of docs/serving.md."""
    targets = ["savedmodel", *converters.TARGETS]
    lines = [f"| network | pixels | {' | '.join(targets)} |"]
    lines += ["|---|---|" + "---|" * len(targets)]
    for row in rows:
        cells = [_cell(row["targets"].get(target, {})) for target in targets]
        lines.append(
            f"| {row['network']} | {row['image_size']} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def _cell(found: dict[str, Any]) -> str:
    if not found:
        return "not tried"
    if "why" in found:
        return f"no: {found['why']}"
    return f"{found['max_difference']:.0e}, {found['best_equal']:.0%}"


def in_a_process(name: str, count: int, targets: list[str]) -> dict[str, Any]:
    """Return the row of a network, measured in a process that frees its memory."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "row.json"
        words = [sys.executable, __file__, name, "--images", str(count)]
        words += ["--targets", *targets]
        subprocess.run(
            [*words, "--output", str(file)], check=True, stdout=subprocess.DEVNULL
        )
        return dict(json.loads(file.read_text())["rows"][0])


def main() -> None:
    """Convert, ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="default: the smallest of each family")
    parser.add_argument("--images", type=int, default=32)
    every = ["savedmodel", *converters.TARGETS]
    parser.add_argument("--targets", nargs="+", default=every, choices=every)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    names = given.names or smallest()
    rows = []
    for name in names:
        measure = row_of if len(names) == 1 else in_a_process
        rows.append(measure(name, given.images, given.targets))
        print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    tell({"rows": rows, "table": table(rows)}, given.output)


if __name__ == "__main__":
    main()
