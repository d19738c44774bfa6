"""What a run keeps of its images is what its network makes of them, or is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLAIN, Trained
from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models import classifier, reference, saving
from tfpipeline.train.command import train

SMALL = ("--data.demo_per_class", "10", "--data.batch_size", "8", "--quiet")


def trained(folder: Path, *words: str) -> RunFolder:
    where = ("--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache"))
    assert cli.main(train, RunSettings, [*PLAIN, *SMALL, *words, *where]) == 0
    return RunFolder(folder / "run")


def expected(run: RunFolder, paths: list[str]) -> np.ndarray:
    model, _ = saving.load_classifier(run.model)
    extractor, _ = classifier.split_classifier(model)
    size = model.input_shape[1:3]
    pictures = [image_io.read(Path(p).read_bytes(), *size, "squash") for p in paths]
    images = np.stack(pictures).astype(np.float32) / 255
    return np.asarray(extractor(images, training=False))


def check(run: RunFolder) -> None:
    """Every row is what the saved network makes of the file that it names."""
    kept = reference.read(run)
    assert kept is not None
    rows = {row["id"]: row for row in file_io.read_csv(run.splits)}
    own = list(rows)
    assert sorted(kept.id) == sorted(own)
    for i, name in enumerate(kept.id):
        told = kept.path[i], kept.label[i], kept.split[i], kept.digest[i]
        keys = ("path", "label", "split", "sha256")
        assert told == tuple(rows[name][key] for key in keys)
    for split in reference.SPLITS:
        assert kept.of[split] == len(kept.rows(split))
    chosen = np.linspace(0, len(own) - 1, 9).astype(int)
    there = expected(run, [kept.path[i] for i in chosen])
    np.testing.assert_allclose(kept.features[chosen], there, rtol=1e-3, atol=1e-4)


def test_a_frozen_run_keeps_what_its_head_was_fed_with(small_run: Trained) -> None:
    check(RunFolder(small_run.path))


@pytest.mark.parametrize(
    "words",
    [
        ("--train.epochs", "1", "--fine_tune.epochs", "1"),
        ("--train.epochs", "1", "--data.augmentation", "light"),
        ("--train.epochs", "1", "--distribute.devices", "2")
        + ("--distribute.strategy", "mirrored", "--fine_tune.epochs", "1"),
    ],
    ids=["fine_tuned", "augmented", "fine_tuned_on_two_replicas"],
)
def test_other_runs_keep_what_their_final_network_makes(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    run = trained(tmp_path, *words)
    check(run)
    assert "reference" in json.loads(run.metrics.read_text())["seconds"]
    # Six validation images promise nothing, and say so.
    about = json.loads(run.novelty.read_text())
    assert about["threshold"] is None and about["n"] == 6
    assert "19 validation images are needed" in about["reason"]
    assert about["test"]["n"] == 12 and about["test"]["known"] is None


def test_it_is_left_out_where_nobody_wants_it_and_the_old_one_goes(
    tmp_path: Path,
) -> None:
    run = trained(tmp_path, "--train.epochs", "1")
    assert reference.read(run) is not None
    trained(
        *(tmp_path, "--train.epochs", "1", "--overwrite", "true"),
        *("--train.reference", "false"),
    )
    assert not run.reference.exists()
    assert reference.read(run) is None


def test_of_many_images_each_class_keeps_as_many(tmp_path: Path) -> None:
    label = np.repeat([0, 1, 2], [1000, 30, 5])
    every = np.arange(len(label))
    kept = reference.draw(every, label, 65, seed=3, balanced=True)
    assert np.bincount(label[kept]).tolist() == [30, 30, 5]
    assert (np.diff(kept) > 0).all()
    again = reference.draw(every[::-1], label, 65, seed=4, balanced=True)
    assert set(again) != set(kept)
    assert reference.draw(every, label, 2000, seed=3, balanced=True).tolist() == (
        every.tolist()
    )


def test_a_plain_sample_has_the_classes_as_often_as_they_are() -> None:
    label = np.repeat([0, 1], [900, 100])
    draws = [
        reference.draw(np.arange(1000), label, 100, seed, balanced=False)
        for seed in range(200)
    ]
    shares = np.array([label[kept].mean() for kept in draws])
    # The mean of 200 samples of 100 without replacement: 0.1 give or take 0.002.
    assert abs(shares.mean() - 0.1) < 0.01


@pytest.mark.parametrize("width", [1, 1280, 25_088, 10**9])
def test_what_is_kept_has_a_bound(width: int) -> None:
    most = reference.most_rows(width)
    assert min(most.values()) >= 1
    assert sum(most.values()) <= reference.MOST_ROWS
    if width < 10**7:
        assert 4 * width * sum(most.values()) <= reference.MOST_BYTES


def spoil_bytes(folder: Path) -> None:
    file = folder / "features.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def drop_a_row(folder: Path) -> None:
    file = folder / "rows.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    "spoil, told",
    [
        (spoil_bytes, "checksum"),
        (drop_a_row, "rows"),
        (lambda folder: (folder / "about.json").unlink(), "No such file"),
        (lambda folder: (folder / "about.json").write_text("[]"), "TypeError"),
        (lambda folder: (folder / "features.npy").write_bytes(b""), "No data left"),
        (lambda f: np.save(f / "features.npy", np.zeros((2, 3))), "float64"),
    ],
)
def test_a_damaged_one_is_refused_by_name(
    small_run: Trained, tmp_path: Path, spoil, told: str
) -> None:
    folder = tmp_path / "reference"
    shutil.copytree(small_run.path / "reference", folder)
    assert reference.read_folder(folder) is not None
    spoil(folder)
    with pytest.raises(UserError, match=told) as error:
        reference.read_folder(folder)
    assert str(folder) in str(error.value)
