"""From a source's name to examples that were opened, set aside, and split."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.sources.test_base import never, put
from tfpipeline.config import DataSettings
from tfpipeline.core import file_io, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import dataset


def animals(root: Path, count: int = 10) -> Path:
    return put(root, *(f"{c}/{i}.png" for c in ("cat", "dog") for i in range(count)))


def prepare(root: Path, **settings) -> dataset.Examples:
    data = DataSettings(source=str(root), **settings)
    return dataset.prepare(data, 0, root.parent / "cache", never)


def test_broken_files_are_set_aside_with_a_reason(tmp_path: Path) -> None:
    root = animals(tmp_path / "a")
    (root / "cat" / "text.jpg").write_text("this is no image")
    (root / "dog" / "0.png").write_bytes((root / "dog" / "1.png").read_bytes()[:40])
    examples = prepare(root)
    assert {name for name, _ in examples.quarantined} == {"cat/text.jpg", "dog/0.png"}
    assert len(examples.source) == 19 == len(examples.keys) == len(examples.split)
    dataset.write_quarantine(tmp_path / "q.csv", examples.quarantined)
    rows = file_io.read_csv(tmp_path / "q.csv")
    assert [row["id"] for row in rows] == ["cat/text.jpg", "dog/0.png"]
    assert all(row["reason"] for row in rows)
    assert (root / "cat" / "text.jpg").exists()


def test_too_many_broken_files_stop_the_work(tmp_path: Path) -> None:
    root = animals(tmp_path / "a")
    for i in range(4):
        (root / "cat" / f"{i}.png").write_bytes(b"")
    with pytest.raises(UserError, match="--data.max_bad_fraction"):
        prepare(root)
    assert len(prepare(root, max_bad_fraction=0.3).quarantined) == 4


def test_the_shares_are_kept_and_every_example_has_one_split(tmp_path: Path) -> None:
    examples = prepare(animals(tmp_path / "a", 20))
    counts = {s: len(examples.of(s)) for s in ("train", "validation", "test")}
    assert counts == {"train": 28, "validation": 4, "test": 8}


def test_a_written_split_is_used_again(tmp_path: Path) -> None:
    root = animals(tmp_path / "a")
    first = prepare(root)
    from tfpipeline.data import splits

    splits.write(tmp_path / "splits.csv", first.source, first.split, first.keys)
    put(root, "cat/new.png")
    again = prepare(root, splits=str(tmp_path / "splits.csv"))
    assert again.source.ids == first.source.ids
    np.testing.assert_array_equal(again.split, first.split)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"test_fraction": 1.0}, "test_fraction"),
        ({"validation_fraction": -0.1}, "validation_fraction"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5}, "sum below"),
        ({"splits": "nowhere.csv"}, "nowhere.csv"),
    ],
)
def test_shares_and_files_that_cannot_be_are_told(tmp_path, settings, words) -> None:
    with pytest.raises(UserError, match=words):
        prepare(animals(tmp_path / "a"), **settings)


def test_a_class_with_broken_images_only_is_named(tmp_path: Path) -> None:
    root = animals(tmp_path / "a")
    (root / "emu").mkdir()
    (root / "emu" / "1.png").write_text("no image")
    with pytest.raises(UserError, match="'emu'"):
        prepare(root)


def test_evaluation_takes_every_image_of_a_source(tmp_path: Path) -> None:
    settings = DataSettings(source=str(animals(tmp_path / "a")))
    examples = dataset.open_all(settings, tmp_path / "cache", never)
    assert len(examples.of("")) == 20


def test_few_examples_a_class_leave_validation_and_test_whole(tmp_path: Path) -> None:
    root = animals(tmp_path / "a", 20)
    whole, few = prepare(root), prepare(root, examples_per_class=3)
    assert few.counts().tolist() == [3, 3] and whole.counts().tolist() == [14, 14]
    for split in ("validation", "test"):
        ids = [[e.source.ids[i] for i in e.of(split)] for e in (whole, few)]
        assert ids[0] == ids[1]
    fewer = prepare(root, examples_per_class=2)
    names = [{e.source.ids[i] for i in e.of("train")} for e in (fewer, few, whole)]
    assert names[0] < names[1] < names[2]
    assert prepare(root, train_fraction=0.5).counts().tolist() == [7, 7]


def test_copies_that_only_look_alike_can_be_kept_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for c in "ab":
        for i in range(10):
            picture = rng.integers(0, 256, (12, 12, 3), np.uint8)
            large = np.kron(picture, np.ones((4, 4, 1), np.uint8))
            image_io.save_png(tmp_path / "p" / c / f"{i}.png", large)
            image_io.save_png(tmp_path / "p" / c / f"{i}-smaller.png", large[::2, ::2])
    root = tmp_path / "p"
    apart, together = prepare(root), prepare(root, group="near")
    assert apart.leaks() == together.leaks() == 0
    assert apart.leaks("near") > 0 == together.leaks("near")


def test_equal_files_are_one_draw_for_statistics(tmp_path: Path) -> None:
    root = animals(tmp_path / "a")
    first = sorted((root / "cat").iterdir())[0]
    for number in range(3):
        (root / "cat" / f"copy{number}.png").write_bytes(first.read_bytes())
    examples = prepare(root)
    every = np.arange(len(examples.source))
    chosen = every[::-1]
    kept = chosen[examples.distinct(chosen)]
    assert {examples.keys[i] for i in kept} == set(examples.keys)
    assert len(kept) == len(set(examples.keys)) == len(every) - 3
    assert len(examples.distinct(every[:0])) == 0


def test_rare_classes_are_named(tmp_path: Path) -> None:
    root = animals(tmp_path / "a", 40)
    for i in range(6, 40):
        (root / "cat" / f"{i}.png").unlink()
    examples = prepare(root)
    assert examples.rare(0.2) == ["cat"] and examples.rare(0.05) == []


def test_class_names_in_another_order_can_be_mapped(tmp_path: Path) -> None:
    source = prepare(animals(tmp_path / "a")).source
    turned = source.in_order(["dog", "cat"])
    names = [[s.labels[i] for i in s.label] for s in (source, turned)]
    assert names[0] == names[1] and turned.labels == ("dog", "cat")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"group": "exactly"}, "exact"),
        ({"examples_per_class": 0}, "examples_per_class"),
        ({"train_fraction": 0.0}, "train_fraction"),
    ],
)
def test_choices_that_cannot_be_are_told(tmp_path: Path, settings, words) -> None:
    with pytest.raises(UserError, match=words):
        prepare(animals(tmp_path / "a"), **settings)
