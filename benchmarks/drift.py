"""How often `monitor` raises a false alarm, and how often it finds a change.

python benchmarks/drift.py PICTURES --others FOLDER ... [--draws 500] [--held_out 150]
    [--arrived 500] [--share 0.1] [--permutations 199] [--output FILE.json]

PICTURES is a folder of class folders. Half of its photographs train a linear probe on
frozen MobileNetV2 features and fit the novelty, as a run would; the others are the
population. Each draw
takes held-out and arrived pictures from it: independently, with replacement, which is
what the test assumes; and once more without (a third held out, two thirds arrived).
Then a share of those that arrived is replaced by pictures of each other folder.

`alarms` of the whole test at level 0.05; `parts` are those of each of its statistics
alone, and `bonferroni` of all four at a quarter of the level. `fixed` keeps one
held-out set, as a run does, for all draws of what arrives: its false alarms are those
of this one set, and are promised on average over sets only.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from results import tell

from tfpipeline.core import image_io, startup
from tfpipeline.data.sources import listing
from tfpipeline.metrics import classification, novelty, two_sample
from tfpipeline.monitor import drift, whitening
from tfpipeline.monitor.drift import Seen

LEVEL = 0.05
FIXED = 20


def features(
    folders: Sequence[Path], alpha: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what a frozen network says of the photographs of each folder, and classes.

    Where photographs lie in folders of one name, they are of one class.
    """
    with startup.quiet_start():
        import keras
    network = keras.applications.MobileNetV2(
        (224, 224, 3), alpha=alpha, include_top=False, pooling="avg"
    )
    every = []
    for folder in folders:
        files = listing.named_files([str(folder)])
        names = sorted({file.parent.name for file in files})
        rows = []
        for start in range(0, len(files), 32):
            some = [image_io.content(file) for file in files[start : start + 32]]
            pixels = [image_io.read(content, 224, 224, "squash") for content in some]
            batch = np.stack(pixels).astype(np.float32) / 127.5 - 1
            rows.append(network.predict_on_batch(batch))
        label = np.array([names.index(file.parent.name) for file in files])
        every.append((np.concatenate(rows), label))
    return every


def head(rows: np.ndarray, label: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a linear probe: from features to logits."""
    weights = np.zeros((rows.shape[1] + 1, int(label.max()) + 1))
    mean, scale = rows.mean(0), rows.std(0) + 1e-6

    def ready(some: np.ndarray) -> np.ndarray:
        return np.hstack([(some - mean) / scale, np.ones((len(some), 1))])

    own, truth = ready(rows), np.eye(weights.shape[1])[label]
    for _ in range(200):
        error = classification.probabilities(own @ weights) - truth
        weights -= 0.02 * (own.T @ error / len(own) + 1e-3 * weights)
    return lambda some: (ready(some) @ weights).astype(np.float32)


def judged(train: np.ndarray, label: np.ndarray, rows: Sequence[np.ndarray]) -> list:
    """Return what `monitor` would know of pictures, by their features.

    A fifth of the training pictures calibrates the novelty, and trains nothing.
    """
    held = len(train) // 5
    ask = head(train[held:], label[held:])
    score = novelty.fit(train[held:], label[held:])
    parts = np.stack(score.parts(train, ask(train)), axis=1)
    score = novelty.calibrate(score, parts[:held], parts[held:])
    found = []
    for some in rows:
        logits = ask(some)
        chance = classification.probabilities(logits)
        points = whitening.whiten(some, score)
        seen = logits.argmax(1), chance.max(1), points, np.asarray(score(some, logits))
        found.append(Seen(*seen))
    return found


def joined(one: Seen, other: Seen) -> Seen:
    """Return what is known of two sets of pictures together."""
    return Seen(*(np.concatenate(pair) for pair in zip(one, other)))


def test(held_out: Seen, arrived: Seen, permutations: int, seed: int) -> dict:
    """Return the p-values of the whole test, and of each part alone."""
    parts = drift.statistics(held_out, arrived)
    second = np.arange(len(held_out.label) + len(arrived.label))
    second = second >= len(held_out.label)

    def p(some: dict) -> float:
        return two_sample.permutation_test(some, second, permutations, seed).p

    return {"whole": p(parts), **{name: p({name: parts[name]}) for name in parts}}


def summed(p: list[dict[str, float]]) -> dict[str, Any]:
    """Return how often each test raises an alarm."""
    names = [name for name in p[0] if name != "whole"]
    least = np.array([min(row[name] for name in names) for row in p])
    return {
        "draws": len(p),
        "alarms": float(np.mean([row["whole"] <= LEVEL for row in p])),
        "bonferroni": float((least <= LEVEL / len(names)).mean()),
        "parts": {
            name: float(np.mean([row[name] <= LEVEL for row in p])) for name in names
        },
    }


def main() -> None:
    """Print shares of alarms, without a change and with one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--others", type=Path, nargs="+", default=[])
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--held_out", type=int, default=150)
    parser.add_argument("--arrived", type=int, default=500)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--permutations", type=int, default=199)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    (rows, label), *more = features([given.pictures, *given.others], given.alpha)
    order = np.random.default_rng(0).permutation(len(rows))
    train, rest = order[: len(order) // 2], order[len(order) // 2 :]
    own = rows[rest], *(other for other, _ in more)
    population, *others = judged(rows[train], label[train], own)
    n, result = len(rest), []

    def run(name: str, draw: Callable[[Any, int], tuple[Seen, Seen]]) -> None:
        p = []
        for seed in range(given.draws):
            rng = np.random.default_rng(seed)
            # The choices are independent of the draw.
            p.append(test(*draw(rng, seed), given.permutations, 10**6 + seed))
        result.append({"case": name, **summed(p)})

    def both(rng: Any, seed: int) -> tuple[Seen, Seen]:
        held = population.part(rng.integers(0, n, given.held_out))
        return held, population.part(rng.integers(0, n, given.arrived))

    def without(rng: Any, seed: int) -> tuple[Seen, Seen]:
        mixed = rng.permutation(n)
        return population.part(mixed[: n // 3]), population.part(mixed[n // 3 :])

    def fixed(rng: Any, seed: int) -> tuple[Seen, Seen]:
        number = np.random.default_rng([1, seed * FIXED // given.draws])
        held = population.part(number.integers(0, n, given.held_out))
        return held, population.part(rng.integers(0, n, given.arrived))

    run("no change", both)
    run("no change, without replacement", without)
    run(f"no change, {FIXED} fixed held-out sets", fixed)
    for folder, other in zip(given.others, others):
        odd = round(given.share * given.arrived)

        def changed(rng: Any, seed: int, other: Seen = other) -> tuple[Seen, Seen]:
            held, arrived = both(rng, seed)
            strange = other.part(rng.integers(0, len(other.label), odd))
            return held, joined(arrived.part(np.arange(given.arrived - odd)), strange)

        run(f"{given.share:.0%} of {folder.name}", changed)
    settings = {key: getattr(given, key) for key in ("held_out", "arrived", "share")}
    settings["permutations"] = given.permutations
    tell({"level": LEVEL, **settings, "population": n, "rows": result}, given.output)


if __name__ == "__main__":
    main()
