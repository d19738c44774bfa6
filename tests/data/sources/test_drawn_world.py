"""The source `demo`: drawn once, then files like any other."""

from pathlib import Path

import numpy as np
import pytest

from tfpipeline.config import DataSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import drawn_world, opening
from tfpipeline.demo import several, world


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


@pytest.mark.parametrize("kind, count", [("multi", 12), ("number", 20)])
def test_pictures_with_several_objects_are_a_source(
    kind: str, count: int, tmp_path: Path
) -> None:
    settings = DataSettings(f"demo:{kind}", demo_per_class=2, demo_seed=5)
    draw = drawn_world.drawer(settings)
    found = opening.open_source(settings, tmp_path, draw)
    assert found.name == f"demo:{kind}" and found.target == kind
    assert len(found) == count and found.values is not None
    for index in (0, 7):
        drawn, said = several.SETS[kind][0](index, 5, 96)
        assert np.array_equal(image_io.decode(found.paths[index]), drawn)
        assert found.said(index) == said
    times = [path.stat().st_mtime_ns for path in found.paths]
    again = opening.open_source(settings, tmp_path, draw)
    assert [path.stat().st_mtime_ns for path in again.paths] == times
    if kind == "multi":
        assert set(found.labels) <= set(world.TRANSFER_CLASSES)
    else:
        assert found.labels == ("count",)


def test_what_they_are_not_is_refused(tmp_path: Path) -> None:
    def opened(source: str, **more: object) -> None:
        settings = DataSettings(source, demo_per_class=1, **more)
        opening.open_source(settings, tmp_path, drawn_world.drawer(settings))

    with pytest.raises(UserError, match="Did you mean 'demo:multi'"):
        opened("demo:mutli")
    with pytest.raises(UserError, match="demo:number has the target number"):
        opened("demo:number", target="single")
    with pytest.raises(UserError, match="Say demo:multi, leave --data.target out"):
        opened("demo", target="multi")
    with pytest.raises(UserError, match="target single. Leave --data.target out"):
        opened("demo", target="soft")
