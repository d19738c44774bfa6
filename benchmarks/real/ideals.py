"""Ideal images of a run's classes: is a breed of cats or dogs one to another network?

python benchmarks/real/ideals.py RUN --output FOLDER [--judge MobileNetV2]
    [--classes NAME ...] [--flags "--synthesis.steps 256 ..."]

RUN has breeds of cats, capitalised as in Oxford-IIIT Pet, and of dogs, or the classes
`cats` and `dogs`. The judge has ImageNet's classes, 118 of which are dogs, and five are
cats; those in the wild count as neither. The images are those of `synthesize`, judged
as they lie on the disk.
"""

import argparse
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shared import about

import tfpipeline
from tfpipeline.core import image_io
from tfpipeline.metrics import classification
from tfpipeline.models import load_network

# Of ImageNet's classes: from Chihuahua to Mexican hairless, from tabby to Egyptian cat.
SPECIES = {"dog": range(151, 269), "cat": range(281, 286)}


def species(label: str) -> str:
    """Return whether a class is one of cats or of dogs."""
    if label in ("cats", "dogs"):
        return label[:-1]
    return "cat" if label[0].isupper() else "dog"


def verdict(label: str, shares: np.ndarray) -> dict[str, Any]:
    """Return what a judge's probabilities of ImageNet's classes say of a species."""
    first = np.argsort(-shares, kind="stable")[:5]
    own = species(label)
    mass = {name: float(shares[list(those)].sum()) for name, those in SPECIES.items()}
    return {
        "class": label,
        "species": own,
        "in_first_five": any(int(i) in SPECIES[own] for i in first),
        "first": int(first[0]) in SPECIES[own],
        "likelier": mass[own] > mass["dog" if own == "cat" else "cat"],
        "shares": mass,
        "top": first.tolist(),
    }


def summary(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many images the judge takes for the right species, by three rules."""
    rules = ("in_first_five", "first", "likelier")
    return {
        "images": len(verdicts),
        **{rule: sum(bool(one[rule]) for one in verdicts) for rule in rules},
        "share": float(np.mean([one["shares"][one["species"]] for one in verdicts])),
    }


def main() -> None:
    """Make the images, have them judged, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--judge", default="MobileNetV2")
    parser.add_argument("--classes", nargs="+")
    parser.add_argument("--flags", default="")
    given = parser.parse_args()
    flags = shlex.split(given.flags)
    names = given.classes or (given.run / "labels.txt").read_text().splitlines()
    settings = {
        "run": str(given.run),
        "classes": list(names),
        "output": str(given.output),
        "judges": [given.judge],
        "overwrite": True,
        "tensorboard": False,
        **{k.removeprefix("--"): v for k, v in zip(flags[::2], flags[1::2])},
    }
    began = time.process_time()
    result = tfpipeline.synthesize(settings)
    seconds = time.process_time() - began
    judge = load_network.open_judge(given.judge)
    items = result["images"]
    pictures = np.stack([image_io.decode(given.output / i["file"]) for i in items])
    shares = classification.probabilities(judge.logits(pictures))
    verdicts = [verdict(i["class"], row) for i, row in zip(items, shares)]
    found = {
        **about(),
        "flags": given.flags,
        "engine": result["summary"]["engine"],
        "cpu_seconds": seconds,
        "summary": summary(verdicts),
        "recognised": sum(item["recognised"] for item in items),
        "images": verdicts,
    }
    (given.output / "species.json").write_text(json.dumps(found, indent=2) + "\n")
    for one in verdicts:
        name = [judge.labels[i] for i in one["top"]]
        mark = "".join("+-"[not one[k]] for k in ("in_first_five", "first", "likelier"))
        print(f"{mark} {one['class']}: {', '.join(name)}")
    print(given.flags, found["summary"], f"{seconds:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
