"""Labels are joined by or, shares by their sum; what is dropped leaves its pictures."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.sources.test_base import never
from tests.data.sources.test_targets import prepare, written
from tfpipeline.config import DataSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import splits
from tfpipeline.data.sources import class_map, class_values
from tfpipeline.data.sources.opening import open_source

LABELS = ["cat", "cat|dog", "dog|emu", "emu", "", "cat|emu"] * 10


def classes(root: Path, *rows: tuple[str, str]) -> str:
    file = root / "classes.csv"
    file_io.write_csv(file, ("class", "new"), rows)
    return str(file)


def test_joining_is_or_and_dropping_leaves_the_pictures(tmp_path: Path, capsys) -> None:
    file = written(tmp_path, ("label",), LABELS)
    before = prepare(file, "multi")
    given = classes(tmp_path, ("cat", "pet"), ("dog", "pet"), ("emu", ""))
    examples = prepare(file, "multi", classes=given)
    source = examples.source
    assert source.labels == ("pet",) and len(source) == 60
    has = (before.source.values[:, :2] > 0).any(axis=1)
    np.testing.assert_array_equal(source.values[:, 0], has)
    # The stratum behind the classes is that of no label.
    np.testing.assert_array_equal(source.label, np.where(has, 0, 1))
    said = capsys.readouterr().err
    assert "20 of 60 images have no label then" in said and given in said
    # `splits.csv` of before and of after pin the same pictures.
    for number, one in enumerate((before, examples)):
        pinned = tmp_path / f"{number}.csv"
        splits.write(pinned, one.source, one.split, one.keys)
        again = prepare(file, "multi", classes=given, splits=str(pinned))
        assert (again.split == one.split).all()
    # What a run did is done again to its source, and to one with the new names.
    for name in (file, tmp_path / "1.csv"):
        data = DataSettings(source=str(name), target="multi")
        again = open_source(data, tmp_path, never, class_map.read(Path(given)))
        assert again.labels == ("pet",)
        np.testing.assert_array_equal(again.values, source.values)


def test_shares_are_added_and_none_is_lost(tmp_path: Path) -> None:
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], 60)
    shares[4:, 2] = 0
    shares /= shares.sum(axis=1, keepdims=True)
    shares = np.column_stack([shares, np.zeros(60)])
    file = written(tmp_path, tuple("abcd"), *shares.round(9).T.tolist())
    columns = {"label_columns": "a,b,c,d"}
    given = classes(tmp_path, ("a", "x"), ("c", "x"), ("d", ""), ("b", "w"))
    source = prepare(file, "soft", **columns, classes=given).source
    assert source.labels == ("w", "x")
    expected = np.stack([shares[:, 1], shares[:, 0] + shares[:, 2]], axis=1)
    np.testing.assert_allclose(source.values, expected, atol=1e-6)
    np.testing.assert_array_equal(source.label, source.values.argmax(axis=1))
    refused = classes(tmp_path, ("c", ""))
    with pytest.raises(UserError, match="'c' cannot be dropped, as 4 of 60") as told:
        prepare(file, "soft", **columns, classes=refused)
    assert refused in str(told.value)
    # A class without a share is one of too few images, too; one with a share is not.
    least = prepare(file, "soft", **columns, min_per_class=4).source
    assert least.labels == ("a", "b", "c")
    with pytest.raises(UserError, match="--data.min_per_class.*'c' cannot be dropped"):
        prepare(file, "soft", **columns, min_per_class=5)


def test_classes_of_few_images_lose_their_label_alone(tmp_path: Path, capsys) -> None:
    file = written(tmp_path, ("label",), [*LABELS[:58], "gnu", "cat|gnu"])
    source = prepare(file, "multi", min_per_class=3).source
    assert source.labels == ("cat", "dog", "emu") and len(source) == 60
    assert source.class_map.dropped.keys() == {"gnu"}
    assert source.values[58].sum() == 0 and source.said(59) == "cat"
    said = capsys.readouterr().err
    assert "'gnu' (2)" in said and "have no label then" in said
    with pytest.raises(UserError, match="--data.min_per_class"):
        prepare(file, "multi", min_per_class=1000)


@pytest.mark.parametrize("name", ["a|b", "(no label)"])
def test_a_new_name_that_would_be_read_otherwise_is_refused(
    tmp_path: Path, name: str
) -> None:
    file = written(tmp_path, ("label",), LABELS)
    with pytest.raises(UserError, match="classes.csv: expected a new name"):
        prepare(file, "multi", classes=classes(tmp_path, ("cat", name)))


def test_a_number_has_no_classes(tmp_path: Path) -> None:
    file = written(tmp_path, ("age",), range(60))
    given = {"label_column": "age", "classes": classes(tmp_path, ("age", "years"))}
    with pytest.raises(UserError, match="not defined for --data.target number"):
        prepare(file, "number", **given)


def test_any_order_of_joining_gives_the_same() -> None:
    rng = np.random.default_rng(1)
    values = (rng.random((30, 5)) < 0.3).astype(np.float32)
    place = [1, 0, 1, -1, 0]
    found = class_values.joined("multi", values, place, 2)
    expected = [values[:, [1, 4]].max(axis=1), values[:, [0, 2]].max(axis=1)]
    np.testing.assert_array_equal(found, np.stack(expected, axis=1))
    whole = class_values.joined("multi", values, range(5), 5)
    np.testing.assert_array_equal(whole, values)
