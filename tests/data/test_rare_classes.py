"""Classes with few images are left out, each with its reason, and move no other."""

from pathlib import Path

import pytest

from tests.data.sources.test_base import put
from tests.data.test_dataset import prepare
from tfpipeline.core.errors import UserError


def animals(root: Path) -> Path:
    many = (f"{c}/{i}.png" for c in ("cat", "dog") for i in range(12))
    return put(root, *many, *(f"emu/{i}.png" for i in range(4)), "gnu/1.png")


@pytest.mark.parametrize(
    ("least", "left"),
    [(2, ["cat", "dog", "emu"]), (4, ["cat", "dog", "emu"]), (5, ["cat", "dog"])],
)
def test_classes_below_the_number_are_left_out(
    tmp_path: Path, capsys, least: int, left: list[str]
) -> None:
    examples = prepare(animals(tmp_path / "p"), min_per_class=least)
    source, gone = examples.source, {"cat", "dog", "emu", "gnu"} - set(left)
    assert list(source.labels) == left and source.class_map.dropped.keys() == gone
    assert len(source) == len(examples.files) == len(examples.split)
    assert [row.path.rsplit("/", 1)[1] for row in examples.files] == [
        path.name for path in source.paths
    ]
    said = capsys.readouterr().err
    assert all(repr(name) in said for name in gone)


def test_copies_count_once_and_broken_files_not_at_all(tmp_path: Path) -> None:
    root = animals(tmp_path / "p")
    for i in range(4):
        (root / "gnu" / f"copy{i}.png").write_bytes(
            (root / "gnu" / "1.png").read_bytes()
        )
    (root / "emu" / "0.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"'gnu' \(1\).*--data.min_per_class 2"):
        prepare(root)
    assert "gnu" not in prepare(root, min_per_class=3).source.labels
    labels = prepare(root, min_per_class=4).source.labels
    assert labels == ("cat", "dog")
    # Without groups, copies are images of their own.
    assert "gnu" in prepare(root, min_per_class=4, group="none").source.labels


def test_too_high_a_number_is_refused(tmp_path: Path) -> None:
    root = animals(tmp_path / "p")
    for number in (13, -1):
        with pytest.raises(UserError, match="--data.min_per_class"):
            prepare(root, min_per_class=number)
