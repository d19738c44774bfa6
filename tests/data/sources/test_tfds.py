"""TensorFlow Datasets, for real and offline: a dataset that lies on disk."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.download import downloader

from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import opening
from tfpipeline.data.sources.tfds import open_tfds

LABELS = ["zebra", "ant"]

pytestmark = pytest.mark.filterwarnings(
    # The libraries that tensorflow_datasets is built on, not its users.
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
)


def jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((10, 12, 3), shade, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """Where two splits of a small dataset were prepared."""
    folder = tmp_path_factory.mktemp("tfds")
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=LABELS),
        }
    )

    def split(shades: list[int]) -> tf.data.Dataset:
        images = [np.full((10, 12, 3), s, np.uint8) for s in shades]
        return tf.data.Dataset.from_tensor_slices(
            {"image": images, "label": [s % 2 for s in shades]}
        )

    for name, key in (("tiny_animals", "label"), ("no_labels", None)):
        kept = (
            features
            if key
            else tfds.features.FeaturesDict({"image": features["image"]})
        )
        parts = {"train": split([10, 21, 30, 41]), "test": split([50, 61])}
        if key is None:
            parts = {
                k: d.map(lambda e: {"image": e["image"]}) for k, d in parts.items()
            }
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            version="1.2.0",
            features=kept,
            split_datasets=parts,
            data_dir=folder,
            disable_shuffling=True,
        )
    return folder


def test_own_names_and_splits_come_along(data_dir: Path, tmp_path: Path) -> None:
    source = open_tfds("tfds:tiny_animals", tmp_path, str(data_dir))
    assert source.labels == ("zebra", "ant") and source.name == "tfds:tiny_animals"
    assert source.split == ("train",) * 4 + ("test",) * 2
    assert source.label.tolist() == [0, 1, 0, 1, 0, 1]
    shades = [np.asarray(Image.open(path)).mean() for path in source.paths]
    np.testing.assert_allclose(shades, [10, 21, 30, 41, 50, 61], atol=1.5)


def test_a_part_of_a_split_can_be_asked_for(data_dir: Path, tmp_path: Path) -> None:
    settings = DataSettings(
        source="tfds:tiny_animals:train[:50%]+test", tfds_dir=str(data_dir)
    )
    source = opening.open_source(settings, tmp_path, lambda cache: cache)
    assert len(source) == 4 and set(source.split) == {""}


def test_the_prepared_folder_itself_can_be_named(
    data_dir: Path, tmp_path: Path
) -> None:
    folder = data_dir / "tiny_animals" / "1.2.0"
    assert len(open_tfds("tfds:tiny_animals", tmp_path, str(folder))) == 6


def test_images_are_written_once(data_dir: Path, tmp_path: Path) -> None:
    first = open_tfds("tfds:tiny_animals", tmp_path, str(data_dir))
    before = [path.stat().st_mtime_ns for path in first.paths]
    second = open_tfds("tfds:tiny_animals", tmp_path, str(data_dir))
    assert [path.stat().st_mtime_ns for path in second.paths] == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tfds:", "expected tfds:NAME"),
        ("tfds:cats_vs_dog", "cats_vs_dogs"),
        ("tfds:tiny_animals:holdout", "train, test"),
        ("tfds:no_labels", "class labels"),
    ],
)
def test_what_cannot_be_had_is_told(
    data_dir: Path, tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        open_tfds(name, tmp_path, str(data_dir))
    assert not list(tmp_path.rglob("index.csv"))


def test_a_dataset_that_cannot_be_downloaded_is_told_with_the_ways_out(
    tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten tries, ever further apart, would take minutes.
    monkeypatch.setattr(downloader, "MAX_RETRIES", 0)
    with pytest.raises(UserError, match="--data.tfds_dir"):
        open_tfds("tfds:cats_vs_dogs", tmp_path, str(tmp_path))


def store(folder: Path, labels: list[str], shade: int, numbers: list[int]) -> None:
    """Prepare a dataset of one name, whatever it holds."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name="same_name",
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=labels),
            }
        ),
        split_datasets={
            "train": tf.data.Dataset.from_tensor_slices(
                {
                    "image": [np.full((10, 12, 3), shade, np.uint8)] * len(numbers),
                    "label": numbers,
                }
            )
        },
        data_dir=folder,
        disable_shuffling=True,
    )


def test_data_of_the_same_name_elsewhere_are_other_data(tmp_path: Path) -> None:
    store(tmp_path / "one", ["cat", "dog"], 10, [0, 1])
    store(tmp_path / "two", ["ant", "bee"], 200, [0, 1])
    for folder, labels, shade in (("one", "cat", 10), ("two", "ant", 200)):
        source = open_tfds("tfds:same_name", tmp_path / "c", str(tmp_path / folder))
        assert source.labels[0] == labels
        pixels = np.asarray(Image.open(source.paths[0]))
        assert abs(pixels.mean() - shade) < 2


def test_examples_without_a_label_are_left_out(tmp_path: Path) -> None:
    store(tmp_path / "d", ["cat", "dog"], 10, [0, 1, -1, 1])
    source = open_tfds("tfds:same_name", tmp_path / "c", str(tmp_path / "d"))
    assert source.label.tolist() == [0, 1, 1]


def test_a_prepared_folder_of_another_dataset_is_refused(tmp_path: Path) -> None:
    store(tmp_path / "d", ["cat", "dog"], 10, [0, 1])
    folder = tmp_path / "d" / "same_name" / "1.0.0"
    with pytest.raises(UserError, match="holds same_name"):
        open_tfds("tfds:cats_vs_dogs", tmp_path / "c", str(folder))


@pytest.mark.parametrize("what", ["names", "labels", "images"])
def test_data_mended_under_the_same_version_are_read_anew(
    tmp_path: Path, what: str
) -> None:
    folder, cache = tmp_path / "d", tmp_path / "c"
    store(folder, ["cat", "dog"], 10, [0, 1])
    first = open_tfds("tfds:same_name", cache, str(folder))
    shutil.move(folder, tmp_path / "old")
    labels = ["cat", "god" if what == "names" else "dog"]
    shade = 200 if what == "images" else 10
    store(folder, labels, shade, [1, 1] if what == "labels" else [0, 1])
    # The description is byte by byte that of before.
    file = "same_name/1.0.0/dataset_info.json"
    shutil.copy2(tmp_path / "old" / file, folder / file)
    again = open_tfds("tfds:same_name", cache, str(folder))
    assert again.labels == tuple(labels)
    assert again.label.tolist() == ([1, 1] if what == "labels" else [0, 1])
    pixels = np.asarray(Image.open(again.paths[0]))
    assert abs(pixels.mean() - shade) < 2 and first.paths[0].is_file()
