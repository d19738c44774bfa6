"""Attacks between architectures with real weights: transfer, and what ensembles do.

python benchmarks/real/transfer.py RUN RUN RUN --images FOLDER [--count 32]
    [--epsilon 8/255] [--steps 6] [--alone] [--bfloat16] [--output FILE.json]
    [--docs docs/attacks.md]

The runs have the same classes and the same test images (`--data.splits`); FOLDER is
what they were trained on. Attacked are test images that all of them get right, evenly
spaced; no image leaves before the last step, and a step is 1.5 times epsilon by their
number. Each network is attacked alone, by each of two attacks, and all together, and
every two, by the second. With `--alone`, each only alone and only by the first attack:
for three runs and the ensemble that `combine` makes of them. A row shows on which share
of the 8-bit pictures each network loses its answer; with a target, on which it gives
the wanted class. The target of each image is drawn among the other classes. Intervals
are Wilson's, at 95 %. `--bfloat16` computes gradients in bfloat16; what the networks
answer is computed in float32. A row that `--output` has is not run again.
"""

import argparse
import contextlib
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from shared import about, insert

from tfpipeline.attack import experiment
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.sanity_checks import levels
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.config import ModelSettings
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core import file_io, image_io
from tfpipeline.features import layer_maps
from tfpipeline.metrics.significance import wilson
from tfpipeline.models import load_network
from tfpipeline.models.engines import bfloat16
from tfpipeline.models.load_network import Network

# Alone, networks are attacked by each; together by the one with momentum and views.
ATTACKS = ("iterative_fgsm", "di_fgsm")

# A margin that no image reaches, so that none stops early.
CONFIDENCE = 1e4


def pictures(
    networks: Sequence[Network], run: Path, folder: Path, count: int
) -> tuple[np.ndarray, np.ndarray, list[float], int]:
    """Return images that all get right, their labels, and each network's accuracy."""
    first = networks[0]
    rows = file_io.read_csv(run / "splits.csv")
    names = [row["id"] for row in rows if row["split"] == "test"]
    paths = [folder / name for name in names]
    photographs, _ = layer_maps.photographs(
        paths, first, first.resize, image_io.MAX_PIXELS
    )
    clean = np.stack([photograph.picture for photograph in photographs])
    index = {name: i for i, name in enumerate(first.labels)}
    labels = np.array([index[p.path.parent.name] for p in photographs])
    right = np.stack([n.logits(clean).argmax(-1) == labels for n in networks])
    able = np.flatnonzero(right.all(0))
    chosen = able[np.linspace(0, len(able) - 1, min(count, len(able))).astype(int)]
    return clean[chosen], labels[chosen], right.mean(1).tolist(), len(able)


def transfer(
    attacked: Sequence[Network], every: Sequence[Network], goals: Goals, **how: Any
) -> dict[str, Any]:
    """Attack some networks together; return the share on which each of all falls."""
    began = time.process_time()
    answers = experiment.models(attacked, every[0].size)
    model = AttackedModel(answers, how["targeted"], confidence=CONFIDENCE)
    settings = AdversarySettings(
        attack=how["attack"], steps=how["steps"], step_size=1.5 / how["steps"]
    )
    campaign = Campaign.of(model, settings, "linf", tf.distribute.get_strategy())
    with bfloat16.rewritten() if how["bfloat16"] else contextlib.nullcontext():
        outcome = levels(campaign.run(goals).image)
    given = [n.logits(outcome).argmax(-1) == goals.index for n in every]
    fooled = [hit.mean() if how["targeted"] else 1 - hit.mean() for hit in given]
    return {
        "attacked": [network.name for network in attacked],
        **how,
        "fooled": {n.name: float(share) for n, share in zip(every, fooled)},
        "cpu_seconds": time.process_time() - began,
    }


def ways(
    networks: Sequence[Network], alone: bool
) -> list[tuple[tuple[Network, ...], str, bool]]:
    """Return which networks are attacked, how, and whether towards a target."""
    singles: list[tuple[Network, ...]] = [(n,) for n in networks]
    pairs: list[tuple[Network, ...]] = list(itertools.combinations(networks, 2))
    plain, strong = ATTACKS
    parts = [(singles, plain)]
    if len(networks) > 2 and not alone:
        parts.append(([tuple(networks)], strong))
    if not alone:
        parts += [(singles, strong), (pairs, strong)]
    return [
        (who, attack, aim)
        for group, attack in parts
        for aim in (False, True)
        for who in group
    ]


def interval(share: float, count: int) -> str:
    """Return the interval of a share of so many images, in percent."""
    low, high = wilson(share * count, count)
    return f"{100 * low:.0f} to {100 * high:.0f}"


def done(result: Mapping[str, Any], who: Sequence[Network], how: Any) -> bool:
    """Tell whether a row is there already."""
    own = {"attacked": [network.name for network in who], **how}
    return any(own.items() <= row.items() for row in result["rows"])


def _cells(row: Mapping[str, Any], count: int) -> dict[str, str]:
    return {
        name: f"{share:.0%}, {interval(share, count)}"
        for name, share in row["fooled"].items()
    }


def table(result: dict[str, Any]) -> str:
    """Return the shares as Markdown; of who was attacked they stand in brackets."""
    names = list(result["accuracy"])
    head = "".join(f" {name} |" for name in names)
    lines = [f"| goal | attack | attacked |{head}", "|---" * (3 + len(names)) + "|"]
    for row in result["rows"]:
        cells = "".join(
            f" ({cell}) |" if name in row["attacked"] else f" {cell} |"
            for name, cell in _cells(row, result["count"]).items()
        )
        goal = "a drawn class" if row["targeted"] else "any wrong class"
        who = " + ".join(row["attacked"])
        lines.append(f"| {goal} | `{row['attack']}` | {who} |{cells}")
    return "\n".join(lines).replace("%", " %")


def main() -> None:
    """Attack, print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--epsilon", default="8/255")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--docs", type=Path)
    given = parser.parse_args()
    epsilon = Epsilon.read(given.epsilon, "--epsilon", "linf", grid=True).value
    networks = [load_network.open_network(str(r), ModelSettings()) for r in given.runs]
    clean, labels, accuracy, able = pictures(
        networks, given.runs[0], given.images, given.count
    )
    shifts = np.random.default_rng(0).integers(1, len(networks[0].labels), len(labels))
    targets = (labels + shifts) % len(networks[0].labels)
    result: dict[str, Any] = {
        "epsilon": given.epsilon,
        "count": len(labels),
        "right_by_all": able,
        "accuracy": {n.name: a for n, a in zip(networks, accuracy)},
        "rows": [],
    }
    if given.output and given.output.exists():
        result["rows"] = json.loads(given.output.read_text())["rows"]
    for who, attack, targeted in ways(networks, given.alone):
        goals = Goals.of(clean, list(targets if targeted else labels), epsilon)
        how = {"attack": attack, "targeted": targeted, "steps": given.steps}
        how["bfloat16"] = given.bfloat16
        if done(result, who, how):
            continue
        result["rows"].append(transfer(who, networks, goals, **how))
        print(result["rows"][-1], flush=True)
        if given.output:
            given.output.write_text(json.dumps(about() | result, indent=2) + "\n")
    print(table(result))
    if given.docs:
        name = "ensemble" if given.alone else "transfer"
        insert(given.docs, name, table(result))


if __name__ == "__main__":
    main()
