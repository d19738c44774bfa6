"""Features belong to images: no selection of them is indexed by another's positions."""

from pathlib import Path

import numpy as np
import pytest

from tfpipeline.data.dataset import Examples
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source
from tfpipeline.study.features import Vectors


def examples(numbers: list[int]) -> Examples:
    """Return some of the images 0 to 99; the class of each is its last digit."""
    names = tuple(map(str, numbers))
    label = np.array(numbers, np.int32) % 10
    split = np.array(["test" if n >= 50 else "train" for n in numbers], object)
    paths = tuple(map(Path, names))
    labels = tuple("abcdefghij")
    source = Source("images", labels, paths, names, label, ("",) * len(names))
    rows = tuple(Row(name, sha256=f"digest {name}") for name in names)
    return Examples(source, rows, split, ())


def vectors(numbers: list[int]) -> Vectors:
    """Return features of images: the number of each, and its square."""
    values = np.array(numbers, np.float32)
    keys = [f"digest {n}" for n in numbers]
    return Vectors(keys, np.stack([values, values**2], axis=1))


@pytest.mark.parametrize("seed", range(5))
def test_every_selection_gets_the_features_and_labels_of_its_own_images(seed) -> None:
    rng = np.random.default_rng(seed)
    held = vectors(rng.permutation(100).tolist())
    for _ in range(3):
        numbers = rng.permutation(100)[: rng.integers(1, 60)].tolist()
        one = examples(numbers)
        some = rng.permutation(len(numbers))[:20]
        for chosen, wanted in (
            (some, np.array(numbers)[some]),
            ("train", np.array([n for n in numbers if n < 50])),
            ("test", np.array([n for n in numbers if n >= 50])),
        ):
            x, y = held.of(one, chosen)
            np.testing.assert_array_equal(x[:, 0], wanted)
            np.testing.assert_array_equal(y, wanted % 10)


def test_an_image_that_was_not_looked_at_is_an_error_and_not_another_one() -> None:
    with pytest.raises(KeyError, match="digest 7"):
        vectors([1, 2, 3]).of(examples([3, 7]), "train")


def test_positions_alone_take_nothing() -> None:
    held: object = vectors([1, 2, 3])
    assert not isinstance(held, np.ndarray)
    assert not hasattr(held, "__getitem__") and not hasattr(held, "__array__")


def test_of_equal_files_each_example_keeps_its_own_label() -> None:
    one = examples([4, 5])
    twice = Row("copy", sha256="digest 4")
    copies = Examples(one.source, (one.files[0], twice), one.split, ())
    x, y = vectors([5, 4]).of(copies, "train")
    assert x[:, 0].tolist() == [4, 4] and y.tolist() == [4, 5]
