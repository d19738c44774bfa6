"""The page of a run, or of an evaluation, of several labels or of a number."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.core import target as targets
from tfpipeline.metrics import target_metrics
from tfpipeline.report import charts, target_charts
from tfpipeline.report.figures import svg


def content(
    result: Mapping[str, Any] | None,
    shown: Mapping[str, Any] | None,
    decision: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what `target.html` tells of one split.

    Args:
        result: Its metrics; None where nothing was measured.
        shown: Points of its charts, as `metrics.target_metrics.shown` has them.
        decision: As `target.json` has it.
    """
    return {
        "result": result,
        "decision": decision,
        "is_number": decision.get("target") == targets.NUMBER,
        "charts": _charts(result, shown or {}, decision),
        "classes": _classes(result or {}, decision),
        "reliability": _reliability(shown or {}),
        # Of a run alone.
        **{"folds": None, "suspects": None, "suspected": [], "cleaning": ""},
    }


def tried(calibration: Mapping[str, Any]) -> bool:
    """Return whether a temperature was held against none, by `calibration.json`."""
    return bool((calibration.get("held_out") or {}).get("loss"))


def _charts(
    result: Mapping[str, Any] | None,
    shown: Mapping[str, Any],
    decision: Mapping[str, Any],
) -> list[tuple[str, Any]]:
    """Return charts and their captions."""
    if result is None:
        return []
    if points := shown.get("points"):
        return _number_charts(points, shown.get("errors"), decision["labels"][0])
    return _label_charts(shown.get("curves", {}), shown.get("label_counts"))


def _reliability(shown: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the reliability diagrams of several labels, one if both are the same."""
    rows = shown.get("reliability")
    if not rows:
        return []
    words = {"before": "without the temperature", "after": "with the temperature"}
    if rows["before"] == rows["after"]:
        words = {"before": "the temperature is 1"}
    names = "pairs of image and class", "probability", "share that has the class"
    return [
        (said, svg(charts.reliability(rows[when], names), f"reliability, {said}"))
        for when, said in words.items()
    ]


def _number_charts(
    points: Sequence[Sequence[float]], errors: Mapping[str, Any] | None, name: str
) -> list[tuple[str, Any]]:
    chart = target_charts.scatter(points, name)
    alt = f"predicted against true {name} of {len(points)} images"
    words = "Each point is an image; on the line, the prediction is exact."
    drawn = [(words, svg(chart, alt))]
    if errors:
        chart = target_charts.errors(errors["edges"], errors["counts"], name)
        words = "Prediction errors; right of the line, predictions are too high."
        drawn.append((words, svg(chart, f"histogram of the errors of {name}")))
    return drawn


def _label_charts(
    curves: Mapping[str, Sequence[Sequence[float]]], counts: Mapping[str, Any] | None
) -> list[tuple[str, Any]]:
    drawn = []
    if curves:
        lines: list[charts.Line] = [
            (name, [r for r, _ in points], [p for _, p in points])
            for name, points in curves.items()
        ]
        chart = charts.lines(lines, "recall", "precision", y_range=(0.0, 1.02))
        alt = f"precision against recall of {len(lines)} classes"
        words = (
            "Precision against recall at every threshold, for the most frequent "
            "classes."
        )
        drawn.append((words, svg(chart, alt)))
    if counts:
        true, said = counts["true"], counts["said"]
        most = target_metrics.MANY_LABELS
        last = f"{most}+" if len(true) > most else ""
        chart = target_charts.label_counts(true, said, last)
        alt = "images by number of labels, true and predicted"
        words = "Number of labels per image, true and predicted."
        drawn.append((words, svg(chart, alt)))
    return drawn


def _classes(
    result: Mapping[str, Any], decision: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return a row a class, that of the lowest average precision first."""
    rows = [{"name": name, **own} for name, own in result.get("classes", {}).items()]
    reasons = {
        name: own.get("reason")
        for name, own in zip(decision.get("labels", ()), decision.get("chosen", ()))
    }
    for row in rows:
        row["reason"] = reasons.get(row["name"])

    def worth(row: Mapping[str, Any]) -> float:
        value = row["average_precision"]
        return 2.0 if value is None else float(value)

    return sorted(rows, key=worth)


def curves(history: list[dict[str, Any]], kept: int | None, target: str) -> list[Any]:
    """Return the charts over the epochs of the loss, and of what else was watched."""
    watched = targets.quantity(target)
    wanted = [("loss", "loss"), (watched, watched.replace("_", " "))]
    if target == targets.MULTI:
        wanted.append(("mAP", "mean average precision"))
    shown = []
    for name, words in wanted:
        lines, details = charts.of_history(history, name, kept)
        if lines:
            shown.append(svg(charts.lines(lines, "epoch", words, **details), words))
    return shown
