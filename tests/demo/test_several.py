"""Pictures with several objects: seeded, as they are said to be, and drawn apart."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.core import image_io
from tfpipeline.demo import several, world


@pytest.mark.parametrize("draw", [several.picture_of_kinds, several.picture_to_count])
def test_a_picture_is_the_same_from_the_same_numbers(draw) -> None:
    picture, said = draw(3, 7)
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
    again, same = draw(3, 7)
    np.testing.assert_array_equal(again, picture)
    assert same == said
    assert (draw(4, 7)[0] != picture).mean() > 0.5
    assert (draw(3, 8)[0] != picture).mean() > 0.5
    # What is in it does not depend on its size.
    assert draw(3, 7, 64)[1] == said and draw(3, 7, 64)[0].shape == (64, 64, 3)


def test_one_to_four_kinds_of_which_some_are_rarer() -> None:
    many = [several.picture_of_kinds(index, 0, 24)[1] for index in range(400)]
    assert {len(kinds) for kinds in many} == {1, 2, 3, 4}
    assert all(len(set(kinds)) == len(kinds) for kinds in many)
    counts = [sum(name in kinds for kinds in many) for name in world.TRANSFER_CLASSES]
    assert max(counts) > 1.6 * min(counts) and min(counts) > 40


def test_counts_are_from_0_to_9_and_each_is_as_frequent() -> None:
    counts = [several.picture_to_count(index, 0, 24)[1] for index in range(500)]
    frequency = np.bincount(counts, minlength=10)
    assert len(frequency) == 10 and frequency.min() > 30


@pytest.fixture
def placed(monkeypatch):
    """Return what is placed while pictures are drawn: name, and where."""
    seen = []
    draw = several._object

    def noted(rng, image, mean, kind, where):
        before = image.copy()
        draw(rng, image, mean, kind, where)
        seen.append((kind, where, np.abs(image - before).max(axis=-1) > 0.05))

    monkeypatch.setattr(several, "_object", noted)
    return seen


@pytest.mark.parametrize("index", range(25))
def test_every_object_is_there_and_hardly_any_covers_another(placed, index) -> None:
    for draw in (several.picture_of_kinds, several.picture_to_count):
        placed.clear()
        _, said = draw(index, 2)
        assert len(placed) == (said if isinstance(said, int) else len(said))
        if not isinstance(said, int):
            assert sorted(kind for kind, *_ in placed) == list(said)
        covered = np.zeros((96, 96), bool)
        for _, (scale, *middle), changed in placed:
            # It is inside, and its size can be seen.
            assert max(map(abs, middle)) + scale <= 1
            assert changed.sum() > 0.1 * (scale * 96) ** 2
            assert (changed & covered).sum() < 0.45 * changed.sum()
            covered |= changed


def test_size_says_nothing_of_how_many_there_are(placed) -> None:
    sizes, counts = [], []
    for index in range(150):
        placed.clear()
        count = several.picture_to_count(index, 5, 24)[1]
        if count:
            sizes.append(np.mean([where[0] for _, where, _ in placed]))
            counts.append(count)
    assert abs(np.corrcoef(sizes, counts)[0, 1]) < 0.25


@pytest.mark.parametrize("name", several.SETS)
def test_a_folder_holds_the_pictures_and_what_is_in_them(
    name: str, tmp_path: Path, monkeypatch
) -> None:
    draw, column, _ = several.SETS[name]
    several.write_folder(tmp_path / "a", name, 5, seed=3, size=32)
    with open(tmp_path / "a" / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    for index, row in enumerate(rows):
        picture, said = draw(index, 3, 32)
        assert row[column] == said
        assert np.array_equal(image_io.decode(tmp_path / "a" / row["path"]), picture)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(several, "_scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        several.write_folder(tmp_path / "b", name, 5, seed=0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("draw", [several.picture_of_kinds, several.picture_to_count])
def test_they_take_no_longer_than_pictures_of_one_object(draw) -> None:
    def seconds(work) -> float:
        started = time.process_time()
        for index in range(10):
            work(index)
        return time.process_time() - started

    pairs = [
        (seconds(lambda i: draw(i, 0)), seconds(lambda i: world.draw("chair", [i], 0)))
        for _ in range(3)
    ]
    assert min(own for own, _ in pairs) < 4 * min(one for _, one in pairs)
