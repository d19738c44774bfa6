"""What the pages of a training and of an evaluation both have: charts."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfpipeline.core import image_io
from tfpipeline.report import charts
from tfpipeline.report.figures import pixels, svg


def confusion(shown: Mapping[str, Any] | None, split: str | None) -> Any:
    """Return the chart of the confusion matrix; None where nothing was measured."""
    if shown is None:
        return None
    labels, counts = shown["confusion"]["labels"], shown["confusion"]["counts"]
    alt = f"confusion matrix of {len(labels)} classes on the {split} images"
    return svg(charts.confusion(labels, counts), alt, "matrix")


def confusion_png(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> bytes:
    """Return the same as the content of a PNG file."""
    return image_io.to_png(pixels(charts.confusion(labels, counts)))


def reliability(shown: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Return the charts before and after the temperature; one if both are the same."""
    if shown is None:
        return []
    words = {"before": "as the network says", "after": "with the temperature"}
    if shown["reliability"].get("after") == shown["reliability"].get("before"):
        words = {"before": "the temperature is 1"}
    return [
        (words[when], svg(charts.reliability(rows), f"reliability, {words[when]}"))
        for when, rows in shown["reliability"].items()
        if when in words
    ]


def coverage(metrics: Mapping[str, Any], fitted: Mapping[str, Any]) -> Any:
    """Return the chart of accuracy against coverage, with its bound and threshold."""
    lines: list[charts.Line] = [
        (split, own["coverage"]["share"], own["coverage"]["accuracy"])
        for split, own in metrics.items()
    ]
    if not lines:
        return None
    points = sorted(fitted.get("curve", ()), key=lambda point: point["coverage"])
    if len(points) > 1:
        bounds = [1 - point["bound"] for point in points]
        lines.append(("bound", [point["coverage"] for point in points], bounds))
    marks = []
    share, threshold = fitted.get("coverage"), fitted.get("threshold")
    if points and share is not None and threshold is not None:
        marks = [(float(share), f"threshold {threshold:.3f}")]
    chart = charts.lines(
        lines,
        "share of images answered",
        "accuracy on those",
        y_range=charts.share_range(lines, 0.05),
        marks=marks,
    )
    return svg(
        chart, "accuracy of the most confident predictions, against the share accepted"
    )
