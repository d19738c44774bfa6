"""The lesson's recipes on real weights: accuracy over seeds, and what they cost.

python benchmarks/real/lesson.py PICTURES --weights FOLDER [--seeds 3] [--only TEXT]
    [--output FILE.json] [--docs docs/lesson.md] [--cache_dir FOLDER]

PICTURES holds `cats_vs_dogs/{train,test}`, `oxford_pets` and `sign_digits`; FOLDER
holds `vgg16_notop.weights.h5` and `xception_notop.weights.h5`. The others are the
ImageNet weights of `keras.applications`. A row that `--output` has already is not run
again, so that an interrupted benchmark resumes. Each seed draws its own validation
images, and its own test images where the set names none. CPU seconds are those of all
cores, which other work on the machine hardly changes; those `again` find the features
in the cache. Rows that were not measured stay on the page as they are.
"""

import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared import (
    FEW,
    FLAT,
    arguments,
    config,
    insert,
    network,
    read,
    results,
    weights,
    write,
)

from tfpipeline.metrics.statistics import mean_interval

SMALL = ("--model.image_size", "112")

# Set, network, how it learns, and flags.
ROWS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("cats_vs_dogs", "VGG16", "frozen, flat", config("cats_vs_dogs_vgg16_flat")),
    ("cats_vs_dogs", "VGG16", "frozen, average", config("cats_vs_dogs_vgg16_avg")),
    ("cats_vs_dogs", "Xception", "frozen, average", config("cats_vs_dogs_xception")),
    ("cats_vs_dogs", "MobileNetV2", "frozen, average", network("MobileNetV2")),
    ("cats_vs_dogs", "MobileNetV2", "frozen, flat", (*network("MobileNetV2"), *FLAT)),
    *(
        ("cats_vs_dogs", name, "frozen, average", network(name))
        for name in ("MobileNetV2:0.35", "MobileNet:0.25")
    ),
    ("cats_vs_dogs", "PlainCNN", "from scratch", config("from_scratch")),
    (
        "cats_vs_dogs",
        "VGG16",
        "block5 learns, 96 px",
        config("cats_vs_dogs_vgg16_block5"),
    ),
    *(
        ("oxford_pets", name, "frozen, average, few_shot", (*FEW, *network(name)))
        for name in (
            *("MobileNetV2", "Xception", "VGG16"),
            *("MobileNetV2:0.35", "MobileNet:0.25"),
        )
    ),
    (
        "oxford_pets",
        "VGG16",
        "frozen, flat, few_shot",
        (*FEW, *network("VGG16"), *FLAT),
    ),
    *(
        ("sign_digits", "VGG16", f"frozen, {head}, 112 px", (*network("VGG16"), *flags))
        for head, flags in (("average", SMALL), ("flat", (*SMALL, *FLAT)))
    ),
    ("sign_digits", "PlainCNN", "from scratch", config("from_scratch")),
)


def key(row: Sequence[Any]) -> str:
    """Return the name of a row."""
    return f"{row[0]}: {row[1]}, {row[2]}"


def measure(flags: Sequence[str], seeds: int) -> dict[str, Any]:
    """Train over seeds; return the accuracies, the cost and the size of the head."""
    from tfpipeline.models import classifier, saving

    with tempfile.TemporaryDirectory() as folder:
        runs = results(flags, seeds, Path(folder))
        model, _ = saving.load_classifier(Path(folder) / "seed0" / "model.keras")
        _, head = classifier.split_classifier(model)
    found = [run["test"]["accuracy"] for run in runs]
    mean, half = mean_interval(found)
    cpu = [run["cpu_seconds"] for run in runs]
    frozen = [
        run.get("frozen_head", {}).get("test", {}).get("accuracy") for run in runs
    ]
    return {
        "n": runs[0]["test"]["n"],
        "accuracies": found,
        "mean": mean,
        "half_interval": half,
        "frozen": frozen,
        "validation": [run.get("validation", {}).get("accuracy") for run in runs],
        "head_inputs": head.input_shape[-1],
        "head_bytes": 4 * head.count_params(),
        "cpu_seconds": cpu[0],
        "cpu_seconds_again": statistics.median(cpu[1:] or cpu),
        "seconds": [run["seconds"] for run in runs],
    }


def table(rows: Mapping[str, Mapping[str, Any]], page: str = "") -> str:
    """Return what was measured as Markdown; other rows as the page has them."""
    lines = [
        "| pictures | network | how it learns | test accuracy, mean and by seed "
        "| CPU s, first / again | head: inputs, bytes |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        name = f"| {row[1]} | {row[2]} "
        if (found := rows.get(key(row))) is None:
            old = rf"^\| `{row[0]}`, \d+ {re.escape(name)}\|.*$"
            lines += re.findall(old, page, re.MULTILINE)
            continue
        each = ", ".join(f"{one:.3f}" for one in found["accuracies"])
        lines.append(
            f"| `{row[0]}`, {found['n']} {name}"
            f"| {found['mean']:.3f} ± {found['half_interval']:.3f} ({each}) "
            f"| {found['cpu_seconds']:.0f} / {found['cpu_seconds_again']:.0f} "
            f"| {found['head_inputs']:,}, {found['head_bytes']:,} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the rows that are missing; print the table; write it where asked to."""
    given = arguments(__doc__, 3, "rows").parse_args()
    rows = read(given.output)
    for row in ROWS:
        if key(row) in rows or given.only not in key(row):
            continue
        flags = [*row[3], "--data.source", str(given.pictures / row[0])]
        flags += [*weights(row[1], given.weights)]
        rows[key(row)] = measure([*flags, "--cache_dir", given.cache_dir], given.seeds)
        print(key(row), round(rows[key(row)]["mean"], 4), flush=True)
        write(given.output, rows)
    print(table(rows))
    if given.docs:
        insert(given.docs, "lesson", table(rows, given.docs.read_text()))


if __name__ == "__main__":
    main()
