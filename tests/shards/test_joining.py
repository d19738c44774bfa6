"""One file has what all shards have, in order."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.shards.test_plan import WHAT
from tests.shards.test_work import content, settle
from tfpipeline.core import stores
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.shards import joining
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work


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


def test_names_with_carriage_returns_stay_rows(tmp_path: Path) -> None:
    plan = settle(tmp_path, 5, 2)
    names = iter(["a\rb", "c", "\r\n", '"\r"', "e"])

    def compute(shard: list[Picture]) -> work.Content:
        rows = [(next(names), n) for n in range(len(shard))]
        return work.Content(("id", "row"), rows, 0, np.zeros((len(shard), 3)))

    work.compute_all(plan, compute)
    joining.write(plan, tmp_path / "all.csv")
    with open(tmp_path / "all.csv", newline="") as file:
        found = [*csv.reader(file)][1:]
    assert [name for name, _ in found] == ["a\rb", "c", "\r\n", '"\r"', "e"]
    assert [row for _, row in found] == [*"01234"]


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_shard_whose_file_is_missing_is_named(tmp_path: Path, ending: str) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    plan.file(2, ending).unlink()
    with pytest.raises(UserError, match=f"shard-000002.{ending}: it is missing"):
        joining.write(plan, tmp_path / f"all.{ending}")


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_file_is_known_by_its_whole_beginning(tmp_path: Path, ending: str) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    mine, other = tmp_path / f"all.{ending}", tmp_path / f"other.{ending}"
    joining.write(plan, mine)
    assert joining.is_own(plan, mine)
    if ending == "npy":
        np.save(other, np.zeros((len(np.load(mine)) + 1, 3), np.float32))
    else:
        other.write_text("id,row,price\n")
    assert not joining.is_own(plan, other)


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


@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_shards_behind_a_url_are_joined_there_and_here_alike(
    far: str, ending: str, tmp_path: Path
) -> None:
    local = settle(tmp_path)
    work.compute_all(local, content)
    joining.write(local, tmp_path / f"all.{ending}")
    expected = (tmp_path / f"all.{ending}").read_bytes()
    shards, target = stores.Place(f"{far}/out"), stores.Place(f"{far}/all.{ending}")
    plan = plans.settle(shards, local.request["images"], 3, WHAT)
    work.compute_all(plan, content)
    joining.write(plan, target)
    joining.write(plan, tmp_path / f"here.{ending}")
    assert target.read_bytes() == expected
    assert (tmp_path / f"here.{ending}").read_bytes() == expected
    assert joining.is_own(plan, target)
    target.write_bytes(b"mine")
    assert not joining.is_own(plan, target)
