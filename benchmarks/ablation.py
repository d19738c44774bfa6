"""What each trick of training does: a table, measured on the embedded default.

python benchmarks/ablation.py [--seeds 5] [--output FILE.md]

One switch at a time against the same base: three drawn pictures a class, a hidden layer
of 128 units, Adam at 0.001, 30 epochs. The result is the test accuracy over the seeds,
the same seeds in every row, so the difference to the base is that of pairs.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from seeds import results

from tfpipeline.metrics.statistics import mean_interval

BASE = (
    *("--data.examples_per_class", "3", "--model.hidden", "[128]"),
    *("--train.patience", "null"),
)
FINE = ("--fine_tune.epochs", "10")

# Trick, and the flags that switch it on.
TRICKS: dict[str, tuple[str, ...]] = {
    "base": (),
    "initialiser: Glorot normal": ("--model.initialiser", "glorot_normal"),
    "initialiser: He normal": ("--model.initialiser", "he_normal"),
    "initialiser: uniform": ("--model.initialiser", "random_uniform"),
    "initialiser: Gaussian": ("--model.initialiser", "random_normal"),
    "batch norm": ("--model.batch_norm", "true"),
    "no dropout": ("--model.dropout", "0"),
    "dropout 0.5": ("--model.dropout", "0.5"),
    "dropout 0.8": ("--model.dropout", "0.8"),
    "early stopping": ("--train.patience", "5"),
    "SGD": ("--train.optimizer", "sgd"),
    "momentum": ("--train.optimizer", "momentum"),
    "Nesterov": ("--train.optimizer", "nesterov"),
    "Adagrad": ("--train.optimizer", "adagrad"),
    "RMSProp": ("--train.optimizer", "rmsprop"),
    "AdamW": ("--train.optimizer", "adamw"),
    "weight decay 0.1": ("--train.weight_decay", "0.1"),
    "clipping by norm 1": ("--train.clip_norm", "1"),
    "clipping by norm 10": ("--train.clip_norm", "10"),
    "clipping by value 0.01": ("--train.clip_value", "0.01"),
    "exponential, 0.98 an epoch": ("--train.schedule", "exponential"),
    "cosine": ("--train.schedule", "cosine"),
    "one-cycle, 0.01": (
        *("--train.schedule", "one_cycle", "--train.learning_rate", "0.01"),
    ),
    "plateau": ("--train.schedule", "plateau"),
    "warm-up, 3 epochs": ("--train.warmup_epochs", "3"),
    "label smoothing 0.1": ("--train.label_smoothing", "0.1"),
    "averaging: EMA": ("--train.averaging", "ema"),
    "averaging: SWA": ("--train.averaging", "swa"),
    "learning rate found": ("--train.learning_rate", "auto"),
    "augmentation, 4 views": (*("--data.augmentation", "light", "--data.views", "4"),),
    "fine-tuning, all": FINE,
    "fine-tuning, top half": (*FINE, "--fine_tune.unfreeze", "0.5"),
    "fine-tuning, layer decay 0.8": (*FINE, "--fine_tune.layer_decay", "0.8"),
    "fine-tuning, gradual": (*FINE, "--fine_tune.gradual_epochs", "1"),
}


def main() -> None:
    """Print the table; write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", default="", help="tricks that contain this text")
    given = parser.parse_args()
    lines = ["| trick | flags | accuracy | against the base |", "|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    base: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, flags in TRICKS.items():
            if name != "base" and given.only not in name:
                continue
            cache = ("--cache_dir", f"{folder}/cache")
            runs = results([*BASE, *flags, *cache], given.seeds, Path(folder))
            found = [run["test"]["accuracy"] for run in runs]
            base = base or found
            gain, half = mean_interval([a - b for a, b in zip(found, base)])
            against = "" if name == "base" else f"{gain:+.3f} ± {half:.3f}"
            told = f"`{' '.join(flags)}`" if flags else ""
            mean = statistics.mean(found)
            lines.append(f"| {name} | {told} | {mean:.3f} | {against} |")
            print(lines[-1], flush=True)
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
