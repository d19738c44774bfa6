"""Runs are combined that are shown the same."""

from pathlib import Path

import keras
import pytest

from tfpipeline.combine import checks
from tfpipeline.config import RunSettings
from tfpipeline.core import brightness
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models import saving


def _checked(folder: Path, *spans: str) -> None:
    """Compare runs that were trained by some ranges."""
    inputs = keras.Input((8, 8, 3))
    flat = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(flat))
    runs = [RunFolder(folder / str(number)) for number in range(len(spans))]
    for run, span in zip(runs, spans):
        run.path.mkdir(exist_ok=True)
        ranges = brightness.parse(span)
        assert ranges is not None
        saving.save_classifier(run.model, model, ["a", "b"], ranges)
    count = len(runs)
    checks.check_sizes(runs, [RunSettings()] * count, [model] * count)


def test_ranges_are_compared_by_what_they_are(tmp_path: Path) -> None:
    _checked(tmp_path, "uint16 0 4095", "0 4095, uint16 0 4095")
    _checked(tmp_path, "full", "uint16 0 65535")
    _checked(tmp_path, "full", "0 4095")
    for other in ("uint16 0 1023", "full", "0 1023"):
        with pytest.raises(UserError, match="--data.range") as caught:
            _checked(tmp_path, "uint16 0 4095", other)
        assert "0 4095" in str(caught.value)
