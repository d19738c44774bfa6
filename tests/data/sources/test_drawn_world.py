"""The source `demo`: drawn once, then files like any other."""

from pathlib import Path

import pytest

from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import drawn_world, opening
from tfpipeline.demo import world


def test_it_is_drawn_once_and_is_a_source_like_any_other(tmp_path: Path) -> None:
    settings = DataSettings(demo_per_class=2, demo_seed=5)
    found = opening.open_source(settings, tmp_path, drawn_world.drawer(settings))
    assert found.labels == world.TRANSFER_CLASSES and len(found) == 12
    assert found.name == "demo"
    times = [path.stat().st_mtime_ns for path in found.paths]
    again = opening.open_source(settings, tmp_path, drawn_world.drawer(settings))
    assert [path.stat().st_mtime_ns for path in again.paths] == times


def test_other_seeds_and_sizes_are_other_folders(tmp_path: Path) -> None:
    folders = {
        drawn_world.drawer(DataSettings(demo_per_class=count, demo_seed=seed))(tmp_path)
        for count in (1, 2)
        for seed in (0, 1)
    }
    assert len(folders) == 4


def test_no_pictures_are_refused() -> None:
    with pytest.raises(UserError, match="demo_per_class"):
        drawn_world.drawer(DataSettings(demo_per_class=0))
