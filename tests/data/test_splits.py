"""Splits: stratified, seeded, whole, never across copies, and pinned by their file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import splits
from tfpipeline.data.sources.base import Source, from_rows
from tfpipeline.data.sources.class_map import ClassMap


def source(counts: list[int], given_split: str = "") -> Source:
    rows = [
        (Path(f"{label}/{i}"), f"{label}/{i}", label, given_split)
        for label, count in enumerate(counts)
        for i in range(count)
    ]
    return from_rows("s", [f"c{i}" for i in range(len(counts))], rows)


def assign(s: Source, groups=None, validation=0.1, test=0.2, seed=0) -> np.ndarray:
    return splits.assign(
        s,
        groups or list(s.ids),
        validation_fraction=validation,
        test_fraction=test,
        seed=seed,
    )


@settings(deadline=None)
@given(st.lists(st.integers(5, 60), min_size=2, max_size=4), st.integers(0, 99))
def test_each_class_is_divided_by_itself(counts: list[int], seed: int) -> None:
    s = source(counts)
    split = assign(s, seed=seed)
    for label, count in enumerate(counts):
        mine = split[s.label == label]
        assert (mine == "test").sum() == max(1, round(0.2 * count))
        assert (mine == "validation").sum() == max(1, round(0.1 * count))
        assert (mine == "train").sum() >= 1
    assert np.array_equal(split, assign(s, seed=seed))


def test_another_seed_divides_otherwise() -> None:
    s = source([40, 40])
    assert not np.array_equal(assign(s, seed=1), assign(s, seed=2))


@given(st.integers(0, 50))
def test_copies_are_never_divided(seed: int) -> None:
    s = source([30, 30])
    groups = [f"g{i % 12}-{label}" for i, label in enumerate(s.label)]
    split = assign(s, groups, seed=seed)
    assert splits.leaks(groups, split) == 0
    for group in set(groups):
        assert len({split[i] for i, g in enumerate(groups) if g == group}) == 1


def test_what_the_source_says_stands() -> None:
    rows = [(Path(f"{i}"), f"{i}", i % 2, "test" if i < 4 else "") for i in range(24)]
    s = from_rows("s", ["a", "b"], rows)
    split = assign(s)
    assert (split[:4] == "test").all() and (split[4:] != "test").all()
    assert (split == "validation").sum() == 2


def test_a_class_with_one_image_is_named() -> None:
    with pytest.raises(UserError, match="'c1'"):
        assign(source([9, 1]))


def test_no_fraction_makes_no_split() -> None:
    assert set(assign(source([3, 3]), validation=0.0, test=0.0)) == {"train"}


def test_a_written_split_pins_the_next_run(tmp_path: Path) -> None:
    s = source([10, 10])
    split = assign(s, seed=5)
    splits.write(tmp_path / "splits.csv", s, split, ["0"] * len(s))
    chosen, pinned = splits.pin(s, tmp_path / "splits.csv")
    assert np.array_equal(chosen, np.arange(20)) and np.array_equal(pinned, split)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0/3,", "9/3,", "no example '9/3'"),
        ("c0,", "c1,", "is 'c1' there"),
        ("train", "training", "expected a split"),
        ("id,", "name,", "columns id, label, split"),
    ],
)
def test_a_wrong_pin_is_told_by_line(tmp_path, old, new, message) -> None:
    s = source([10, 10])
    file = tmp_path / "splits.csv"
    splits.write(file, s, assign(s), ["0"] * len(s))
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        splits.pin(s, file)


def test_leaks_are_counted() -> None:
    split = np.array(["train", "test", "validation", "test"], dtype=object)
    assert splits.leaks(["a", "a", "b", "c"], split) == 1


def test_an_example_without_a_split_follows_its_copy() -> None:
    rows = [(Path(f"{i}.png"), str(i), i % 2, "") for i in range(20)]
    rows[0] = (*rows[0][:3], "test")
    rows[1] = (*rows[1][:3], "test")
    s = from_rows("s", ["a", "b"], rows)
    groups = [str(i) for i in range(20)]
    groups[4] = groups[8] = "0"
    split = splits.assign(s, groups, validation_fraction=0.2, test_fraction=0.2, seed=0)
    assert set(split[[0, 4, 8]]) == {"test"} and splits.leaks(groups, split) == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_large_group_does_not_swell_a_split(seed: int) -> None:
    s = source([100, 100])
    groups = ["burst" if i < 60 else str(i) for i in range(200)]
    split = splits.assign(
        s, groups, validation_fraction=0.1, test_fraction=0.2, seed=seed
    )
    for label in (0, 1):
        mine = split[s.label == label]
        counts = [(mine == name).sum() for name in ("train", "validation", "test")]
        assert counts == [70, 10, 20]
    assert splits.leaks(groups, split) == 0


def test_a_pin_that_names_an_example_twice_is_refused(tmp_path) -> None:
    s = source([10, 10])
    file = tmp_path / "splits.csv"
    splits.write(file, s, assign(s), ["0"] * len(s))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[1]]) + "\n")
    with pytest.raises(UserError, match="twice"):
        splits.pin(s, file)


@pytest.mark.parametrize("classes", [2, 1000])
def test_three_hundred_thousand_examples_are_divided_like_three_thousand(
    classes: int,
) -> None:
    """In a second, and in a minute where the work grows as the square of a class."""
    s = source([300_000 // classes] * classes)
    split = assign(s, [f"{i // 3}" for i in range(300_000)])
    for name, share in (("test", 0.2), ("validation", 0.1)):
        found = np.bincount(s.label[split == name], minlength=classes)
        assert np.abs(found - share * 300_000 / classes).max() <= 3
    leaders = np.arange(300_000) // 3 * 3
    same = s.label == s.label[leaders]
    assert (split == split[leaders])[same].all()


def test_every_class_that_cannot_be_divided_is_named_with_the_way_out() -> None:
    counts = [9, 2, 30, 1]
    with pytest.raises(UserError, match=r"'c1' \(2\).*'c3' \(1\).*min_per_class 3"):
        assign(source(counts))
    assert len(assign(source([n for n in counts if n >= 3]))) == 39


def test_where_the_source_has_a_split_the_way_out_leads_out() -> None:
    rows = [(Path(f"a{i}"), f"a{i}", 0, "test" if i < 9 else "") for i in range(11)]
    rows += [(Path(f"b{i}"), f"b{i}", 1, "") for i in range(8)]
    s = from_rows("s", ["a", "b"], [*rows, (Path("t"), "t", 1, "test")])
    with pytest.raises(UserError, match=r"'a' \(1\).*--data.classes FILE.* a,") as told:
        assign(s.take(np.array([*range(10), *range(11, 20)])))
    assert "min_per_class" not in str(told.value)
    assert "--data.test_fraction" not in str(told.value)


def test_fractions_that_leave_nothing_to_train_on_are_named() -> None:
    with pytest.raises(UserError, match=r"validation_fraction 0.5, .*'c1' \(4\)"):
        assign(source([20, 4]), validation=0.5, test=0.4)


def test_a_pin_from_before_classes_were_renamed_or_dropped_fits(
    tmp_path: Path,
) -> None:
    before = source([9, 9, 9, 9])
    split, file = assign(before), tmp_path / "splits.csv"
    splits.write(file, before, split, [""] * 36)
    after = before.with_classes(ClassMap({"c0": "a", "c1": "a", "c2": None}))
    for _ in range(2):
        chosen, pinned = splits.pin(after, file)
        assert [after.ids[i] for i in chosen] == list(after.ids)
        by_id = dict(zip(before.ids, split))
        assert [by_id[name] for name in after.ids] == pinned.tolist()
        # And one that was written with the new names.
        splits.write(file, after, pinned, [""] * 27)
    with pytest.raises(UserError, match="'a' there, but 'c0'"):
        splits.pin(before, file)


def test_a_class_of_nothing_but_copies_of_another_is_said_to_be() -> None:
    s = source([12, 12])
    groups = [f"g{i % 12}" for i in range(24)]
    with pytest.raises(UserError, match="Every image of 'c1' is a copy of one of an"):
        assign(s, groups)
    with pytest.raises(UserError, match="too few of 'c1' \\(1\\)") as error:
        assign(source([12, 1]))
    assert "copy" not in str(error.value)


def test_urls_are_written_as_they_are_and_without_secrets(tmp_path: Path) -> None:
    rows = [
        (
            Path(f"https://someone:word@host/{i}.jpg?X-Amz-Signature=x"),
            f"{i}",
            i % 2,
            "",
        )
        for i in range(4)
    ]
    s = from_rows("s", ["a", "b"], rows)
    split = np.array(["train", "test"] * 2)
    splits.write(tmp_path / "splits.csv", s, split, ["0"] * 4)
    paths = [row["path"] for row in file_io.read_csv(tmp_path / "splits.csv")]
    assert paths == [f"https://host/{i}.jpg" for i in range(4)]
