"""What an evaluation says of single classes: the worst first, and none hidden."""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from tfpipeline.core import text_table
from tfpipeline.metrics import classification, confusion_matrix
from tfpipeline.metrics.significance import accuracy_interval, wilson
from tfpipeline.report import measured_parts

# Classes in the table of a terminal, at most.
SHOWN = 10

# By how much a class is worse than all images together, at least, to be named.
_FAR = 0.1


def metrics(
    logits: np.ndarray,
    label: np.ndarray,
    labels: Sequence[str],
    weight: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return what `classification` does, and what else an evaluation says.

    Returns:
        `interval` of the accuracy (Wilson, 95 %), of each class what it is
        `confused_with`, `worst_class` as `worst` returns it, and `missing_classes`,
        of which there are no images.
    """
    result = classification.classification(logits, label, labels, weight)
    pairs = confusion_matrix.pairs(label, np.argmax(logits, axis=1), len(labels))
    confused = confusion_matrix.confused_with(pairs, labels)
    classes = result["classes"]
    for name, own in classes.items():
        own["confused_with"] = confused[name]
    result["interval"] = accuracy_interval(result)
    result["worst_class"] = worst(result)
    result["missing_classes"] = [k for k, own in classes.items() if not own["n"]]
    return result


def ranked(classes: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a class, the lowest recall first, those without images last.

    Of equal recalls that of more images is first.

    Args:
        classes: As `classification` has them.
    """
    rows = measured_parts.classes(list(classes), classes)

    def worth(row: Mapping[str, Any]) -> tuple[float, int]:
        return (2.0 if row["recall"] is None else row["recall"], -row["n"])

    return sorted(rows, key=worth)


def worst(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the class that the accuracy hides, if there is one.

    That is the one with the lowest recall, where that is 0, or where it is lower than
    the accuracy by 0.1 at least and so is the upper end of its interval: of 95 %
    (Wilson), for all classes together (Bonferroni), since the lowest of many recalls is
    low by chance alone.

    Returns:
        Its row of `ranked`; `others` counts further classes with a recall of 0.
    """
    row, classes = ranked(result["classes"])[0], result["classes"]
    recall, accuracy = row["recall"], result["accuracy"]
    z = NormalDist().inv_cdf(1 - 0.025 / len(classes))
    most = wilson(round(recall * row["n"]), row["n"], z)[1]
    is_far = accuracy - recall >= _FAR and most < accuracy
    if recall >= accuracy or not (is_far or recall == 0):
        return None
    zeros = sum(own["recall"] == 0 for own in classes.values())
    return {**row, "others": zeros - (recall == 0)}


def table(result: Mapping[str, Any], most: int, file: object) -> str:
    """Return the worst classes as lines of a terminal.

    Args:
        result: As `evaluation.json` has it.
        most: Columns of the terminal.
        file: That has the others.
    """
    rows = [row for row in ranked(result["classes"]) if row["n"]]
    lines = [_line(row, result["classes"][row["name"]]) for row in rows[:SHOWN]]
    header = ("class", "images", "recall", "precision", "F1", "mostly confused with")
    text = text_table.table(header, lines, most, right=header[1:5])
    if len(rows) > SHOWN:
        text += f"... and {len(rows) - SHOWN} better classes in {file}\n"
    return text


def _line(row: Mapping[str, Any], own: Mapping[str, Any]) -> Sequence[str]:
    shares = ("" if row[k] is None else f"{row[k]:.3f}" for k in _SHARES)
    confused = [f"{name} ({n})" for name, n in own["confused_with"].items()][:1]
    return (row["name"], str(row["n"]), *shares, "".join(confused))


_SHARES = ("recall", "precision", "f1")
