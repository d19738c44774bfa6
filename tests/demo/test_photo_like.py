"""Noise that is as much work to decode as photographs."""

from pathlib import Path

import numpy as np

from tfpipeline.core import image_io
from tfpipeline.demo import photo_like


def test_the_same_seed_gives_the_same_picture() -> None:
    one, same, other = map(photo_like.picture, (0, 0, 1))
    assert one.shape == (photo_like.HEIGHT, photo_like.WIDTH, 3)
    assert (one == same).all() and not (one == other).all()


def test_its_spectrum_falls_as_that_of_photographs() -> None:
    grey = photo_like.picture(0).mean(-1)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    down = np.fft.fftfreq(grey.shape[0])[:, None]
    across = np.fft.fftfreq(grey.shape[1])[None]
    frequency = np.hypot(down, across)
    edges = np.geomspace(0.02, 0.3, 8)
    bands = list(zip(edges, edges[1:]))
    means = [power[(frequency >= a) & (frequency < b)].mean() for a, b in bands]
    slope = np.polyfit(np.log(edges[:-1]), np.log(means), 1)[0]
    assert -2.3 < slope < -1.7


def test_files_are_written_once_and_as_large_as_photographs(tmp_path: Path) -> None:
    photo_like.write_folder(tmp_path, 4, 0)
    files = sorted(tmp_path.rglob("*.jpg"))
    times = [file.stat().st_mtime_ns for file in files]
    photo_like.write_folder(tmp_path, 4, 0)
    assert [file.stat().st_mtime_ns for file in files] == times
    assert {file.parent.name for file in files} == set(photo_like.LABELS)
    assert all(20_000 < file.stat().st_size < 200_000 for file in files)
    assert image_io.decode(files[0]).shape == (photo_like.HEIGHT, photo_like.WIDTH, 3)
