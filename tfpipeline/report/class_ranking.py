"""Classes by their recall: in which order they are shown, and when one is named."""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from tfpipeline.metrics.significance import wilson

# By how much a class is worse than all images together, at least, to be named.
_FAR = 0.1


def ranked(classes: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a class, the lowest recall first, those without images last.

    Of equal recalls that of more images is first.

    Args:
        classes: As `classification` has them; empty where a class was not measured.

    Returns:
        `name`, `precision`, `recall`, `f1` and `n` of each.
    """
    rows = [_row(name, own) for name, own in classes.items()]

    def worth(row: Mapping[str, Any]) -> tuple[float, int]:
        return (2.0 if row["recall"] is None else row["recall"], -(row["n"] or 0))

    return sorted(rows, key=worth)


def _row(name: str, own: Mapping[str, Any]) -> dict[str, Any]:
    recall, precision = own.get("recall"), own.get("precision")
    # Where it was never predicted, none was recognised.
    f1 = None if recall is None else 0.0
    if recall and precision:
        f1 = 2 * recall * precision / (recall + precision)
    row = {"precision": precision, "recall": recall, "f1": f1, "n": own.get("n")}
    return {"name": name, **row}


def worst(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the class that the accuracy hides, if there is one.

    That is the one with the lowest recall, where that is 0, or where it is lower than
    the accuracy by 0.1 at least and so is the upper end of its interval: of 95 %
    (Wilson), for all classes together (Bonferroni), since the lowest of many recalls is
    low by chance alone.

    Returns:
        Its row of `ranked`; `others` counts further classes with a recall of 0.
    """
    classes = result["classes"]
    if not any(own["n"] for own in classes.values()):
        return None
    row = ranked(classes)[0]
    recall, accuracy = row["recall"], result["accuracy"]
    z = NormalDist().inv_cdf(1 - 0.025 / len(classes))
    most = wilson(round(recall * row["n"]), row["n"], z)[1]
    is_far = accuracy - recall >= _FAR and most < accuracy
    if recall >= accuracy or not (is_far or recall == 0):
        return None
    zeros = sum(own["recall"] == 0 for own in classes.values())
    return {**row, "others": zeros - (recall == 0)}
