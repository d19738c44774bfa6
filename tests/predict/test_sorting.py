"""Pictures sorted into folders: each once, over nothing, whatever they are called."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fault_injection import Moments
from tfpipeline.core.errors import UserError
from tfpipeline.predict import sorting


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, ns=(10**18, 10**18))
    return path


def row(path: Path, label: str, accepted: bool | None = True) -> dict[str, Any]:
    return {"id": str(path), "label": label, "accepted": accepted, "error": ""}


def inside(folder: Path) -> dict[str, str]:
    """Return the content of each visible file below a folder, by its name."""
    files = (f for f in folder.rglob("*") if f.is_file() and f.name[0] != ".")
    return {str(f.relative_to(folder)): f.read_text() for f in files}


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    one, two = put(tmp_path / "a" / "1.jpg", "A"), put(tmp_path / "b" / "1.jpg", "B")
    same, doubtful = put(tmp_path / "c" / "1.jpg", "A"), put(tmp_path / "2.jpg", "C")
    broken = {**row(put(tmp_path / "3.jpg", "D"), ""), "error": "damaged"}
    return [
        *(row(one, "cat"), row(two, "cat"), row(same, "cat", None)),
        *(row(doubtful, "dog", False), broken),
    ]


def test_pictures_are_sorted_by_class_and_those_not_accepted_apart(
    rows, tmp_path: Path
) -> None:
    before = inside(tmp_path)
    result = sorting.sort(rows, tmp_path / "out")
    assert inside(tmp_path / "out") == {
        **{"cat/1.jpg": "A", "cat/1_2.jpg": "B", "cat/1_3.jpg": "A"},
        "unsure/2.jpg": "C",
    }
    assert (result.copied, result.kept, result.unsure) == (4, 0, 1)
    assert (tmp_path / "out" / "cat" / "1.jpg").stat().st_mtime_ns == 10**18
    assert before.items() <= inside(tmp_path).items(), "originals stay"


def test_what_is_unknown_lies_apart_however_sure_its_class_is(
    rows, tmp_path: Path
) -> None:
    told = [{**row, "known": known} for row, known in zip(rows, (False, True, None))]
    result = sorting.sort([*told, {**rows[3], "known": False}], tmp_path / "out")
    assert inside(tmp_path / "out") == {
        **{"unknown/1.jpg": "A", "cat/1.jpg": "B", "cat/1_2.jpg": "A"},
        "unknown/2.jpg": "C",
    }
    assert (result.unknown, result.unsure) == (2, 0)
    # By a run that knows it, it is sorted anew.
    again = sorting.sort(rows[:2], tmp_path / "out")
    assert again.removed == 1 and again.unknown == 0


def test_again_nothing_is_copied(rows, tmp_path: Path) -> None:
    sorting.sort(rows, tmp_path / "out")
    before = inside(tmp_path)
    for order in (rows, rows[::-1], rows[1:2]):
        result = sorting.sort(order, tmp_path / "out")
        assert (result.copied, result.removed) == (0, 0)
        assert inside(tmp_path) == before


def test_nothing_is_written_over(rows, tmp_path: Path) -> None:
    mine = put(tmp_path / "out" / "cat" / "1.jpg", "mine")
    link = tmp_path / "out" / "unsure" / "2.jpg"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "gone.jpg")
    sorting.sort(rows, tmp_path / "out")
    assert mine.read_text() == "mine" and link.is_symlink()
    assert not (tmp_path / "gone.jpg").exists()
    found = inside(tmp_path / "out")
    assert sorted(found.values()) == ["A", "A", "B", "C", "mine"]


def test_a_picture_of_another_class_now_leaves_its_old_folder(
    rows, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sorting.sort(rows[:2], out)
    (out / "cat" / "1_2.jpg").write_text("drawn on")
    result = sorting.sort([{**r, "label": "dog"} for r in rows[:2]], out)
    assert (result.copied, result.removed) == (2, 1)
    assert inside(out) == {
        **{"dog/1.jpg": "A", "dog/1_2.jpg": "B"},
        "cat/1_2.jpg": "drawn on",
    }


def test_a_copy_that_somebody_puts_where_one_was_removed_is_theirs(
    rows, tmp_path: Path
) -> None:
    out, dog = tmp_path / "out", [{**rows[0], "label": "dog"}]
    sorting.sort(rows[:1], out)
    sorting.sort(dog, out)
    (out / "dog" / "1.jpg").rename(out / "cat" / "1.jpg")
    assert sorting.sort(dog, out).removed == 0
    assert inside(out) == {"cat/1.jpg": "A", "dog/1.jpg": "A"}


def test_other_pictures_are_added(rows, tmp_path: Path) -> None:
    sorting.sort(rows[:1], tmp_path / "out")
    sorting.sort(rows[1:2], tmp_path / "out")
    assert sorted(inside(tmp_path / "out").values()) == ["A", "B"]


def test_a_picture_that_has_gone_is_told_and_the_others_are_sorted(
    rows, tmp_path: Path
) -> None:
    Path(rows[0]["id"]).unlink()
    result = sorting.sort(rows, tmp_path / "out")
    ((name, reason),) = result.failed
    assert name == rows[0]["id"] and reason and result.copied == 3


@pytest.mark.parametrize("power_cut", [False, True])
def test_wherever_it_is_killed_the_next_command_ends_it(
    rows, tmp_path: Path, power_cut: bool
) -> None:
    out = tmp_path / "out"
    put(out / "cat" / "0.jpg", "mine")
    moments = Moments(out, tmp_path / "kept", power_cut=power_cut)
    with moments.watched():
        sorting.sort(rows, out)
    whole = inside(out)
    for what in moments:
        assert inside(out).items() <= whole.items(), what
        sorting.sort(rows, out)
        assert inside(out) == whole, what
        hidden = {f.name for f in out.rglob(".*")}
        assert hidden == {".predict.files"}, what


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_classes_have_folders_of_their_own_and_none_leads_out(a: str, b: str) -> None:
    for label in (a, b, "..", "a/b", "unsure", "Unknown", ""):
        name = sorting.folder_name(label)
        assert Path("x", name).parent == Path("x") and name not in ("", ".", "..")
        assert name.casefold() not in (sorting.UNKNOWN, sorting.UNSURE)
        assert len(name.encode()) <= 255
    assert (sorting.folder_name(a) == sorting.folder_name(b)) == (a == b)


def test_the_names_of_most_classes_are_those_of_their_folders() -> None:
    for label in ("Siamese cat", "yes", "10", "\u732b", "great_pyrenees"):
        assert sorting.folder_name(label) == label


@pytest.mark.parametrize("into", ["pictures", "pictures/sorted", "."])
def test_a_folder_among_the_pictures_is_refused(tmp_path: Path, into: str) -> None:
    put(tmp_path / "pictures" / "sorted" / "1.jpg", "A")
    word = str(tmp_path / "pictures")
    if into == ".":  # That has the pictures inside.
        word += "/*/*.jpg"
    with pytest.raises(UserError, match="--sort_into"):
        sorting.check(str(tmp_path / into), [word])


def test_a_folder_beside_the_pictures_will_do(tmp_path: Path) -> None:
    put(tmp_path / "pictures" / "1.jpg", "A")
    words = [str(tmp_path / "pictures")]
    assert sorting.check(None, words) is None
    assert sorting.check(str(tmp_path / "out"), words) == tmp_path / "out"
    with pytest.raises(UserError, match="--sort_into"):
        sorting.check(str(tmp_path / "pictures" / "1.jpg"), words)
