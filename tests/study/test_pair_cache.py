"""A pair is found by everything that its result depends on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tfpipeline.config.study import StudySettings
from tfpipeline.study.pair_cache import PairFiles


def opened(**more: Any) -> tuple[Any, ...]:
    """Return the examples of one seed."""
    about = {"labels": ("age",), "label": np.array([0, 1]), "weight": ()}
    about |= {"target": "number", "values": np.array([[1.0], [9.0]], np.float32)}
    source = SimpleNamespace(**{**about, **more})
    split = np.array(["train", "test"])
    return (SimpleNamespace(keys=["a", "b"], split=split, source=source),)


@pytest.mark.parametrize(
    "more",
    [
        # In the same tenths.
        {"values": np.array([[1.0], [9.5]], np.float32)},
        {"target": "multi"},
        {"labels": ("size",)},
        {"weight": (1.0, 2.0)},
        {"label": np.array([0, 0])},
    ],
)
def test_other_values_are_another_pair(tmp_path: Path, more: dict[str, Any]) -> None:
    files = PairFiles(StudySettings(), tmp_path)
    assert files.done("demo", opened()) == files.done("demo", opened())
    assert files.done("demo", opened(**more)) != files.done("demo", opened())


def test_what_a_study_is_called_changes_no_pair(tmp_path: Path) -> None:
    one, other = (
        PairFiles(StudySettings(output=name, shots=shots), tmp_path)
        for name, shots in (("a", "1,5"), ("b", "5,1,all"))
    )
    assert one.done("demo", opened()) == other.done("demo", opened())
