"""The input pipeline keeps what four celebrated ones get wrong."""

import gc
import importlib
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.core import image_io, remote
from tfpipeline.core.errors import TemporaryError, UserError
from tfpipeline.data import pipeline, read_ahead, scan
from tfpipeline.data.decode import Graph
from tfpipeline.data.sampling import Blocks
from tfpipeline.data.scan_cache import Row

COUNT = 11


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Row]:
    """Pictures whose grey value is ten times their number."""
    root = tmp_path_factory.mktemp("pictures")
    for i in range(COUNT):
        image_io.save_png(root / f"{i:02d}.png", np.full((9, 7, 3), i * 10, np.uint8))
    return scan.audit(sorted(root.iterdir()), cache=None)


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


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What reads files is noted here, each time that it is traced."""
    calls, call = [], Graph.__call__

    def counted(self, *given):
        calls.append(given)
        return call(self, *given)

    monkeypatch.setattr(Graph, "__call__", counted)
    read_ahead.traced.cache_clear()
    yield calls
    read_ahead.traced.cache_clear()


def test_what_reads_files_is_traced_once_for_all_of_them(files, traces) -> None:
    for count in (COUNT, 3, COUNT):
        reading = pipeline.Reading(8, 8, "squash", 4)
        label = np.arange(count, dtype=np.int32)
        some = pipeline.Batches(files[:count], label, reading)
        assert numbers(some.plain(np.arange(count))) == list(range(count))
    assert len(traces) == 1


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("augmentation", ["none", "light", "cutmix"])
def test_what_changes_images_is_traced_once_for_all_epochs(
    files, traces, tmp_path: Path, augmentation: str, kept: bool
) -> None:
    seen = []
    for seed in (0, 1):
        some = batches(files, augmentation=augmentation, seed=seed)
        if kept:
            some.keep_decoded("ram", tmp_path)
        order = np.arange(COUNT)
        seen += [
            np.concatenate([b[0] for b in some.augmented(order, e)]) for e in (0, 1)
        ]
    assert len(traces) == 1
    differ = [not np.array_equal(one, seen[0]) for one in seen[1:]]
    assert differ == [augmentation != "none"] * 3, "another epoch or seed changes anew"


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
        image_io.save_png(tmp_path / f"{i}.png", noise[i])
    rows = scan.audit(sorted(tmp_path.iterdir()), cache=None)
    reading = pipeline.Reading(32, 32, "squash", 1, "light", 1)
    some = pipeline.Batches(rows, np.zeros(3, np.int32), reading)

    def pictures(order: list[int], epoch: int) -> list[np.ndarray]:
        return [np.asarray(b[0][0]) for b in some.augmented(np.array(order), epoch)]

    first, turned = pictures([0, 1, 2], 0), pictures([2, 0, 1], 0)
    np.testing.assert_array_equal(first[0], turned[1])
    assert np.abs(first[0] - pictures([0], 1)[0]).mean() > 0.01


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
@pytest.mark.parametrize("augmentation", ["none", "light", "randaugment", "cutmix"])
def test_after_step_k_comes_the_rest_of_the_epoch(
    files, sampling: str, augmentation: str
) -> None:
    some = batches(files, augmentation=augmentation, sampling=sampling, seed=2)
    order = some.shuffled(np.arange(COUNT), 4)
    whole = list(some.augmented(order, 4))
    rest = list(some.augmented(order, 4, first_step=1))
    assert len(rest) == len(whole) - 1
    for expected, found in zip(whole[1:], rest):
        for one, two in zip(expected, found):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("workers", [2, 4])
def test_the_workers_parts_make_up_each_global_batch(files, workers: int) -> None:
    order = batches(files).shuffled(np.arange(COUNT), 0)
    parts = [batches(files, workers=workers, worker=w) for w in range(workers)]
    whole = list(batches(files).plain(order))
    for global_batch, *own in zip(whole, *(part.plain(order) for part in parts)):
        for k, expected in enumerate(global_batch):
            joined = np.concatenate([np.asarray(batch[k]) for batch in own])
            np.testing.assert_array_equal(joined, expected)


def test_workers_with_shards_of_their_own_share_an_epoch(files) -> None:
    shard = np.arange(len(files), dtype=np.int32) // 2
    seen, shapes = [], set()
    for worker in range(2):
        own = batches(files, worker=worker, workers=2)
        own.blocks = Blocks(shard, 2, 2)
        order = own.shuffled(np.arange(len(files)), 3)
        indices, weights = own.arrange_epoch(order)
        shapes.add(indices.shape)
        seen += indices[weights > 0].tolist()
        assert (shard[indices[weights > 0]] % 2 == worker).all()
        for step, (row, weight) in enumerate(zip(indices, weights)):
            assert own.step(order, step).tolist() == row[weight > 0].tolist()
    assert sorted(seen) == list(range(len(files))) and len(shapes) == 1


@pytest.fixture(scope="module")
def textured(tmp_path_factory) -> list[Row]:
    """Pictures on which every random change can be seen."""
    root = tmp_path_factory.mktemp("textured")
    noise = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 3), np.uint8)
    for i in range(COUNT):
        image_io.save_png(root / f"{i:02d}.png", noise[i])
    return scan.audit(sorted(root.iterdir()), cache=None)


@pytest.mark.parametrize("augmentation", ["light", "mixup", "cutmix"])
@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_workers_change_and_mix_images_as_one_of_them_would(
    textured, sampling: str, augmentation: str
) -> None:
    """Of two images of a rare class each comes several times, at any worker."""
    label = (np.arange(COUNT) > 1).astype(np.int32)

    def epoch(workers: int, worker: int = 0) -> list[list[np.ndarray]]:
        reading = pipeline.Reading(
            *(8, 8, "squash", 4, augmentation, 1, sampling),
            worker=worker,
            workers=workers,
        )
        some = pipeline.Batches(textured, label, reading)
        order = some.shuffled(np.arange(COUNT), 3)
        return [[np.asarray(part) for part in b] for b in some.augmented(order, 3)]

    whole = epoch(1)
    for workers in (2, 4):
        parts = [epoch(workers, worker) for worker in range(workers)]
        for expected, *own in zip(whole, *parts, strict=True):
            for k, value in enumerate(expected):
                joined = np.concatenate([batch[k] for batch in own])
                np.testing.assert_allclose(joined, value, atol=1e-6)


def test_kept_images_are_mixed_across_workers_too(textured, tmp_path: Path) -> None:
    label = np.arange(COUNT, dtype=np.int32)
    reading = pipeline.Reading(8, 8, "squash", 4, "mixup", worker=1, workers=2)
    plain, keeping = (pipeline.Batches(textured, label, reading) for _ in range(2))
    assert keeping.keep_decoded("ram", tmp_path).where == "ram"
    order = np.arange(COUNT)
    for _ in range(2):
        both = zip(plain.augmented(order, 0), keeping.augmented(order, 0), strict=True)
        for one, two in both:
            for a, b in zip(one, two):
                np.testing.assert_array_equal(a, b)


def test_workers_that_cannot_share_a_batch_are_refused(files) -> None:
    with pytest.raises(UserError, match="multiple of the number of workers, 3"):
        batches(files, workers=3)


def test_mixed_batches_come_with_their_targets(files) -> None:
    some = batches(files, augmentation="mixup")
    for pictures, targets, _ in some.augmented(np.arange(COUNT), 0):
        assert targets.shape == (4, COUNT) and pictures.shape == (4, 8, 8, 3)
        np.testing.assert_allclose(np.sum(targets, axis=1), 1, rtol=1e-6)
        grey = np.asarray(targets) @ np.arange(COUNT) * 10 / 255
        np.testing.assert_allclose(pictures[:, 4, 4, 0], grey, atol=1e-4)


def test_an_image_that_comes_again_in_an_epoch_is_changed_anew(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    image_io.save_png(tmp_path / "a.png", noise)
    rows = scan.audit([tmp_path / "a.png"], cache=None)
    reading = pipeline.Reading(24, 24, "squash", 2, "light")
    some = pipeline.Batches(rows, np.zeros(1, np.int32), reading)
    ((pictures, _, _),) = list(some.augmented(np.array([0, 0]), 0))
    assert np.abs(np.subtract(pictures[0], pictures[1])).mean() > 0.01


@pytest.mark.parametrize("where", ["ram", "disk"])
def test_kept_images_give_the_same_batches(files, where: str, tmp_path: Path) -> None:
    plain, keeping = batches(files), batches(files)
    assert keeping.keep_decoded(where, tmp_path).where == where
    for _ in range(2):
        assert numbers(keeping.plain(np.arange(COUNT))) == list(range(COUNT))
    for (one, *_), (two, *_) in zip(
        plain.plain(np.arange(COUNT)), keeping.plain(np.arange(COUNT))
    ):
        np.testing.assert_array_equal(one, two)


def test_every_batch_has_one_shape_so_that_nothing_is_traced_twice(files) -> None:
    shapes = {tuple(batch[0].shape) for batch in batches(files).plain(np.arange(9))}
    assert shapes == {(4, 8, 8, 3)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"views": 2}, "--data.augmentation"),
        ({"views": -1, "augmentation": "light"}, "--data.views"),
        ({"views": 2, "augmentation": "mixup"}, "mixes"),
        ({"sampling": "even"}, "balanced"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_cannot_be_are_told(files, changes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        batches(files, **changes)


def test_an_unknown_augmentation_suggests_one(files) -> None:
    with pytest.raises(UserError, match="Did you mean 'light'"):
        batches(files, augmentation="ligth")


def test_names_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    name = tmp_path / b"caf\xe9.png".decode("utf-8", "surrogateescape")
    image_io.save_png(tmp_path / "a.png", np.full((8, 8, 3), 50, np.uint8))
    (tmp_path / "a.png").rename(name)
    rows = scan.audit([name], cache=None)
    reading = pipeline.Reading(8, 8, "squash", 1)
    one = pipeline.Batches(rows, np.zeros(1, np.int32), reading)
    (batch,) = list(one.plain(np.array([0])))
    assert np.allclose(batch[0], 50 / 255)


def test_a_file_that_has_gone_bad_since_is_named(tmp_path: Path) -> None:
    image_io.save_png(tmp_path / "a.png", np.full((8, 8, 3), 50, np.uint8))
    rows = scan.audit([tmp_path / "a.png"], cache=None)
    some = pipeline.Batches(
        rows, np.zeros(1, np.int32), pipeline.Reading(8, 8, "squash", 1)
    )
    (tmp_path / "a.png").unlink()
    with pytest.raises(UserError, match="a.png: No such file"):
        list(some.plain(np.array([0])))


def test_a_store_that_goes_away_since_is_told_and_not_a_file(
    tmp_path: Path, monkeypatch
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    image_io.save_png(tmp_path / "a.png", np.full((8, 8, 3), 50, np.uint8))
    rows = scan.audit([f"file://{tmp_path}/a.png"], cache=None)
    some = pipeline.Batches(
        rows, np.zeros(1, np.int32), pipeline.Reading(8, 8, "squash", 1)
    )
    assert np.allclose(next(iter(some.plain(np.array([0]))))[0], 50 / 255)
    implementation = importlib.import_module("fsspec.implementations.local")

    def gone(*_: object, **more: object) -> bytes:
        raise ConnectionError("no route")

    monkeypatch.setattr(implementation.LocalFileSystem, "cat_file", gone)
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0)
    with pytest.raises(TemporaryError, match="no route"):
        list(some.plain(np.array([0])))


def test_a_file_that_was_changed_since_is_not_taken_for_the_old_one(
    tmp_path: Path,
) -> None:
    """Its features would be kept under the digest of what was audited."""
    file = tmp_path / "a.png"
    image_io.save_png(file, np.full((8, 8, 3), 50, np.uint8))
    rows = scan.audit([file], cache=None)
    some = pipeline.Batches(
        rows, np.zeros(1, np.int32), pipeline.Reading(8, 8, "squash", 1)
    )
    image_io.save_png(file, np.full((8, 8, 3), 250, np.uint8))
    with pytest.raises(UserError, match="a.png: changed since it was audited"):
        list(some.plain(np.array([0])))


@pytest.mark.parametrize("kept", ["none", "ram"])
def test_what_has_been_read_is_not_kept_by_tensorflow(
    files, kept: str, tmp_path: Path
) -> None:
    read = batches(files)
    read.keep_decoded(kept, tmp_path)
    feed = read.plain(np.arange(len(files)))
    assert len(list(feed)) > 1
    alive = [weakref.ref(feed.decoder)]
    alive += [] if read.decoded is None else [weakref.ref(read.decoded)]
    assert len(alive) == (2 if kept == "ram" else 1)
    del read, feed
    gc.collect()
    assert [one() for one in alive] == [None] * len(alive)
