"""One file has what all shards have, in order."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.shards.test_work import content, settle
from tfpipeline.core.errors import UserError
from tfpipeline.shards import joining, work


def test_rows_and_vectors_of_all_shards_belong_together(tmp_path: Path) -> None:
    plan = settle(tmp_path, 23, 4)
    work.compute_all(plan, content)
    joining.write(plan, tmp_path / "all.csv")
    joining.write(plan, tmp_path / "all.npy")
    whole = content(sum((plan.pictures(n) for n in range(plan.shards)), []))
    with open(tmp_path / "all.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == whole.header
    assert rows == [[name, str(place)] for name, place in whole.rows]
    assert whole.vectors is not None
    vectors = np.load(tmp_path / "all.npy")
    assert vectors.dtype == whole.vectors.dtype
    np.testing.assert_array_equal(vectors, whole.vectors)


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_shard_that_was_changed_is_named_and_nothing_is_written(
    tmp_path: Path, ending: str
) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    file = plan.file(1, ending)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match=file.name):
        joining.write(plan, tmp_path / f"all.{ending}")
    assert not (tmp_path / f"all.{ending}").exists()
