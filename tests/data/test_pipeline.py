"""The input pipeline keeps what four celebrated ones get wrong."""

from pathlib import Path

import numpy as np
import pytest

from tfpipeline import images
from tfpipeline.data import audit, pipeline
from tfpipeline.errors import UserError

COUNT = 11


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[audit.Row]:
    """Pictures whose grey value is ten times their number."""
    root = tmp_path_factory.mktemp("pictures")
    for i in range(COUNT):
        images.save_png(root / f"{i:02d}.png", np.full((9, 7, 3), i * 10, np.uint8))
    return audit.audit(sorted(root.iterdir()), cache=None)


def batches(files, **changes) -> pipeline.Batches:
    reading = {"height": 8, "width": 8, "resize": "squash", "batch_size": 4}
    label = np.arange(COUNT, dtype=np.int32)
    return pipeline.Batches(files, label, pipeline.Reading(**{**reading, **changes}))


def numbers(dataset) -> list[int]:
    """Return which pictures came, by their grey; padding left out."""
    found = []
    for image, label, weight in dataset:
        assert image.shape == (4, 8, 8, 3) and image.dtype == "float32"
        grey = np.rint(np.asarray(image)[:, 4, 4, 0] * 25.5).astype(int)
        assert np.array_equal(grey, np.asarray(label))
        found += grey[np.asarray(weight) > 0].tolist()
    return found


def test_evaluation_is_complete_and_in_order(files) -> None:
    assert numbers(batches(files).plain(np.arange(COUNT))) == list(range(COUNT))


def test_every_example_comes_once_an_epoch_and_epochs_differ(files) -> None:
    some = np.arange(COUNT)
    one = batches(files)
    epochs = [numbers(one.plain(one.shuffled(some, e))) for e in range(3)]
    assert all(sorted(epoch) == list(range(COUNT)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_same_seed_gives_the_same_batches(files) -> None:
    a, b = (batches(files, augmentation="light", seed=3) for _ in range(2))
    order = a.shuffled(np.arange(COUNT), 5)
    for (x, _, _), (y, _, _) in zip(a.augmented(order, 5), b.augmented(order, 5)):
        np.testing.assert_array_equal(x, y)


def test_augmentation_is_drawn_anew_each_epoch_whatever_the_place(tmp_path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    for i in range(3):
        images.save_png(tmp_path / f"{i}.png", noise[i])
    rows = audit.audit(sorted(tmp_path.iterdir()), cache=None)
    reading = pipeline.Reading(32, 32, "squash", 1, "light", 1)
    some = pipeline.Batches(rows, np.zeros(3, np.int32), reading)

    def pictures(order: list[int], epoch: int) -> list[np.ndarray]:
        return [np.asarray(b[0][0]) for b in some.augmented(np.array(order), epoch)]

    first, turned = pictures([0, 1, 2], 0), pictures([2, 0, 1], 0)
    np.testing.assert_array_equal(first[0], turned[1])
    assert np.abs(first[0] - pictures([0], 1)[0]).mean() > 0.01


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
def test_padding_repeats_and_weighs_nothing(count: int) -> None:
    indices, weights = pipeline.padded(np.arange(count) + 5, 4)
    assert indices.shape == weights.shape == (-(-count // 4), 4)
    assert weights.sum() == count
    assert (indices[weights > 0] == np.arange(count) + 5).all()


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    order = pipeline.epoch_order(50, 7, 3)
    assert np.array_equal(order, pipeline.epoch_order(50, 7, 3))
    assert not np.array_equal(order, pipeline.epoch_order(50, 7, 4))
    assert not np.array_equal(order, pipeline.epoch_order(50, 8, 3))


def test_an_unknown_augmentation_suggests_one(files) -> None:
    with pytest.raises(UserError, match="Did you mean 'light'"):
        batches(files, augmentation="ligth")


def test_names_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    name = tmp_path / b"caf\xe9.png".decode("utf-8", "surrogateescape")
    images.save_png(tmp_path / "a.png", np.full((8, 8, 3), 50, np.uint8))
    (tmp_path / "a.png").rename(name)
    rows = audit.audit([name], cache=None)
    reading = pipeline.Reading(8, 8, "squash", 1)
    one = pipeline.Batches(rows, np.zeros(1, np.int32), reading)
    (batch,) = list(one.plain(np.array([0])))
    assert np.allclose(batch[0], 50 / 255)
