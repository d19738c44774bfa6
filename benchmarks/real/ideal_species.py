"""Ideal images of a run of breeds, judged by an ImageNet network: cat, or dog?

python benchmarks/real/ideal_species.py RUN [--classes Persian pug] [--relu 0 0.05 0.2]
    [--branch 0.5] [--steps 512] [--judge MobileNetV2] [--output FOLDER]

RUN is one of the 37 breeds of Oxford-IIIT Pet, whose cats are those with a capital in
their folder's name. Of each share of the gradient that passes every ReLU: on how many
images a cat or dog of the right species is first, or among the first five classes of
the judge; how likely are all of that species together, in the mean; and how often is
that more than the other species. FOLDER/RELU keeps the images, FOLDER/species.json the
rest.
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from shared import about

from tfpipeline import cli
from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.core import image_io
from tfpipeline.metrics import classification
from tfpipeline.models import load_network
from tfpipeline.synthesize.command import synthesize

# Numbers of ImageNet's classes: breeds of dogs, and domestic cats.
DOGS, CATS = range(151, 269), range(281, 286)


def judge(folder: Path, items: list[dict[str, Any]], network: Any) -> dict[str, Any]:
    """Return what a network makes of images: the species in its first five classes."""
    pictures = np.stack([image_io.decode(folder / item["image"]) for item in items])
    shares = classification.probabilities(network.logits(pictures))
    order = np.argsort(-shares, axis=1)[:, :5]
    rows = []
    for item, share, first in zip(items, shares, order):
        cat = item["class"][0].isupper()
        own, other = (CATS, DOGS) if cat else (DOGS, CATS)
        rows.append(
            {
                "class": item["class"],
                "first": int(first[0]) in own,
                "in_first_five": bool(set(first.tolist()) & set(own)),
                "probability": float(share[list(own)].sum()),
                "above_other": bool(share[list(own)].sum() > share[list(other)].sum()),
                "seen": [network.labels[int(i)] for i in first],
            }
        )
    return {
        "images": rows,
        "n": len(rows),
        **{
            name: float(np.mean([row[name] for row in rows]) * len(rows))
            for name in ("first", "in_first_five", "above_other")
        },
        "mean_probability": float(np.mean([row["probability"] for row in rows])),
    }


def main() -> None:
    """Make the images by each share, and have them judged."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--classes", nargs="+")
    parser.add_argument("--relu", nargs="+", default=["0", "0.05", "0.2"])
    parser.add_argument("--branch", default="0.5")
    parser.add_argument("--steps", default="512")
    parser.add_argument("--judge", default="MobileNetV2")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    output = given.output or Path(tempfile.mkdtemp())
    labels = (given.run / "labels.txt").read_text().split("\n")
    classes = given.classes or [name for name in labels if name]
    network = load_network.open_judge(given.judge)
    result: dict[str, Any] = {"steps": int(given.steps), "relu": {}}
    for relu in given.relu:
        argv = ["--run", str(given.run), "--classes", *classes, "--overwrite", "true"]
        argv += ["--synthesis.relu_gradient", relu, "--synthesis.steps", given.steps]
        argv += ["--synthesis.branch_gradient", given.branch, "--tensorboard", "false"]
        folder, began = output / relu, time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            if cli.main(
                synthesize, SynthesizeSettings, [*argv, "--output", str(folder)]
            ):
                raise SystemExit(2)
        items = json.loads((folder / "synthesis.json").read_text())["images"]
        row = judge(folder, items, network)
        result["relu"][relu] = row | {"cpu_seconds": time.process_time() - began}
        print(relu, {k: v for k, v in row.items() if k != "images"}, flush=True)
        text = json.dumps(about() | result, indent=2) + "\n"
        (output / "species.json").write_text(text)


if __name__ == "__main__":
    main()
