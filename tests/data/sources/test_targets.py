"""Several labels, shares and numbers: read, refused by line, kept in every step."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.data.sources.test_base import never
from tfpipeline.config import DataSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import dataset, splits
from tfpipeline.data.sources import targets, tfrecord
from tfpipeline.data.sources.base import from_rows


def pictures(root: Path, count: int = 60) -> list[str]:
    """Write different pictures; return their names."""
    rng = np.random.default_rng(0)
    names = [f"{i:02d}.png" for i in range(count)]
    root.mkdir(exist_ok=True)
    for name in names:
        shade = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8)
        image_io.save_png(root / name, shade)
    return names


def prepare(source: Path, target: str | None = None, **settings) -> dataset.Examples:
    data = DataSettings(source=str(source), target=target, **settings)
    return dataset.prepare(data, 0, source.parent / "cache", never)


def several(names: list[str]) -> list[str]:
    """Return labels of pictures, some without any."""
    return [
        "|".join(c for k, c in enumerate("abc") if i >> k & 1) for i in range(8)
    ] * 8


def written(root: Path, header: tuple[str, ...], *columns) -> Path:
    names = pictures(root)
    file = root / "s.csv"
    file_io.write_csv(file, ("path", *header), zip(names, *columns))
    return file


def kept(examples: dataset.Examples, root: Path, target: str, **settings) -> None:
    """Assert that values stay through `splits.csv` and through packing."""
    source = examples.source
    splits.write(root / "splits.csv", source, examples.split, examples.keys)
    again = prepare(root / "splits.csv", target, **settings)
    np.testing.assert_array_equal(again.source.values, source.values)
    assert (again.split == examples.split).all()
    tfrecord.pack(source, examples.files, root / "packed", 4000)
    packed = prepare(root / "packed")
    assert packed.source.target == target and packed.source.labels == source.labels
    np.testing.assert_array_equal(packed.source.values, source.values)
    np.testing.assert_array_equal(packed.source.label, source.label)


def test_labels_in_one_column_and_in_columns_are_the_same(tmp_path: Path) -> None:
    labels = several([])[:60]
    hot = [[int(c in text.split("|")) for text in labels] for c in "abc"]
    file = written(tmp_path, ("label", "a", "b", "c"), labels, *hot)
    one = prepare(file, "multi")
    other = prepare(file, "multi", label_columns="a, b,c")
    assert one.source.labels == other.source.labels == ("a", "b", "c")
    np.testing.assert_array_equal(one.source.values, np.array(hot, np.float32).T)
    np.testing.assert_array_equal(one.source.values, other.source.values)
    assert [one.source.said(i) for i in range(60)] == labels
    kept(one, tmp_path, "multi")


def test_a_one_hot_row_is_the_stratum_of_its_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    true = rng.integers(0, 3, 60)
    hot = np.eye(3)[true].T.tolist()
    file = written(tmp_path, ("label", "a", "b", "c"), ["abc"[k] for k in true], *hot)
    soft = prepare(file, "soft", label_columns="a,b,c")
    single = prepare(file)
    np.testing.assert_array_equal(soft.source.label, single.source.label)
    assert (soft.split == single.split).all()
    np.testing.assert_array_equal(soft.mass(), single.mass())
    np.testing.assert_array_equal(soft.counts(), single.counts())


def test_shares_and_counts_of_annotators(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 4, (60, 3)) + np.array([1, 0, 0])
    shares = (counts / counts.sum(axis=1, keepdims=True)).round(4)
    columns = [*counts.T.tolist(), *shares.T.tolist()]
    file = written(tmp_path, ("a", "b", "c", "x", "y", "z"), *columns)
    by_count = prepare(file, "soft", label_columns="a,b,c", annotator_counts=True)
    by_share = prepare(file, "soft", label_columns="x,y,z")
    np.testing.assert_allclose(by_count.source.values.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(by_share.source.values.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        by_count.source.values, by_share.source.values, atol=2e-4
    )
    kept(by_share, tmp_path, "soft", label_columns="x,y,z")
    with pytest.raises(UserError, match="line 2: expected shares.*annotator_counts"):
        prepare(file, "soft", label_columns="a,b,c")


def test_numbers_are_read_to_the_last_digit(tmp_path: Path) -> None:
    numbers = np.random.default_rng(3).normal(40, 20, 60).astype(np.float32)
    file = written(tmp_path, ("age",), [f"{value:.9g}" for value in numbers])
    examples = prepare(file, "number", label_column="age")
    source = examples.source
    assert source.labels == ("age",) and len(source.strata) == 10
    np.testing.assert_array_equal(source.values[:, 0], numbers)
    # Ten strata of as many examples, and every split has numbers of each half.
    assert set(np.bincount(source.label)) == {6}
    for name in ("train", "validation", "test"):
        own = source.label[examples.of(name)]
        assert (own < 5).any() and (own >= 5).any()
    kept(examples, tmp_path, "number", label_column="label")


@pytest.mark.parametrize("value", ["", "old", "nan", "inf", "-inf", "1e39", "1_0"])
def test_what_is_no_number_is_refused_by_line(tmp_path: Path, value: str) -> None:
    numbers = [str(i) for i in range(60)]
    numbers[3] = value
    file = written(tmp_path, ("age",), numbers)
    with pytest.raises(UserError, match="line 5: expected a finite number.*'age'"):
        prepare(file, "number", label_column="age")


@pytest.mark.parametrize(
    "value, target", [("2", "multi"), ("", "multi"), ("-0.5", "soft"), ("x", "soft")]
)
def test_what_is_no_label_is_refused_by_line(
    tmp_path: Path, value: str, target: str
) -> None:
    a, b = ["1"] * 60, ["0"] * 60
    b[1] = value
    file = written(tmp_path, ("a", "b"), a, b)
    with pytest.raises(UserError, match="line 3: expected"):
        prepare(file, target, label_columns="a,b")


def test_settings_that_do_not_fit_are_refused_in_words(tmp_path: Path) -> None:
    labels = several([])[:60]
    file = written(tmp_path, ("label", "a"), labels, [1] * 60)
    for target, settings, words in (
        ("soft", {}, "expected the columns that hold the share.*label_columns"),
        ("number", {"label_columns": "a"}, "not defined for --data.target number"),
        (None, {"label_columns": "a"}, "expected with --data.target multi"),
        ("multi", {"label_columns": "a,a"}, "none of them twice"),
        ("multi", {"label_columns": "label"}, "called id, path, label"),
        (
            "number",
            {"min_per_class": 3, "label_column": "a"},
            "--data.min_per_class: not defined",
        ),
        ("many", {}, "Unknown --data.target 'many'"),
    ):
        with pytest.raises(UserError, match=words):
            prepare(file, target, **settings)


def test_the_target_of_a_folder_is_single_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in "ab":
        pictures(tmp_path / "set" / name, 10)
    with pytest.raises(UserError, match="number: .* has the target single"):
        prepare(tmp_path / "set", "number")


@pytest.mark.parametrize("how", ["copy", "link", "hard link"])
def test_a_picture_in_several_class_folders_is_one_example(
    tmp_path: Path, how: str
) -> None:
    root = tmp_path / "set"
    rng = np.random.default_rng(4)
    for name in "abc":
        (root / name).mkdir(parents=True)
    for i in range(45):
        shade = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8)
        image_io.save_png(root / "abc"[i % 3] / f"{i}.png", shade)
    for i in range(9):
        here, there = root / "abc"[i % 3] / f"{i}.png", root / "abc"[(i + 1) % 3]
        other = there / f"also_{i}.png"
        if how == "copy":
            other.write_bytes(here.read_bytes())
        elif how == "link":
            other.symlink_to(here)
        else:
            os.link(here, other)
    # A copy in the same class is one more file of it, as ever.
    (root / "a" / "twin.png").write_bytes((root / "a" / "30.png").read_bytes())
    source = prepare(root, "multi").source
    assert len(source) == 46 and source.values.sum() == 46 + 9
    both = {source.ids[i]: source.said(i) for i in range(46) if "|" in source.said(i)}
    assert len(both) == 9 and both["a/0.png"] == "a|b" and both["a/also_2.png"] == "a|c"


def test_strata_are_the_rarest_label_the_largest_share_or_a_tenth() -> None:
    values = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(targets.strata("multi", values), [1, 0, 2, 3, 1])
    shares = np.array([[0.5, 0.5], [0.4, 0.6]])
    np.testing.assert_array_equal(targets.strata("soft", shares), [0, 1])
    # Few different numbers make few strata.
    numbers = np.array([[1.0], [1], [1], [2], [2], [2], [5], [5]])
    label = targets.strata("number", numbers)
    assert len(set(label)) == 3 and (np.diff(label) >= 0).all()


def test_groups_of_several_labels_stay_together(tmp_path: Path) -> None:
    labels = several([])[:60]
    groups = [f"g{i // 3}" for i in range(60)]
    file = written(tmp_path, ("label", "patient"), labels, groups)
    examples = prepare(file, "multi", group_column="patient")
    of_group: dict[str, set[str]] = {}
    for name, split in zip(examples.source.group, examples.split):
        of_group.setdefault(name, set()).add(str(split))
    assert all(len(names) == 1 for names in of_group.values())
    assert (examples.source.values[examples.of("train")].sum(axis=0) > 0).all()


def test_classes_at_other_places_keep_their_values(tmp_path: Path) -> None:
    labels = several([])[:60]
    source = prepare(written(tmp_path, ("label",), labels), "multi").source
    wide = source.among(("z", "c", "a", "b"), [2, 3, 1])
    said = [set(filter(None, wide.said(i).split("|"))) for i in range(60)]
    assert said == [set(filter(None, text.split("|"))) for text in labels]
    assert wide.strata[wide.label[0]] == "(no label)"
    back = wide.in_order(("a", "b", "c", "z"))
    np.testing.assert_array_equal(back.values[:, :3], source.values)


@pytest.mark.parametrize("count", [10, 34, 80, 99, 130, 333])
def test_numbers_are_divided_by_the_shares_that_were_asked_for(count: int) -> None:
    rows = [(Path(f"{i}.png"), str(i), 0, "") for i in range(count)]
    source = targets.with_values(
        from_rows("s", ("n",), rows), "number", np.arange(count)[:, None]
    )
    asked = {"validation_fraction": 0.1, "test_fraction": 0.2}
    split = splits.assign(source, source.ids, seed=0, **asked)
    for name, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert abs((split == name).sum() - share * count) < max(1, 0.005 * count), name
        counts = np.bincount(source.label[split == name], minlength=10)
        assert np.abs(counts - share * count / 10).max() < 2, "each range is even"


@pytest.mark.parametrize(
    "target, cell, words",
    [
        ("multi", "(no label)|a", "cannot be a class name"),
        ("multi", "", "expected labels, such as a|b, in the column 'label'"),
        ("number", "16777217", "line 2: expected numbers of which float32.*16777216"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused(
    tmp_path: Path, target: str, cell: str, words: str
) -> None:
    other = {"number": "16777216"}.get(target, cell)
    file = written(tmp_path, ("label",), [cell, *[other] * 59])
    with pytest.raises(UserError, match=words.replace("|", r"[|]")) as error:
        prepare(file, target)
    assert "folder" not in str(error.value)


def test_equal_numbers_that_float32_rounds_are_no_mistake(tmp_path: Path) -> None:
    file = written(tmp_path, ("age",), ["0.1"] * 30 + ["0.10000000000000001"] * 30)
    source = prepare(file, "number", label_column="age").source
    assert set(source.values[:, 0]) == {np.float32(0.1)}


@pytest.mark.parametrize("value", ["-0.1", "nan"])
def test_a_share_that_is_none_is_named_and_not_its_sum(
    tmp_path: Path, value: str
) -> None:
    a, b = ["1"] * 60, ["0"] * 60
    a[4], b[4] = "1.1", value
    file = written(tmp_path, ("a", "b"), a, b)
    words = (
        f"line 6: expected a share, 0 or more, in the column 'b'. Received: '{value}'"
    )
    with pytest.raises(UserError, match=words) as error:
        prepare(file, "soft", label_columns="a,b")
    assert "annotator" not in str(error.value)
    with pytest.raises(UserError, match="expected a number of annotators, 0 or more"):
        prepare(file, "soft", label_columns="a,b", annotator_counts=True)


@pytest.mark.parametrize("target", ["number", "multi", "soft"])
def test_lines_are_counted_with_those_that_are_empty(
    tmp_path: Path, target: str
) -> None:
    pictures(tmp_path, 3)
    file = tmp_path / "s.csv"
    rows = ("00.png,1,0", "", "", "01.png,x,0", "02.png,0,1")
    file.write_text("\n".join(("path,a,b", *rows)))
    own = {"label_column": "a"} if target == "number" else {"label_columns": "a,b"}
    with pytest.raises(UserError, match="line 5: expected"):
        prepare(file, target, **own)


def test_labels_between_commas_are_one_class_and_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, ("label",), ["cat, dog", "cat", "dog"] * 20)
    source = prepare(file, "multi").source
    assert source.labels == ("cat", "cat, dog", "dog")
    told = " ".join(capsys.readouterr().err.split())
    assert "labels stand between |" in told and "write cat|dog" in told
    # A name may have a comma, where others show how labels are parted.
    file = written(tmp_path, ("label",), ["shark, white", "cat|dog", "dog"] * 20)
    assert "shark, white" in prepare(file, "multi").source.labels
    assert "labels stand between" not in capsys.readouterr().err


def test_a_column_that_is_not_there_names_the_flag_that_lists_it(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, ("label",), ["a"] * 60)
    with pytest.raises(UserError, match="column 'cat'.*label_columns NAME,NAME"):
        prepare(file, "multi", label_columns="cat,dog")


def test_columns_of_labels_are_refused_for_what_has_none(tmp_path: Path) -> None:
    data = {"demo_per_class": 2, "label_columns": "a,b"}
    for kind, source in (("multi", "demo:multi"), (None, str(tmp_path / "set"))):
        for name in "ab":
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            pictures(tmp_path / "set" / name, 3)
        settings = DataSettings(source=source, target=kind, **data)
        with pytest.raises(UserError, match="--data.label_columns a,b: .* is no CSV"):
            dataset.prepare(settings, 0, tmp_path / "cache", never)
