"""What an evaluation says of single classes: the worst first, and none hidden."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfpipeline.core import text_table
from tfpipeline.metrics import classification, confusion_matrix
from tfpipeline.metrics.significance import accuracy_interval
from tfpipeline.report.class_ranking import ranked, worst

# Classes in the table of a terminal, at most.
SHOWN = 10


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
