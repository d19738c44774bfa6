"""Fine-tuned networks against their own best frozen head, paired over seeds.

python benchmarks/real/fine_tuning.py PICTURES --weights FOLDER [--seeds 5]
    [--only TEXT] [--first_seed 0] [--output FILE.json] [--docs docs/fine_tuning.md]

PICTURES holds `sign_digits`; FOLDER is that of `lesson.py`. Each seed draws a split of
its own: a fifth of each class is for testing, the rest learns. Of the frozen heads the
best is the one with the highest mean on those test images, so that it is flattered and
the gain of fine-tuning is not. The recipes were chosen on seeds 10 and above: other
splits of the same photographs. What `--output` has is not run again.
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared import (
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

Recipes = dict[str, tuple[str, ...]]

# What a figure does not need: images to choose an epoch, and files for later commands.
LEAN = (
    *("--data.validation_fraction", "0", "--train.reference", "false"),
    *("--logs.tensorboard", "false"),
)
STRONG = (
    *("--train.epochs", "100", "--train.optimizer", "adamw", "--train.weight_decay"),
    *("0.1", "--train.schedule", "cosine", "--model.dropout", "0.5"),
)


def views(count: int) -> tuple[str, ...]:
    """Return the flags of changed copies of each picture, and of smoothing."""
    changed = "--data.augmentation", "light", "--data.views", str(count)
    return *changed, "--train.label_smoothing", "0.1"


WAYS = {
    ", strong decay": STRONG,
    ", strong decay, 2 views": (*STRONG, *views(2)),
    "": (),
}


def frozen(own: int, other: int) -> Recipes:
    """Return ways to train a head on a frozen network, by their names.

    All are tried at the image size of the recipe, strong decay also at another one. The
    preset `few_shot` is strong decay with the middle of each picture, which is all of a
    square one.
    """
    return {
        f"{pooling}{way}, {pixels} px": (
            *(*shape, *flags, "--model.image_size", str(pixels)),
        )
        for way, flags in WAYS.items()
        for pixels in (own, other)
        for pooling, shape in {"average": (), "flat": FLAT}.items()
        if pixels == own or flags == STRONG
    }


# Of each set and network: frozen heads, and recipes of fine-tuning, by their names.
TABLE: dict[tuple[str, str], tuple[Recipes, Recipes]] = {
    ("sign_digits", "VGG16"): (
        frozen(64, 96),
        {
            "block3, 3e-4, layer decay 0.8, 15 epochs, 64 px": config(
                "sign_digits_vgg16"
            )
        },
    ),
    ("sign_digits", "MobileNetV2:0.35"): (
        frozen(224, 144),
        {"all, 1e-3, 10 epochs, 224 px": config("sign_digits_mobilenet_v2_small")},
    ),
    ("sign_digits", "MobileNet:0.25"): (
        frozen(224, 144),
        {"all, 1e-3, 20 epochs, 224 px": config("sign_digits_mobilenet_small")},
    ),
    ("sign_digits", "MobileNetV2"): (
        frozen(224, 144),
        {"upper half, 3e-4, 10 epochs, 224 px": ("--preset", "best")},
    ),
    ("sign_digits", "Xception"): (
        frozen(128, 224),
        {
            "all, 3e-4, layer decay 0.9, 8 epochs, 128 px": config(
                "sign_digits_xception"
            )
        },
    ),
}


def measure(flags: Sequence[str], seed: int) -> dict[str, Any]:
    """Train with one seed; return the accuracy on the test images and the cost."""
    with tempfile.TemporaryDirectory() as folder:
        [run] = results(flags, 1, Path(folder), seed)
    return {
        "seed": seed,
        "n": run["test"]["n"],
        "accuracy": run["test"]["accuracy"],
        "cpu_seconds": run["cpu_seconds"],
    }


def rows() -> dict[str, tuple[str, ...]]:
    """Return the flags of each training, by its name."""
    return {
        f"{data}: {name}, {kind}: {recipe}": (data, name, *flags)
        for (data, name), both in TABLE.items()
        for kind, recipes in zip(("frozen", "tuned"), both)
        for recipe, flags in recipes.items()
    }


def accuracies(runs: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the accuracy of each seed, in their order."""
    return [run["accuracy"] for run in sorted(runs, key=lambda run: run["seed"])]


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return each recipe beside the best frozen head of its network, as Markdown."""
    lines = [
        "| pictures | network | best frozen head | accuracy | fine-tuned | accuracy "
        "| gain, paired | CPU s a run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    means = {name: statistics.mean(accuracies(runs)) for name, runs in found.items()}
    for data, name in TABLE:
        start = f"{data}: {name}, "
        heads = [k for k in found if k.startswith(start + "frozen: ")]
        if not heads:
            continue
        best = max(heads, key=means.__getitem__)
        for kind in [k for k in found if k.startswith(start + "tuned: ")]:
            pairs = zip(accuracies(found[kind]), accuracies(found[best]), strict=True)
            gain, half = mean_interval([more - own for more, own in pairs])
            cost = statistics.median(run["cpu_seconds"] for run in found[kind])
            lines.append(
                f"| `{data}`, {found[kind][0]['n']} | {name} "
                f"| {best.partition('frozen: ')[2]}, of {len(heads)} "
                f"| {means[best]:.3f} "
                f"| {kind.partition('tuned: ')[2]} | {means[kind]:.3f} "
                f"| {gain:+.3f} ± {half:.3f} | {cost:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing; print the table; write it where asked to."""
    parser = arguments(__doc__, 5, "trainings")
    parser.add_argument("--first_seed", type=int, default=0)
    given = parser.parse_args()
    found = read(given.output)
    seeds = set(range(given.first_seed, given.first_seed + given.seeds))
    for name, (data, backbone, *flags) in rows().items():
        if given.only not in name:
            continue
        own = [*network(backbone), *weights(backbone, given.weights), *LEAN, *flags]
        own += ["--data.source", str(given.pictures / data)]
        own += ["--cache_dir", given.cache_dir]
        runs = found.setdefault(name, [])
        for seed in sorted(seeds - {run["seed"] for run in runs}):
            runs.append(measure(own, seed))
            write(given.output, found)
        print(name, accuracies(runs), flush=True)
    asked = {k: [run for run in v if run["seed"] in seeds] for k, v in found.items()}
    text = table({k: v for k, v in asked.items() if len(v) == len(seeds)})
    print(text)
    if given.docs:
        insert(given.docs, "fine-tuning", text)


if __name__ == "__main__":
    main()
