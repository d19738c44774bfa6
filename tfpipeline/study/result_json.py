"""What a study comes to: its rows and means, scores, checks, a recommendation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline import distribute
from tfpipeline.core import file_io, image_io
from tfpipeline.study import (
    checks,
    plots,
    recommendation,
    score_table,
    shot_counts,
    transferability,
)
from tfpipeline.study.pairs import Study
from tfpipeline.study.selection import SELECTION, gain, is_number, means, recommend
from tfpipeline.study.shot_counts import ALL

RESULT = "study.json"

COLUMNS = (
    *("source", "backbone", "method", "shots", "seed", "accuracy"),
    *("validation_accuracy", "trained_on", "measured_on"),
)

Row = Mapping[str, Any]


def collect(study: Study) -> dict[str, Any]:
    """Compute what is missing of a study and return all of its result.

    Args:
        study: To be done.
    """
    rows, pairs, failed = [], [], []
    for found in study.results():
        if "error" in found:
            failed.append(found)
            continue
        rows += found["rows"]
        pairs.append(found["pair"])
    known = {(entry["source"], entry["backbone"]) for entry in [*pairs, *failed]}
    missing = [
        {"source": name, "backbone": word}
        for name, word in study.pairs
        if (name, word) not in known
    ]
    shot_counts.note(rows, study.settings.shots)
    table = means(rows)
    return {
        "rows": rows,
        "summary": {
            "means": [{**entry, **gain(entry, rows, pairs)} for entry in table],
            "pairs": pairs,
            "predicted": predicted(table, pairs),
            "failed": failed,
            "missing": missing,
            "shots_left_out": shot_counts.left_out(rows, study.settings.shots),
            "selection": SELECTION,
            "timed_on": study.speeds.place,
            "shots_chart": "figures/shots.png",
            "cost_chart": "figures/cost.png",
        },
        "checks": checks.checks(rows, pairs),
        # The last of several workers sees to it.
        "recommendation": (
            []
            if missing
            else [
                _with_command(study, entry, rows)
                for entry in recommend(table, pairs, rows)
            ]
        ),
    }


def _with_command(
    study: Study, entry: Mapping[str, Any], rows: Sequence[Row]
) -> dict[str, Any]:
    """Return what is recommended with the command that trains it, and what that gives.

    Args:
        study: Whose command it is.
        entry: What `recommend` returned of a source.
        rows: One a seed.
    """
    name = entry["source"]
    # Where `train` would choose another precision, its features would be others too.
    alike = distribute.precision("auto", study.strategy) == "float32"
    given = recommendation.train_settings(
        study.settings, name, entry["backbone"], rows, "auto" if alike else "float32"
    )
    trained = study.trained(name, given)
    found = {
        **entry,
        "command": recommendation.command(given),
        "trained": trained,
    }
    if trained is not None:
        found["reason"] += (
            f"; its command reaches {trained['accuracy']:.3f} on {trained['n']} test "
            "images"
        )
    return found


def predicted(table: Sequence[Row], pairs: Sequence[Row]) -> dict[str, Any]:
    """Return how well scores that cost no training put the pairs in order.

    Args:
        table: What `means` returned.
        pairs: What is known of each pair.

    Returns:
        `logme`: rank correlation of LogME with the probe's accuracy over the frozen
        networks, source by source, and their mean. `statistics_distance` and
        `kernel_distance`: rank correlation over the sources, network by network; a
        distance that predicts well is near -1. Null for fewer than three.
    """
    result = {
        (entry["source"], entry["backbone"]): entry["accuracy"]
        for entry in table
        if entry["method"] == "probe" and entry["shots"] == ALL
    }

    def correlations(score: str, within: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in dict.fromkeys(pair[within] for pair in pairs):
            mine = [
                (pair[score], result[pair["source"], pair["backbone"]])
                for pair in pairs
                if pair[within] == name and is_number(pair.get(score))
            ]
            if mine:
                found[name] = transferability.rank_correlation(*zip(*mine))
        numbers = [value for value in found.values() if is_number(value)]
        mean = sum(numbers) / len(numbers) if numbers else math.nan
        return {"mean": mean, f"of_each_{within}": found}

    return {
        "logme": correlations("logme", "source"),
        "statistics_distance": correlations("statistics_distance", "backbone"),
        "kernel_distance": correlations("kernel_distance", "backbone"),
    }


def write(output: Path, result: Mapping[str, Any]) -> None:
    """Write tables and figures; the JSON comes last.

    Args:
        output: Folder of the study.
        result: What `collect` returned, and how it came about.
    """
    rows = ([row[key] for key in COLUMNS] for row in result["rows"])
    file_io.write_csv(output / "study.csv", COLUMNS, rows)
    summary = result["summary"]
    figures = {
        "shots": plots.shots(summary["means"]),
        "cost": plots.cost(summary["means"], summary["pairs"]),
    }
    for name, picture in figures.items():
        image_io.save_png(output / summary[f"{name}_chart"], picture)
    table = score_table.markdown(summary["means"], summary["pairs"])
    file_io.write_text(output / "table.md", table)
    file_io.write_json(output / RESULT, result)
