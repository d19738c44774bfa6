"""No id of a list is there twice, however long it is."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import list_ids, pictures


@given(some.lists(some.text("abcde", max_size=2), max_size=30), some.integers(1, 9))
def test_an_id_is_told_at_once_or_at_the_end_where_it_is_there_twice(
    names: list[str], first: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, list_ids.Ids() as ids:
        patch.setattr(list_ids, "FIRST", first)
        at_once = [name for name in names if ids.add(name)]
        twice = {name for name, count in Counter(names).items() if count > 1}
        assert {*at_once} <= twice
        later = {list_ids.digest(name) for name in twice - {*at_once}}
        assert later <= ids.doubtful()
        assert ids.doubtful() <= {list_ids.digest(name) for name in twice}


@pytest.mark.parametrize("seed", range(3))
def test_a_csv_with_an_id_twice_behind_the_first_is_refused(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_ids, "FIRST", 5)
    names = [f"n{i}" for i in range(40)] + ["", ""]
    random.Random(seed).shuffle(names)
    file = tmp_path / "l.csv"

    def write(names: list[str]) -> list[str]:
        lines = [f"{i}.png,{name}\n" for i, name in enumerate(names)]
        file.write_text("path,id\n" + "".join(lines))
        return [picture.id for picture in pictures.walk([str(file)])]

    assert len(write(names)) == 42
    again = names[random.Random(seed).randrange(30)] or "n0"
    place = len(names) + 2
    with pytest.raises(UserError, match=f"line {place}: .*{again!r}"):
        write([*names, again, "last"])


def test_numbers_that_are_equal_by_chance_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_ids, "FIRST", 1)
    monkeypatch.setattr(list_ids, "_key", lambda name: name.encode()[:1] * 12)
    file = tmp_path / "l.csv"
    for names, is_fine in ((["x", "a1", "a2"], True), (["x", "a1", "a2", "a1"], False)):
        file.write_text("path,id\n" + "".join(f"{n}.png,{n}\n" for n in names))
        if is_fine:
            assert len([*pictures.walk([str(file)])]) == 3
        else:
            with pytest.raises(UserError, match="'a1'"):
                list(pictures.walk([str(file)]))
