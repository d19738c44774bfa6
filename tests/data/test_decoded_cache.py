"""Decoded images are read once, and kept where there is room for them."""

from pathlib import Path

import numpy as np
import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.data import decoded_cache

GIGABYTE = 10**9


@pytest.mark.parametrize("where", ["ram", "disk"])
def test_what_is_kept_is_there_again(where: str, tmp_path: Path) -> None:
    kept = decoded_cache.Decoded((3, 4, 5, 3), where, tmp_path / "new")
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
    assert not kept.has(np.array([0, 2]))
    np.testing.assert_array_equal(kept.put(np.array([2, 0]), images), images)
    assert kept.has(np.array([0, 2])) and not kept.has(np.array([0, 1]))
    np.testing.assert_array_equal(kept.take(np.array([0, 2, 0])), images[[1, 0, 1]])
    assert not list(tmp_path.rglob("*.*")), "the file has no name"


@pytest.mark.parametrize(
    ("size", "where"), [(GIGABYTE, "ram"), (5 * GIGABYTE, "disk"), (10**18, "none")]
)
def test_the_plan_follows_the_predicted_size(
    tmp_path: Path, monkeypatch, size: int, where: str
) -> None:
    free = type("Usage", (), {"free": 100 * GIGABYTE})
    monkeypatch.setattr(decoded_cache.shutil, "disk_usage", lambda path: free)
    found = decoded_cache.plan("auto", size, tmp_path / "a" / "b", 8 * GIGABYTE)
    assert found.where == where and "GB" in found.reason
    assert decoded_cache.plan("none", size, tmp_path, 8 * GIGABYTE).where == "none"


def test_an_unknown_place_is_told() -> None:
    with pytest.raises(UserError, match="disk"):
        decoded_cache.plan("disc", 1, Path("."))
