"""Means over the seeds, what they recommend, and the command that trains it."""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.cli import from_python
from tfpipeline.config import RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.config.train import TrainSettings
from tfpipeline.core import target as targets
from tfpipeline.metrics import statistics, target_score
from tfpipeline.metrics.target_score import TargetScore
from tfpipeline.study import from_scratch
from tfpipeline.study.from_scratch import SCRATCH
from tfpipeline.study.heads.space import Head
from tfpipeline.study.method_rows import STEPS
from tfpipeline.study.networks import BATCH, read_word
from tfpipeline.study.shot_counts import ALL

# What is this much worse on validation images is still as good, if it is cheaper.
_AS_GOOD = 0.01

# What `train` can make; the others show how good features are.
_TRAINABLE = ("head", "scratch")

# Which images choose, and which are reported on; see `docs/study.md`.
SELECTION = {
    "head": "all validation images choose among the heads; test images report",
    "validation_accuracy": "of a head: two-fold cross-fitting; each half of the "
    "validation images is answered by the head that the other half chooses",
    "recommendation": "of head and scratch, the cheapest network whose mean validation "
    f"accuracy is at most {_AS_GOOD} below the best one's; test images report",
    "gain_against": "the untrained network of the best validation accuracy",
}

Row = Mapping[str, Any]


