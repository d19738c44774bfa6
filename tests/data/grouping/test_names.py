"""Groups are found, joined with copies, kept together, and told."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.sources.test_base import never
from tfpipeline.config import DataSettings, EvaluateSettings, RunSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import dataset, splits
from tfpipeline.data.grouping import iterative
from tfpipeline.data.grouping import names as groups
from tfpipeline.data.review import Opened
from tfpipeline.data.sources import targets, tfrecord
from tfpipeline.data.sources.base import Source, from_rows
from tfpipeline.report.closing import data_lines


def pictures(root: Path, patients: int = 12, each: int = 4) -> Path:
    """Write some patients' pictures, and a CSV of path, label and patient."""
    rng = np.random.default_rng(0)
    rows = []
    for patient in range(patients):
        name = "ab"[patient % 2]
        for i in range(each):
            file = root / name / f"p{patient}_{i}.png"
            image_io.save_png(file, rng.integers(0, 256, (12, 12, 3), np.uint8))
            rows.append((file.relative_to(root), name, f"p{patient}"))
    file_io.write_csv(root / "set.csv", ("path", "label", "patient"), rows)
    return root


def prepare(source: Path, seed: int = 0, **settings) -> dataset.Examples:
    data = DataSettings(source=str(source), **settings)
    return dataset.prepare(data, seed, source.parent / "cache", never)


def straddling(group, split) -> int:
    return len({*zip(group, split)}) - len({*group})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"([^/]+)_\d+\.", ("p1", "p1", "p22", "")),
        (r"p\d", ("p1", "p1", "p2", "")),
        (r"p(\d)(\d)?_", ("1", "1", "2", "")),
    ],
)
def test_a_pattern_finds_the_group_in_a_path(pattern, expected) -> None:
    ids = ("a/p1_0.png", "b\\p1_7.png", "a/p22_1.png", "a/other.png")
    assert groups.from_ids(ids, pattern) == expected


@pytest.mark.parametrize(
    ("column", "pattern", "words"),
    [
        (None, "(", "expected a regular expression"),
        ("patient", "p", "expected one of them"),
        (None, "nothing", "matches none of the 48"),
        ("person", None, "expected a column 'person'.*--data.group_column NAME"),
    ],
)
def test_what_finds_no_group_is_refused(tmp_path, column, pattern, words) -> None:
    root = pictures(tmp_path / "s")
    with pytest.raises(UserError, match=words):
        prepare(root / "set.csv", group_column=column, group_from=pattern)


def test_a_folder_has_no_columns(tmp_path: Path) -> None:
    root = pictures(tmp_path / "s")
    (root / "set.csv").unlink()
    with pytest.raises(UserError, match="--data.group_from PATTERN"):
        prepare(root, group_column="patient")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1))
def test_what_is_together_by_any_naming_is_one_group(pairs) -> None:
    namings = [[str(pair[k]) if pair[k] else "" for pair in pairs] for k in (0, 1)]
    joined = groups.joined(*namings)
    # The definition: the transitive closure of sharing a name.
    linked = np.eye(len(pairs), dtype=bool)
    for names in namings:
        for i, one in enumerate(names):
            linked[i] |= [bool(one) and one == other for other in names]
    for _ in pairs:
        linked = linked @ linked
    assert np.array_equal(np.equal.outer(joined, joined), linked)


@pytest.mark.parametrize("how", ["column", "pattern"])
def test_no_group_is_in_two_splits(tmp_path: Path, how: str) -> None:
    root = pictures(tmp_path / "s", patients=24)
    given = {"group_column": "patient"}
    if how == "pattern":
        given = {"group_from": r"(p\d+)_"}
    for seed in range(5):
        examples = prepare(root / "set.csv", seed, **given)
        assert straddling(examples.source.group, examples.split) == 0
        assert {"train", "validation", "test"} == set(examples.split)
    free = prepare(root / "set.csv")
    assert straddling([name.split("_")[0] for name in free.source.ids], free.split) > 0


def test_copies_of_an_image_draw_two_groups_together(tmp_path: Path) -> None:
    root = pictures(tmp_path / "s")
    twin = (root / "a" / "p0_0.png").read_bytes()
    (root / "b" / "p1_0.png").write_bytes(twin)
    for seed in range(6):
        examples = prepare(root / "set.csv", seed, group_column="patient")
        both = np.isin(examples.source.group, ["p0", "p1"])
        assert len(set(examples.split[both])) == 1


def test_too_few_groups_are_refused_in_words(tmp_path: Path) -> None:
    root = pictures(tmp_path / "s", patients=2)
    with pytest.raises(UserError, match="at least 3 groups .* Received: 2"):
        prepare(root / "set.csv", group_column="patient")


def test_splits_that_the_source_gives_are_kept_and_a_group_they_cut_is_told(
    tmp_path: Path,
) -> None:
    root = pictures(tmp_path / "s")
    rows = file_io.read_csv(root / "set.csv")
    cells = [
        (*row.values(), "test" if i < 6 or i > 43 else "") for i, row in enumerate(rows)
    ]
    file_io.write_csv(root / "set.csv", (*rows[0], "split"), cells)
    examples = prepare(root / "set.csv", group_column="patient")
    # The rest of the second patient follows what was given for its first images.
    assert straddling(examples.source.group, examples.split) == 0
    cells = [
        (*cell[:3], cell[3] or ("train" if i < 8 else ""))
        for i, cell in enumerate(cells)
    ]
    file_io.write_csv(root / "set.csv", (*rows[0], "split"), cells)
    examples = prepare(root / "set.csv", group_column="patient")
    given = [cell[3] for cell in cells]
    assert all(s in (g, "validation") for s, g in zip(examples.split, given) if g)
    _, lines = data_lines(examples.review(Opened(), 0.0))
    told = dict(lines)
    assert told["groups cut"].startswith("1 group in several splits")


