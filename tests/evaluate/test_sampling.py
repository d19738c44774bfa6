"""A run's own examples are read again as its network was shown them."""

from pathlib import Path

import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.evaluate import sampling


@pytest.fixture
def opened(demo_run):
    """A run, what it was told, and its classes."""
    run = RunFolder(demo_run.path)
    argv = ["--config", str(run.config)]
    settings = cli.parse(RunSettings, argv, prog="train", description="")
    return run, settings, tuple(file_io.read_lines(run.labels))


@pytest.mark.parametrize("split", sampling.SPLITS)
def test_a_sample_is_of_its_split_and_shows_every_class(opened, split) -> None:
    run, _, names = opened
    pictures, labels, ids = sampling.sample(*opened, split, 6)
    rows = {row["id"]: row for row in file_io.read_csv(run.splits)}
    assert pictures.shape == (6, 96, 96, 3) and pictures.dtype == np.uint8
    assert labels == list(names)
    for one, label, picture in zip(ids, labels, pictures):
        assert rows[one]["split"] == split and rows[one]["label"] == label
        assert np.array_equal(image_io.decode(Path(rows[one]["path"])), picture)


def test_no_more_are_given_than_there_are(opened) -> None:
    pictures, labels, ids = sampling.sample(*opened, "test", 10_000)
    assert len(pictures) == len(labels) == len(set(ids)) == 72


@pytest.mark.parametrize(("split", "count"), [("tset", 3), ("test", 0)])
def test_what_cannot_be_sampled_is_told(opened, split: str, count: int) -> None:
    with pytest.raises(UserError, match="'test'|positive"):
        sampling.sample(*opened, split, count)
