"""Names of classes that files of predictions have for columns of their own."""

from pathlib import Path

import pytest

from tests.data.sources.test_targets import prepare, written
from tfpipeline.core import file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError
from tfpipeline.data import splits
from tfpipeline.data.sources import base
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import target_report


def test_columns_of_predictions_are_no_names_of_labels(tmp_path: Path) -> None:
    own = target_report.header(Decision(targets.MULTI))
    assert {*own, "probability", "fold"} <= set(base.RESERVED)
    for name in ("loss", "probability", "id"):
        file = written(tmp_path, ("label",), [f"{name}|cat", "cat", "dog"] * 20)
        with pytest.raises(UserError, match=f"predictions.csv.*'{name}'"):
            prepare(file, "multi")


def test_no_label_is_renamed_to_one(tmp_path: Path) -> None:
    file = written(tmp_path, ("label",), ["ape|cat", "cat", "dog"] * 20)
    classes = tmp_path / "classes.csv"
    file_io.write_csv(classes, ("class", "new"), [("ape", "loss")])
    with pytest.raises(UserError, match="expected a new name .*'loss'"):
        prepare(file, "multi", classes=str(classes))


def test_splits_pin_labels_in_another_order(tmp_path: Path) -> None:
    file = written(tmp_path, ("label",), ["cat|dog", "dog", "ape|cat"] * 20)
    examples = prepare(file, "multi")
    pinned = tmp_path / "splits.csv"
    splits.write(pinned, examples.source, examples.split, examples.keys)
    text = pinned.read_text()
    assert "cat|dog" in text
    pinned.write_text(text.replace("cat|dog", "dog|cat"))
    again = prepare(file, "multi", splits=str(pinned))
    assert (again.split == examples.split).all()
