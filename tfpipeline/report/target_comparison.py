"""What a comparison of runs of several labels, or of a number, comes to.

Both are measured on the same images: by mAP, or by the mean absolute error.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfpipeline.core import file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources.base import BETWEEN
from tfpipeline.metrics import multi_label, regression
from tfpipeline.report import html, pairs
from tfpipeline.report.run_data import RunFiles
from tfpipeline.report.story import Figure, Story

Row = Mapping[str, Any]


class Score(NamedTuple):
    """What runs are compared by: its key and name, and whether more is better."""

    key: str
    name: str
    more_is_better: bool
    test: str

    def interval(self, result: Row) -> Sequence[float] | None:
        """Return the 95 % interval that a split's metrics have."""
        if self.more_is_better:
            return result.get("interval")
        return result.get("intervals", {}).get(self.key)


SCORES = {
    targets.MULTI: Score(
        *("mean_average_precision", "mAP", True),
        "the answers of the two runs swapped in some of the images or groups",
    ),
    targets.NUMBER: Score("mae", "MAE", False, "an exact test by signs"),
}


class Answered(NamedTuple):
    """What a run answered to a measured image.

    Args:
        label: What is true, in words.
        values: The probability of each class, or the error of a number.
        group: What it belongs with; empty where nothing was said of groups.
    """

    label: str
    values: np.ndarray
    group: str


def content(
    runs: Sequence[RunFiles], names: Sequence[str], networks: Sequence[str]
) -> dict[str, Any]:
    """Return what the page tells, but for curves and settings.

    Raises:
        UserError: Classes, or what the number is, are not the same in all runs.
    """
    target = runs[0].decision["target"]
    labels, score = list(runs[0].decision["labels"]), SCORES[target]
    for run in runs:
        if sorted(run.decision["labels"]) != sorted(labels):
            raise UserError(
                f"{run.folder.path}: expected the classes or the number of "
                f"{runs[0].folder.path}: {', '.join(labels)}. Received: "
                f"{', '.join(run.decision['labels'])}. Give each its own page."
            )
    answers = [_answers(run, labels, target) for run in runs]
    rows: list[dict[str, Any]] = []
    for run, name, network, own in zip(runs, names, networks, answers):
        result = run.metrics[run.split] if run.split else None
        against = None
        if own is not answers[0]:
            against = _against(answers[0], own, labels, score)
        row = {"name": name, "run": run, "result": result, "network": network}
        figure = None if result is None else result[score.key]
        interval = None if result is None else score.interval(result)
        rows.append({**row, "figure": figure, "interval": interval, "against": against})
    pairs.judge(rows)
    same_images = len({frozenset(own) for own in answers}) == 1
    story = _story(rows, score, same_images)
    return {"rows": rows, "score": score, "story": story, "same_images": same_images}


def _answers(run: RunFiles, labels: Sequence[str], target: str) -> dict[str, Answered]:
    """Return what a run answered to its measured images, by their ids."""
    if not run.folder.predictions.is_file():
        return {}
    splits = run.folder.splits
    rows = file_io.read_csv(splits) if splits.is_file() else []
    group = {row["id"]: row.get("group", "") for row in rows}
    columns = ["error"] if target == targets.NUMBER else labels
    return {
        row["id"]: Answered(
            row["label"],
            np.array([float(row[name]) for name in columns]),
            group.get(row["id"], ""),
        )
        for row in file_io.read_csv(run.folder.predictions)
        if row["split"] == run.split
    }


def _against(
    first: Mapping[str, Answered],
    own: Mapping[str, Answered],
    labels: Sequence[str],
    score: Score,
) -> dict[str, Any] | None:
    """Return how two runs differ on the images that both were measured on."""
    shared = [name for name in first if name in own]
    both = [n for n in shared if _same(first[n].label, own[n].label, score)]
    if not both:
        return None
    kept = set(both)
    apart = [name for name in shared if name not in kept]
    one, other = (np.stack([each[n].values for n in both]) for each in (first, own))
    groups = [first[name].group or f"\n{name}" for name in both]
    unit = np.unique(groups, return_inverse=True)[1].ravel()
    if score.more_is_better:
        said = [first[name].label.split(BETWEEN) for name in both]
        truth = np.array([[name in row for name in labels] for row in said])
        if not truth.any():
            return None
        found = multi_label.paired_difference(one, other, truth, unit)
    else:
        found = regression.paired_difference(one[:, 0], other[:, 0], unit)
    difference, interval, p = found
    gain = difference if score.more_is_better else -difference
    return {
        "n": len(both),
        "difference": difference,
        "interval": interval,
        "p": p,
        "gain": gain,
        "relabelled": {"n": len(apart), "first": apart[0] if apart else None},
    }


def _same(one: str, other: str, score: Score) -> bool:
    """Return whether two runs have the same label, in whatever order or digits."""
    if score.more_is_better:
        return set(one.split(BETWEEN)) == set(other.split(BETWEEN))
    return float(one) == float(other)


def _story(rows: Sequence[Row], score: Score, same_images: bool) -> Story:
    """Return what the comparison comes to: a difference only where one is shown."""
    first, others = rows[0], rows[1:]
    against = [row for row in others if row["against"]]
    measured = [row for row in rows if row["figure"] is not None]
    shown = [row for row in against if row["against"]["shown"]]
    figures = []
    if measured:
        pick = max if score.more_is_better else min
        best = pick(measured, key=lambda row: float(row["figure"]))
        basis = best["name"]
        if best["interval"] is not None:
            ends = " to ".join(html.number(end) for end in best["interval"])
            basis += f"; 95 % interval {ends}"
        title = f"{'Highest' if score.more_is_better else 'Lowest'} {score.name}"
        figures.append(Figure(title, html.number(best["figure"]), basis))
    if against:
        figures.append(_difference(max(shown or against, key=_gain), first))
        shared = html.number(min(row["against"]["n"] for row in against))
        figures.append(Figure("Shared images", shared, "both runs were measured on"))
    headline = pairs.without_difference(
        rows,
        measured=bool(measured),
        complete=len(measured) == len(rows),
        same_images=same_images,
    )
    if headline is None:
        best = max(shown, key=_gain)
        size = html.number(abs(_gain(best)))
        change = "better" if _gain(best) > 0 else "worse"
        headline = (
            f"{score.name} of {best['name']} is {change} by {size} than "
            f"{first['name']}'s{pairs.how_many(len(shown), len(others))}"
        )
    return Story(headline, figures)


def _difference(row: Row, first: Row) -> Figure:
    against = row["against"]
    interval = "no interval of one group"
    if against["interval"] is not None:
        low, high = map(html.number, against["interval"])
        interval = f"95 % interval {low} to {high}"
    basis = f"{row['name']} minus {first['name']}; {interval}, "
    basis += f"p = {against['p_holm']:.2g}"
    return Figure("Difference", html.number(against["difference"]), basis)


def _gain(row: Row) -> float:
    return float(row["against"]["gain"])
