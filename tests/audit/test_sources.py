"""What is audited is known by its name."""

from pathlib import Path

import pytest

from tests.data.sources.test_base import never
from tfpipeline.audit import sources
from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("tfds:cats_vs_dogs:train[:10%]", False),
        ("demo:multi", False),
        ("demo", False),
        ("photos/*.jpg", True),
        ("photos/[ab]/1.jpg", True),
        ("gs://b/photos", True),
    ],
)
def test_pictures_are_told_from_data_sets(word: str, expected: bool) -> None:
    assert sources.is_pictures(word) == expected


@pytest.mark.parametrize("opens", [sources.open_source, sources.listed])
def test_features_are_refused_with_pictures_too(tmp_path: Path, opens) -> None:
    (tmp_path / "1.png").touch()
    data = DataSettings(str(tmp_path / "*.png"), features="features")
    with pytest.raises(UserError, match="--data.features"):
        opens(data, tmp_path, never)