def test_what_is_known_of_groups_is_told(tmp_path: Path) -> None:
    root = pictures(tmp_path / "s")
    rows = file_io.read_csv(root / "set.csv")
    cells = [
        (*list(row.values())[:2], row["patient"] if i else "")
        for i, row in enumerate(rows)
    ]
    file_io.write_csv(root / "set.csv", tuple(rows[0]), cells)
    examples = prepare(root / "set.csv", group_column="patient")
    told = dict(data_lines(examples.review(Opened(), 0.0))[1])
    assert told["groups"].startswith("12, 3 to 4 images each; ")
    assert " points in " in told["groups"]
    assert told["no group"].startswith("1 image, e.g. a/p0_0.png")
    json.dumps(examples.review(Opened(), 0.0).to_json())


def test_the_balance_is_that_of_the_worst_class() -> None:
    rows = [
        (Path(str(i)), str(i), label, split)
        for i, (label, split) in enumerate(
            [(0, "train")] * 8
            + [(0, "test")] * 2
            + [(1, "train")] * 4
            + [(1, "test")] * 6
        )
    ]
    source = from_rows("s", ["a", "b"], rows)
    off, name, split = groups.balance(source)
    assert off == pytest.approx(0.2) and name in "ab" and split in ("train", "test")
    even = groups.balance(Source(**(vars(source) | {"split": ("",) * 20})))
    assert even == (0.0, "", "")


def test_written_splits_hold_the_groups_and_give_them_again(tmp_path: Path) -> None:
    root = pictures(tmp_path / "s")
    first = prepare(root / "set.csv", group_column="patient")
    file = tmp_path / "splits.csv"
    splits.write(file, first.source, first.split, first.keys)
    assert [row["group"] for row in file_io.read_csv(file)] == [*first.source.group]
    again = prepare(root / "set.csv", group_column="patient", splits=str(file))
    assert np.array_equal(again.split, first.split)
    source = prepare(file, group_column="group")
    assert np.array_equal(source.split, first.split)
    assert source.source.group == first.source.group


def test_a_packed_source_keeps_its_groups(tmp_path: Path) -> None:
    root = pictures(tmp_path / "s")
    data = DataSettings(source=str(root / "set.csv"), group_column="patient")
    every = dataset.open_all(data, tmp_path / "cache", never)
    tfrecord.pack(every.source, every.files, tmp_path / "packed", 4000)
    examples = prepare(tmp_path / "packed")
    assert examples.source.group == every.source.group
    assert straddling(examples.source.group, examples.split) == 0


def test_a_run_is_evaluated_on_its_own_images_and_on_others_without_groups(
    tmp_path: Path,
) -> None:
    from tests.conftest import PLAIN
    from tfpipeline import cli
    from tfpipeline.evaluate.command import evaluate
    from tfpipeline.train.command import train

    root, run = pictures(tmp_path / "s"), tmp_path / "run"
    cache = ("--cache_dir", str(tmp_path / "cache"))
    argv = [str(root / "set.csv"), "--workdir", str(run), *PLAIN, *cache]
    argv += ["--train.epochs", "1", "--data.group_column", "patient"]
    assert cli.main(train, RunSettings, argv) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    (told,) = [f for f in manifest["review"]["findings"] if f["kind"] == "groups"]
    assert told["count"] == 12
    assert "12, 4 to 4 images each" in (run / "report.html").read_text()
    leaks = json.loads((run / "metrics.json").read_text())["leaks"]
    held_out = manifest["examples"]["validation"] + manifest["examples"]["test"]
    assert leaks["families"]["compared"] == held_out
    assert leaks["features"] == manifest["feature_leaks"]
    own = ["--run", str(run), *cache]
    assert cli.main(evaluate, EvaluateSettings, own) == 0
    (root / "set.csv").rename(tmp_path / "away.csv")
    other = [str(root), *own]
    assert cli.main(evaluate, EvaluateSettings, other) == 0


def test_balance_of_several_labels_goes_by_each_of_them() -> None:
    split = ["train"] * 30 + ["test"] * 30
    rows = [(Path(f"{i}.png"), str(i), 0, split[i]) for i in range(60)]
    # The rarer two, by which examples are divided, are even; the other one is not.
    values = np.stack([np.arange(60) < 40, *(np.arange(60) % 2 == k for k in (0, 1))])
    values = values.T.astype(np.float32)
    named = from_rows("s", ("a", "b", "c"), rows)
    source = targets.with_values(named, "multi", values)
    assert (np.bincount(source.label[:30]) == np.bincount(source.label[30:])).all()
    off, name, where = groups.balance(source)
    assert (off, name) == (0.25, "a") and where in ("train", "test")
    part = (np.array(split) == "test").astype(int)
    assert off == iterative.worst(part, values, [0.5, 0.5])