def means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return mean and interval of every source, backbone, method and shots."""
    kinds: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        kinds.setdefault(_kind(row), []).append(row)
    table = []
    for kind, mine in kinds.items():
        own = target_score.of_row(mine[0])
        mean, half = statistics.mean_interval([row[own.key] for row in mine])
        also = {
            key: statistics.mean_interval([row[key] for row in mine])[0]
            for key in own.also
        }
        chosen = [row[own.validation] for row in mine]
        validation, _ = statistics.mean_interval([v for v in chosen if is_number(v)])
        entry = dict(zip(("source", "backbone", "method", "shots"), kind))
        numbers = {own.key: mean, "half_interval": half, **also, "seeds": len(mine)}
        table.append({**entry, **numbers, own.validation: validation})
    return table


def gain(
    entry: Row, rows: Sequence[Row], pairs: Sequence[Row]
) -> dict[str, float | str]:
    """Return how much better a mean is than without pretraining, seed by seed.

    It is compared with the same architecture untrained where the study has it, else
    with the untrained network that does best on validation images.
    """
    word = entry["backbone"]
    untrained = [
        pair["backbone"]
        for pair in pairs
        if pair["source"] == entry["source"] and pair["untrained"]
    ]
    if word in untrained or word == SCRATCH or not untrained:
        return {}

    score = target_score.of_row(entry)

    def of(backbone: str, key: str = score.key) -> dict[int, float]:
        kind = (entry["source"], backbone, entry["method"], entry["shots"])
        return {row["seed"]: row[key] for row in rows if _kind(row) == kind}

    def validation(backbone: str) -> float:
        # Of those that no validation images tell apart, the first.
        total = sum(of(backbone, score.validation).values())
        return total if is_number(total) else -math.inf

    own = _architecture(word)
    same = [other for other in untrained if _architecture(other) == own]
    against = max(same or untrained, key=validation)
    mine, theirs = of(word), of(against)
    paired = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
    mean, half = statistics.mean_interval(paired)
    return {"gain": mean, "gain_half_interval": half, "gain_against": against}


def recommend(
    table: Sequence[Row], pairs: Sequence[Row], rows: Sequence[Row]
) -> list[dict[str, Any]]:
    """Return for each source the cheapest that `train` can make and is as good as any.

    Validation images choose; what is reported of the choice is of the test images.
    """
    cost = {(p["source"], p["backbone"]): p["milliseconds"] for p in pairs}
    entries = []
    for name in dict.fromkeys(pair["source"] for pair in pairs):
        able = [
            entry
            for entry in table
            if (entry["source"], entry["shots"]) == (name, ALL)
            and entry["method"] in _TRAINABLE
            and is_number(entry[target_score.of_row(entry).validation])
        ]
        if not able:
            continue
        own = target_score.of_row(able[0])
        best = max(able, key=lambda e: float(e[own.validation]))
        least = best[own.validation] - _AS_GOOD
        good = [e for e in able if e[own.validation] >= least]
        chosen = min(
            good,
            key=lambda e: (cost[name, e["backbone"]], -e[own.validation]),
        )
        milliseconds = cost[name, chosen["backbone"]]
        which = "only one that is"
        if len(good) > 1:
            which = f"cheapest of the {len(good)} that are"
        reason = (
            f"{told(own, chosen[own.validation])} on validation images, at most "
            f"{_AS_GOOD} below the best of {len(able)} "
            f"({best['backbone']}, {best['method']}: "
            f"{best[own.validation]:.3f}), and the {which}: "
            f"{milliseconds:.1f} ms an image"
        )
        more = gain(chosen, rows, pairs)
        entries.append(
            {**chosen, **more, "milliseconds": milliseconds, "reason": reason}
        )
    return entries


def train_settings(
    settings: StudySettings,
    source: str,
    backbone: str,
    rows: Sequence[Row],
    precision: str = "auto",
) -> RunSettings:
    """Return the settings by which `train` makes a run of a source and a backbone.

    Its head is the one that validation images chose from all that were tried, in most
    of the seeds; of equals, in the first. The study itself computes in float32.
    """
    data = dataclasses.replace(settings.data, source=source)
    score = target_score.of_row(next((r for r in rows if r["source"] == source), {}))
    if score.target not in targets.CLASSES:
        data = dataclasses.replace(data, target=score.target)
    if backbone == SCRATCH:
        given = from_scratch.settings_for(data, settings.seed, settings.scratch_epochs)
    else:
        kind = (source, backbone, "head", ALL)
        mine = [row for row in rows if _kind(row) == kind]
        chosen = Counter(tuple(row["head"].items()) for row in mine)
        head = Head(**dict(chosen.most_common(1)[0][0]))
        hidden = [head.hidden] if head.hidden else []
        model = dataclasses.replace(
            read_word(backbone), hidden=hidden, dropout=head.dropout
        )
        images = mine[0]["trained_on"]
        # As the search trained it, with numbers that people read.
        train = TrainSettings(
            epochs=max(1, round(STEPS * min(BATCH, images) / images)),
            learning_rate=float(f"{head.learning_rate:.2g}"),
            optimizer="adamw",
            schedule="cosine",
            weight_decay=float(f"{head.weight_decay:.2g}"),
            label_smoothing=head.label_smoothing,
        )
        given = RunSettings(seed=settings.seed, data=data, model=model, train=train)
    return dataclasses.replace(
        given,
        cache_dir=settings.cache_dir,
        distribute=settings.distribute,
        train=dataclasses.replace(given.train, precision=precision),
    )


def told(score: TargetScore, value: float) -> str:
    """Return a figure in words; that of single classes is not named."""
    name = "" if score.target in targets.CLASSES else f"{score.name} "
    return f"{name}{value:.3f}"


def selection(score: TargetScore) -> dict[str, str]:
    """Return which images choose, and which are reported on."""
    if score.target in targets.CLASSES:
        return SELECTION
    return {
        key.replace("accuracy", score.key): words.replace("accuracy", score.name)
        for key, words in SELECTION.items()
    }


def command(given: RunSettings) -> str:
    """Return the command line that gives `train` some settings."""
    return from_python.read("train", RunSettings, given, {})[1]


def _kind(row: Row) -> tuple[Any, ...]:
    return row["source"], row["backbone"], row["method"], row["shots"]


def _architecture(word: str) -> tuple[str, float | None, int | None]:
    settings = read_word(word)
    return settings.backbone, settings.alpha, settings.image_size


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
