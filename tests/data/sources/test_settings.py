"""Settings of a source that mean nothing are refused before anything is opened."""

import pytest

from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import settings


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"target": "both"}, "Unknown --data.target 'both'"),
        ({"max_bad_fraction": 2}, "--data.max_bad_fraction: expected a share"),
        ({"test_fraction": 0.5, "validation_fraction": 0.6}, "expected a sum below 1"),
        ({"train_fraction": 0}, "--data.train_fraction: expected a share above 0"),
        ({"examples_per_class": 0}, "--data.examples_per_class: expected a positive"),
        ({"group": "all"}, "Unknown --data.group 'all'"),
    ],
)
def test_each_is_named(changes: dict, words: str) -> None:
    settings.check(DataSettings())
    with pytest.raises(UserError, match=words):
        settings.check(DataSettings(**changes))
