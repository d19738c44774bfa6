"""Fine-tuned networks against their own best frozen head, paired over seeds.

python benchmarks/real/fine_tuning.py PICTURES --weights FOLDER [--seeds 5]
    [--only TEXT] [--first_seed 0] [--output FILE.json] [--docs docs/fine_tuning.md]

PICTURES holds `sign_digits` and `oxford_pets`; FOLDER is that of `lesson.py`. Each seed
draws a split of its own: a fifth of each class is for testing, the rest learns. Of the
frozen heads the best is the one with the highest mean on those test images, so that it
is flattered and the gain of fine-tuning is not. The recipes were chosen on seeds 10 and
above: other splits of the same photographs. A row that `--output` has is not run again.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared import FLAT, arguments, insert, network, read, results, weights, write

from tfpipeline.metrics.statistics import mean_interval

NO_VALIDATION = ("--data.validation_fraction", "0")
STRONG = (
    *("--train.epochs", "100", "--train.optimizer", "adamw", "--train.weight_decay"),
    *("0.1", "--train.schedule", "cosine", "--model.dropout", "0.5"),
)
VIEWS = ("--data.augmentation", "light", "--data.views", "2")
SMOOTH = ("--train.label_smoothing", "0.1")


def size(pixels: int) -> tuple[str, ...]:
    """Return the flag of an image size."""
    return "--model.image_size", str(pixels)


def tuned(unfreeze: str, rate: str, epochs: int) -> tuple[str, ...]:
    """Return the flags of a second stage, with what its first one needs."""
    return (
        *(*VIEWS, *SMOOTH, "--fine_tune.unfreeze", unfreeze),
        *("--fine_tune.learning_rate", rate, "--fine_tune.epochs", str(epochs)),
        *("--fine_tune.warmup_epochs", "1"),
    )


def frozen(small: int, *large: int) -> dict[str, tuple[str, ...]]:
    """Return ways to train a head on a frozen network, by their names.

    At a larger size features with strong decay alone are tried.
    """
    strong = {
        f"{name}, strong decay, {pixels} px": (*STRONG, *flags, *size(pixels))
        for pixels in (small, *large)
        for name, flags in (("average", ()), ("flat", FLAT))
    }
    views = (*VIEWS, *SMOOTH, *size(small))
    plain = {
        f"average, {small} px": size(small),
        f"average, views, {small} px": views,
    }
    return plain | strong


# Of each set and network: frozen heads, and recipes of fine-tuning, by their names.
Recipes = dict[str, tuple[str, ...]]
TABLE: dict[tuple[str, str], tuple[Recipes, Recipes]] = {
    ("sign_digits", "MobileNetV2:0.35"): (
        frozen(144, 224),
        {"all, 1e-3, 10 epochs, 224 px": (*tuned("all", "1e-3", 10), *size(224))},
    ),
    ("sign_digits", "VGG16"): (
        frozen(96),
        {"block5, 2e-4, 6 epochs, 96 px": (*tuned("block5", "2e-4", 6), *size(96))},
    ),
}


def measure(flags: Sequence[str], given: argparse.Namespace) -> dict[str, Any]:
    """Train over the seeds; return the accuracies and the cost."""
    with tempfile.TemporaryDirectory() as folder:
        runs = results(flags, given.seeds, Path(folder), given.first_seed)
    return {
        "n": runs[0]["test"]["n"],
        "accuracies": [run["test"]["accuracy"] for run in runs],
        "cpu_seconds": statistics.median(run["cpu_seconds"] for run in runs),
    }


def rows() -> dict[str, tuple[str, ...]]:
    """Return the flags of each training, by its name."""
    return {
        f"{data}: {name}, {kind}: {recipe}": (data, name, *flags)
        for (data, name), both in TABLE.items()
        for kind, recipes in zip(("frozen", "tuned"), both)
        for recipe, flags in recipes.items()
    }


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return each recipe beside the best frozen head of its network, as Markdown."""
    lines = [
        "| pictures | network | best frozen head | accuracy | fine-tuned | accuracy "
        "| gain, paired | CPU s a run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for data, name in TABLE:
        start = f"{data}: {name}, "
        heads = {k: v for k, v in found.items() if k.startswith(start + "frozen: ")}
        if not heads:
            continue
        best = max(heads, key=lambda k: statistics.mean(heads[k]["accuracies"]))
        own = heads[best]["accuracies"]
        for kind in [k for k in found if k.startswith(start + "tuned: ")]:
            more = found[kind]["accuracies"]
            gain, half = mean_interval([a - b for a, b in zip(more, own)])
            lines.append(
                f"| `{data}`, {found[kind]['n']} | {name} "
                f"| {best.partition('frozen: ')[2]} | {statistics.mean(own):.3f} "
                f"| {kind.partition('tuned: ')[2]} | {statistics.mean(more):.3f} "
                f"| {gain:+.3f} ± {half:.3f} | {found[kind]['cpu_seconds']:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing; print the table; write it where asked to."""
    parser = arguments(__doc__, 5, "trainings")
    parser.add_argument("--first_seed", type=int, default=0)
    given = parser.parse_args()
    found = read(given.output)
    for name, (data, backbone, *flags) in rows().items():
        if name in found or given.only not in name:
            continue
        more = [*network(backbone), *NO_VALIDATION]
        more += weights(backbone, given.weights)
        more += ["--data.source", str(given.pictures / data)]
        more += ["--cache_dir", given.cache_dir]
        found[name] = measure([*more, *flags], given)
        print(name, found[name], flush=True)
        write(given.output, found)
    print(table(found))
    if given.docs:
        insert(given.docs, "fine-tuning", table(found))


if __name__ == "__main__":
    main()
