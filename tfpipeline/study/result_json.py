"""What a study comes to: its rows and means, scores, checks, a recommendation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline import distribute
from tfpipeline.core import file_io, image_io
from tfpipeline.core import target as targets
from tfpipeline.metrics import target_score
from tfpipeline.study import (
    checks,
    plots,
    recommendation,
    score_table,
    shot_counts,
    transferability,
    value_rows,
)
from tfpipeline.study.pairs import Study
from tfpipeline.study.recommendation import (
    gain,
    is_number,
    means,
    recommend,
    selection,
)
from tfpipeline.study.shot_counts import ALL

RESULT = "study.json"

Row = Mapping[str, Any]


def columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the columns of `study.csv`; they name the figure of the target."""
    own = target_score.of_row(rows[0] if rows else {})
    return (
        *("source", "backbone", "method", "shots", "seed", own.key, *own.also),
        *(own.validation, "trained_on", "measured_on"),
    )


def collect(study: Study) -> dict[str, Any]:
    """Compute what is missing of a study and return all of its result."""
    results = list(study.results())
    failed = [result for result in results if "error" in result]
    done = [result for result in results if "error" not in result]
    rows = [row for result in done for row in result["rows"]]
    pairs = [result["pair"] for result in done]
    known = {(entry["source"], entry["backbone"]) for entry in [*pairs, *failed]}
    missing = [
        {"source": name, "backbone": word}
        for name, word in study.pairs
        if (name, word) not in known
    ]
    shot_counts.note(rows, study.settings.shots)
    table = means(rows)
    score = target_score.of_row(rows[0] if rows else {})
    own: dict[str, Any] = {}
    if score.target not in targets.CLASSES:
        own = {"target": score.target, "metric": score.key}
        own["not_defined"] = value_rows.not_defined(score.target)
    return {
        "rows": rows,
        "summary": {
            **own,
            "means": [{**entry, **gain(entry, rows, pairs)} for entry in table],
            "pairs": pairs,
            "predicted": correlate_scores(table, pairs),
            "failed": failed,
            "missing": missing,
            "shots_left_out": shot_counts.missing(rows, study.settings.shots),
            "selection": selection(score),
            "timed_on": study.speeds.place,
            "shots_chart": "figures/shots.png",
            "cost_chart": "figures/cost.png",
        },
        "checks": checks.checks(rows, pairs),
        # The last of several workers sees to it.
        "recommendation": [
            _with_command(study, entry, rows)
            for entry in ([] if missing else recommend(table, pairs, rows))
        ],
    }


def _with_command(study: Study, entry: Row, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a recommendation with the command that trains it, and what that gives."""
    name, reason = entry["source"], entry["reason"]
    # Where `train` would choose another precision, its features would be others too.
    alike = distribute.precision("auto", study.strategy) == "float32"
    given = recommendation.train_settings(
        study.settings, name, entry["backbone"], rows, "auto" if alike else "float32"
    )
    trained = study.train(name, given)
    score = target_score.of_row(entry)
    if trained is not None and is_number(trained[score.key]):
        reached = recommendation.told(score, trained[score.key])
        reason += f"; its command reaches {reached} on {trained['n']} test images"
    command = recommendation.command(given)
    return {**entry, "reason": reason, "command": command, "trained": trained}


def correlate_scores(table: Sequence[Row], pairs: Sequence[Row]) -> dict[str, Any]:
    """Return how well scores that cost no training put the pairs in order.

    `logme`: rank correlation of LogME with the probe's accuracy over the frozen
    networks, source by source, and their mean. `statistics_distance` and
    `kernel_distance`: rank correlation over the sources, network by network; a
    distance that predicts well is near -1. Null for fewer than three. Accuracy stands
    for the figure of the target.
    """
    score = target_score.of_row(table[0] if table else {})
    probes = {
        (entry["source"], entry["backbone"]): entry[score.key]
        for entry in table
        if entry["method"] == "probe" and entry["shots"] == ALL
    }

    def correlations(score: str, within: str) -> dict[str, Any]:
        points: dict[str, list[tuple[float, float]]] = {}
        for pair in pairs:
            if is_number(pair.get(score)):
                accuracy = probes[pair["source"], pair["backbone"]]
                points.setdefault(pair[within], []).append((pair[score], accuracy))
        each = {
            name: transferability.rank_correlation(*zip(*mine))
            for name, mine in points.items()
        }
        numbers = [value for value in each.values() if is_number(value)]
        mean = sum(numbers) / len(numbers) if numbers else math.nan
        return {"mean": mean, f"of_each_{within}": each}

    return {
        "logme": correlations("logme", "source"),
        "statistics_distance": correlations("statistics_distance", "backbone"),
        "kernel_distance": correlations("kernel_distance", "backbone"),
    }


def write(output: Path, result: Mapping[str, Any]) -> None:
    """Write tables and figures; the JSON comes last."""
    names = columns(result["rows"])
    rows = ([row[key] for key in names] for row in result["rows"])
    file_io.write_csv(output / "study.csv", names, rows)
    summary = result["summary"]
    means, pairs = summary["means"], summary["pairs"]
    image_io.save_png(output / summary["shots_chart"], plots.shots(means))
    image_io.save_png(output / summary["cost_chart"], plots.cost(means, pairs))
    file_io.write_text(output / "table.md", score_table.markdown(means, pairs))
    file_io.write_json(output / RESULT, result)
