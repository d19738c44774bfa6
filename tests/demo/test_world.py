"""The drawn world: seeded, varied, and honest about what is new in it."""

from pathlib import Path

import numpy as np
import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.demo import world


@pytest.mark.parametrize("name", world.OBJECTS)
def test_every_object_is_drawn_the_same_from_the_same_numbers(name: str) -> None:
    some = world.draw(name, [0, 1, 7], seed=3)
    assert some.shape == (3, 96, 96, 3) and some.dtype == np.uint8
    np.testing.assert_array_equal(world.draw(name, [7], seed=3)[0], some[2])
    assert np.abs(some[0].astype(int) - some[1]).mean() > 5
    assert (world.draw(name, [0], seed=4)[0] != some[0]).mean() > 0.5
    assert min(picture.std() for picture in some) > 5


def test_the_two_sets_of_classes_have_nothing_in_common() -> None:
    assert len(world.PRETRAINING_CLASSES) >= 20 and len(world.TRANSFER_CLASSES) >= 6
    assert not set(world.PRETRAINING_CLASSES) & set(world.TRANSFER_CLASSES)


def test_a_picture_of_another_size_is_of_the_same_kind() -> None:
    """Noise is drawn a pixel, so only what is drawn before it stays the same."""
    large = world.draw("rocket", range(8), 0, size=192)
    small = world.draw("rocket", range(8), 0, size=96)
    assert large.shape == (8, 192, 192, 3) and small.shape == (8, 96, 96, 3)
    # The first colours of a picture do not depend on its size.
    means = [p.reshape(8, -1, 3).astype(float).mean(1) for p in (small, large)]
    assert np.corrcoef(means[0].ravel(), means[1].ravel())[0, 1] > 0.7


def test_an_unknown_class_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match="rocket"):
        world.draw("rockett", [0], 0)
    assert world.draw("rocket", [], 0).shape == (0, 96, 96, 3)


@pytest.mark.slow
def test_the_nearest_picture_by_its_pixels_is_mostly_of_another_class() -> None:
    """As many examples as the demo trains on, and the nearest of them."""
    drawn = np.stack([world.draw(n, range(60), 0) for n in world.TRANSFER_CLASSES])
    pixels = drawn.reshape(len(drawn), 60, -1).astype(np.float32) / 255
    known = pixels[:, :42].reshape(-1, pixels.shape[-1])
    asked = pixels[:, 42:].reshape(-1, pixels.shape[-1])
    distance = (known**2).sum(1) - 2 * asked @ known.T
    right = distance.argmin(1) // 42 == np.arange(len(asked)) // 18
    assert right.mean() < 0.6


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    world.write_folder(tmp_path / "a", ["rocket", "chair"], 3, seed=0)
    files = sorted(str(f.relative_to(tmp_path / "a")) for f in tmp_path.rglob("*.png"))
    assert files == [f"{c}/0000{i}.png" for c in ("chair", "rocket") for i in range(3)]

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.write_folder(tmp_path / "b", ["rocket"], 3, seed=0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_the_contact_sheet_shows_every_class() -> None:
    sheet = world.contact_sheet(per_class=1, size=32)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    rows = -(-len(world.OBJECTS) // 4)
    assert sheet.shape[0] >= rows * 32 and sheet.shape[1] >= 4 * 32
