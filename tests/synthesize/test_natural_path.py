"""Whether ideal images go through the layers as photographs of their class do."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tfpipeline.core import file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import natural_path
from tfpipeline.synthesize.natural_path import Measure, Way

LABELS = ClassNames(("dark left", "dark top", "third"))
SIZE = 24


@pytest.fixture(scope="module")
def network() -> Network:
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="last")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return Network("small", keras.Model(image, keras.layers.Dense(3)(x)), LABELS)


def photograph(index: int, seed: int) -> np.ndarray:
    """Return noise of which one half is dark: to the left, or on top."""
    shape = (SIZE, SIZE, 3)
    picture = np.random.default_rng([index, seed]).integers(90, 250, shape)
    half = (slice(None), slice(SIZE // 2)) if index == 0 else (slice(SIZE // 2),)
    picture[half] //= 6
    return picture.astype(np.uint8)


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate(("Dark_left", "dark top")):
        (tmp_path / name).mkdir()
        for seed in range(4):
            file = tmp_path / name / f"{seed}.png"
            image_io.save_png(file, photograph(index, seed))
    return tmp_path


def test_ranks_are_those_of_spearmans_correlation() -> None:
    rng = np.random.default_rng(0)
    # Most are nought, as after a ReLU.
    one, two = np.maximum(rng.normal(size=(2, 300)), 0).astype(np.float32)
    # By the definition: how many are less, and half of those that are equal.
    below = [
        (values < values[:, None]).sum(1) + (values == values[:, None]).sum(1) / 2
        for values in (one, one + two)
    ]
    found = natural_path.ranks(one) @ natural_path.ranks(one + two)
    assert found == pytest.approx(np.corrcoef(below)[0, 1])
    assert natural_path.ranks(one) @ natural_path.ranks(one**3) == pytest.approx(1)
    assert not natural_path.ranks(np.zeros(5)).any()


def test_a_photograph_goes_the_way_of_its_class_and_another_does_not(
    network, folder: Path
) -> None:
    files = natural_path.files(str(folder), None, LABELS).files
    assert {k: len(some) for k, some in files.items()} == {0: 4, 1: 4}
    measure = Measure(network, files)
    assert measure.layers == ["first", "last"]
    own = measure(photograph(0, 99), 0)
    other = measure(photograph(1, 99), 0)
    assert own is not None and other is not None
    for name in measure.layers:
        assert own[name].normalized == pytest.approx(1, abs=0.3)
        assert other[name].normalized == pytest.approx(0, abs=0.3)
        # What photographs have in common does not depend on the image.
        assert (own[name].same, own[name].other) == (
            other[name].same,
            other[name].other,
        )
    assert natural_path.check([own, own], {})["passed"]
    # In two layers of three photographs of others are nearer, and over all.
    ways = {"a": Way(0.1, 0.6, 0.2), "b": Way(0.1, 0.5, 0.3), "c": Way(0.4, 0.5, 0.3)}
    failed = natural_path.check([ways], {"test": 3})
    assert failed["passed"] is False and "in 2 of 3 layers" in failed["otherwise"]
    assert failed["photographs"] == {"test": 3}
    assert failed["value"] == pytest.approx((-0.1 - 0.2 + 0.1) / (0.4 + 0.2 + 0.2))


def test_a_class_without_photographs_is_not_asked(network, folder: Path) -> None:
    files = natural_path.files(str(folder), None, LABELS).files
    picture = photograph(0, 99)
    assert Measure(network, files)(picture, 2) is None
    assert Measure(network, {0: files[0]})(picture, 0) is None
    assert Measure(network, {})(picture, 0) is None
    # A file that cannot be read is left out; one photograph is no pair.
    for file in files[0][1:]:
        file.write_bytes(b"no picture")
    assert Measure(network, files)(picture, 0) is None
    told = natural_path.check([], {})
    assert told["outcome"] == "not asked" and told["value"] is None


def test_layers_that_tell_no_classes_apart_tell_nothing() -> None:
    assert Way(0.5, 0.2, 0.2).normalized is None
    assert Way(0.5, 0.6, 0.2).normalized == pytest.approx(0.75)
    pooled = natural_path.pooled([{"a": Way(0.4, 0.6, 0.2)}, {"a": Way(0.2, 0.8, 0)}])
    assert pooled["a"] == Way(pytest.approx(0.3), pytest.approx(0.7), 0.1)


def test_photographs_of_a_run_are_first_those_that_it_did_not_learn_from(
    folder: Path,
) -> None:
    run = folder.parent / f"{folder.name}_run"
    run.mkdir()
    assert natural_path.files(None, str(run), LABELS) == ({}, {})
    top, left = (
        sorted((folder / name).iterdir()) for name in ("dark top", "Dark_left")
    )
    rows = [
        (top[0], "dark top", "train"),
        (top[1], "dark top", "validation"),
        (top[2], "dark top", "test"),
        (folder / "gone.png", "dark left", "test"),
        ("", "third", "test"),
        *[(left[0], "dark left", "train")] * 5,
        *[(left[1], "dark left", "validation")] * 4,
        *[(left[2], "dark left", "test")] * 2,
    ]
    file_io.write_csv(run / "splits.csv", ["path", "label", "split"], rows)
    found, splits = natural_path.files(None, str(run), LABELS)
    assert found == {
        1: [top[2], top[1], top[0]],
        0: [left[2]] * 2 + [left[1]] * 4 + [left[0]] * 2,
    }
    assert splits == {"test": 3, "validation": 5, "train": 3}
    # A folder that is named is what counts.
    named, of = natural_path.files(str(folder), str(run), LABELS)
    assert len(named[0]) == 4 and of == {}


@pytest.mark.parametrize(
    ("name", "said"),
    [("dark tap", "Did you mean 'dark top'"), (None, "two classes or more")],
)
def test_a_folder_of_other_things_is_refused(tmp_path: Path, name, said: str) -> None:
    for each in ("dark left", name):
        if each:
            (tmp_path / each).mkdir()
            image_io.save_png(tmp_path / each / "a.png", photograph(0, 0))
    with pytest.raises(UserError, match=f"--photographs.*{said}"):
        natural_path.files(str(tmp_path), None, LABELS)
    with pytest.raises(UserError, match="--photographs: expected a folder"):
        natural_path.files(str(tmp_path / "nowhere"), None, LABELS)
