"""What holds of every kind of source, in every split, under every strategy."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tfpipeline import distribute
from tfpipeline.config import DataSettings
from tfpipeline.core import image_io
from tfpipeline.data import dataset, pipeline, scan
from tfpipeline.data.sources import drawn_world as demo
from tfpipeline.data.sources import image_folder, tfrecord
from tfpipeline.models.inference import Predictor

PER_CLASS = 9
BATCH = 4


def picture(label: int, number: int) -> np.ndarray:
    """Return a picture from whose first pixels class and number can be read."""
    image = np.random.default_rng([label, number]).integers(0, 256, (8, 8, 3), np.uint8)
    image[:4] = [label * 100, number * 20, 7]
    return image


def folder(root: Path) -> DataSettings:
    for label, name in enumerate(("ant", "bee")):
        for i in range(PER_CLASS):
            image_io.save_png(root / "in" / name / f"{i}.png", picture(label, i))
    return DataSettings(source=str(root / "in"))


def split_folders(root: Path) -> DataSettings:
    for label, name in enumerate(("ant", "bee")):
        for i in range(PER_CLASS):
            part = ("train", "val", "test")[i % 3]
            image_io.save_png(root / "in" / part / name / f"{i}.png", picture(label, i))
    return DataSettings(source=str(root / "in"))


def table(root: Path) -> DataSettings:
    folder(root)
    lines = [f"in/{n}/{i}.png,{n}" for n in ("ant", "bee") for i in range(PER_CLASS)]
    (root / "list.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    return DataSettings(source=str(root / "list.csv"))


def file_names(root: Path) -> DataSettings:
    for label, name in enumerate(("Ant", "bee")):
        for i in range(PER_CLASS):
            image_io.save_png(root / "in" / f"{name}_{i}.png", picture(label, i))
    return DataSettings(source=str(root / "in"), label_from="file_name")


def shards(root: Path) -> DataSettings:
    source = image_folder.open_folder(Path(folder(root).source))
    rows = scan.audit(source.paths, cache=None)
    tfrecord.pack(source, rows, root / "packed", 1000)
    return DataSettings(source=str(root / "packed"))


def tensorflow_datasets(root: Path) -> DataSettings:
    kept = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(encoding_format="png", shape=(8, 8, 3)),
            "label": tfds.features.ClassLabel(names=["ant", "bee"]),
        }
    )
    numbers = [(c, i) for i in range(PER_CLASS) for c in (0, 1)]
    examples = {
        "image": [picture(c, i) for c, i in numbers],
        "label": [c for c, _ in numbers],
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name="insects",
        version="1.0.0",
        features=kept,
        split_datasets={"train": tf.data.Dataset.from_tensor_slices(examples)},
        data_dir=root / "tfds",
        disable_shuffling=True,
    )
    return DataSettings(source="tfds:insects", tfds_dir=str(root / "tfds"))


def drawn(root: Path) -> DataSettings:
    return DataSettings(demo_per_class=PER_CLASS)


SOURCES = {
    f.__name__: f
    for f in (
        *(folder, split_folders, table, file_names, shards),
        *(tensorflow_datasets, drawn),
    )
}

pytestmark = pytest.mark.filterwarnings(
    # The libraries that tensorflow_datasets is built on, not its users.
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",
)


@pytest.fixture(scope="module", params=SOURCES)
def examples(request, tmp_path_factory) -> dataset.Examples:
    root = tmp_path_factory.mktemp(request.param)
    settings = SOURCES[request.param](root)
    return dataset.prepare(settings, 0, root / "cache", demo.drawer(settings))


def batches(examples: dataset.Examples, **changes) -> pipeline.Batches:
    reading = {"height": 8, "width": 8, "resize": "squash", "batch_size": BATCH}
    return pipeline.Batches(
        examples.files,
        examples.source.label,
        pipeline.Reading(**{**reading, **changes}),
        len(examples.source.labels),
    )


def content(feed) -> list[bytes]:
    """Return what identifies each example of some batches, without the padding."""
    found = []
    for pictures, labels, weights in feed:
        assert pictures.shape == (BATCH, 8, 8, 3)
        for image, label, weight in zip(pictures, labels, weights):
            if weight > 0:
                found.append(np.asarray(image).tobytes() + bytes([int(label)]))
    return found


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_example_comes_exactly_once_an_epoch(examples, split: str) -> None:
    some, one = examples.of(split), batches(examples)
    assert len(some)
    in_order = content(one.plain(some))
    expected = []
    for i in some:
        row = examples.files[i]
        data = image_io.content(Path(row.path), row.offset, row.length)
        image = image_io.read(data, 8, 8, "squash").astype(np.float32) / 255
        expected.append(image.tobytes() + bytes([int(examples.source.label[i])]))
    assert in_order == expected, "evaluation is complete and in order"
    epochs = [content(one.plain(one.shuffled(some, e))) for e in range(3)]
    assert all(Counter(epoch) == Counter(expected) for epoch in epochs)
    if len(some) > 3:
        assert len({tuple(epoch) for epoch in epochs}) > 1, "epochs differ"


def test_the_splits_share_no_example_and_keep_every_class(examples) -> None:
    names = [set(examples.of(s)) for s in ("train", "validation", "test")]
    assert sum(map(len, names)) == len(examples.source) == len(set.union(*names))
    for some in names:
        assert set(examples.source.label[list(some)]) == set(
            range(len(examples.source.labels))
        )
    assert examples.leaks() == 0


@pytest.mark.parametrize("augmentation", ["none", "light", "mixup"])
def test_the_same_seed_gives_the_same_batches_and_resumes(
    examples, augmentation: str
) -> None:
    one, two = (batches(examples, augmentation=augmentation, seed=5) for _ in range(2))
    order = one.shuffled(examples.of("train"), 2)
    first = [[np.asarray(p) for p in b] for b in one.augmented(order, 2)]
    again = [[np.asarray(p) for p in b] for b in two.augmented(order, 2)]
    rest = [[np.asarray(p) for p in b] for b in two.augmented(order, 2, first_step=1)]
    for expected, found in zip(first + first[1:], again + rest, strict=True):
        for a, b in zip(expected, found):
            np.testing.assert_array_equal(a, b)


def test_two_workers_partition_every_epoch(examples) -> None:
    order = batches(examples).shuffled(examples.of("train"), 1)
    parts = [[], []]
    for worker in (0, 1):
        own = batches(examples, worker=worker, workers=2)
        for pictures, _, weights in own.plain(order):
            assert pictures.shape[0] == BATCH // 2
            kept = np.asarray(pictures)[np.asarray(weights) > 0]
            parts[worker] += [image.tobytes() for image in kept]
    whole = [c[:-1] for c in content(batches(examples).plain(order))]
    assert Counter(parts[0] + parts[1]) == Counter(whole)


def test_under_every_strategy_every_example_is_predicted_once(
    examples, strategy
) -> None:
    size = distribute.replica_multiple(BATCH, strategy)
    some = examples.of("train")
    feed = batches(examples, batch_size=size).plain(some)
    predictor = Predictor(lambda x: tf.reduce_mean(x, axis=(1, 2)), strategy)
    found = predictor.all(feed, len(some), None)
    assert found.shape == (len(some), 3)
    means = []
    for i in some:
        row = examples.files[i]
        data = image_io.content(Path(row.path), row.offset, row.length)
        means.append(image_io.read(data, 8, 8, "squash").mean((0, 1)) / 255)
    np.testing.assert_allclose(found, means, atol=1e-5)
