"""What audits keep: by many processes at once, whatever became of single files."""

import dataclasses
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fault_injection
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan_cache
from tfpipeline.data.scan_cache import Ledger, Place, Row


def row(number: int, size: int = 1) -> Row:
    return Row(f"/{number}.jpg", size=size, sha256="x", thumbnail="00", offset=3)


def places(count: int) -> list[Place]:
    """Return the places of the first rows."""
    return [row(number).place for number in range(count)]


def many(folder: Path) -> Ledger:
    """Return one with a part more than are left side by side, each of another row."""
    ledger = Ledger(folder)
    for number in range(scan_cache.MOST_PARTS + 1):
        ledger.add([row(number)])
    return ledger


EVERY = places(scan_cache.MOST_PARTS + 1)


def test_nothing_is_kept_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none")
    ledger.add([])
    assert ledger.read(places(1)) == {} and not ledger.folder.exists()


def test_what_was_added_last_counts_of_what_is_asked_for(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(0), row(1), row(7)])
    ledger.add([row(1, size=2)])
    asked = [*places(2), ("/7.jpg", 4), ("/8.jpg", 3)]
    expected = {("/0.jpg", 3): row(0), ("/1.jpg", 3): row(1, size=2)}
    assert ledger.read(asked) == expected


def test_names_that_are_no_utf8_and_all_that_is_told_come_back(tmp_path: Path) -> None:
    path = b"/caf\xe9'\"\n.jpg".decode("utf-8", "surrogateescape")
    told = Row(path, 2**40, 3, 4, "5", "jpeg", 6, 7, "RGB", 8, "", "odd \udce9")
    Ledger(tmp_path / "a b?#%").add([told])
    assert Ledger(tmp_path / "a b?#%").read([told.place]) == {told.place: told}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=30))
def test_a_ledger_is_a_dictionary_whatever_it_joins(
    tmp_path_factory: pytest.TempPathFactory, added: list[tuple[int, int]]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_cache, "MOST_PARTS", 2)
        for number, size in added:
            ledger.add([row(number, size), row(number + 100)])
            ledger.read([])
        found = ledger.read(places(10))
    assert {key: one.size for key, one in found.items()} == {
        row(number).place: size for number, size in added
    }


def test_adding_costs_what_is_added_not_what_is_there(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    # As long as rows with a thumbnail are.
    rows = [dataclasses.replace(row(i), thumbnail=f"{i:0864}") for i in range(10_000)]
    ledger.add(rows)
    (large,) = tmp_path.iterdir()
    before = large.stat()
    ledger.add([row(10_000)])
    after = large.stat()
    (small,) = set(tmp_path.iterdir()) - {large}
    assert after.st_mtime_ns == before.st_mtime_ns and after.st_ino == before.st_ino
    assert small.stat().st_size < before.st_size / 50


def test_a_few_rows_are_looked_up_and_no_other_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in steps of SQLite's machine, by hundreds."""
    ledger, real, steps = Ledger(tmp_path), sqlite3.connect, []
    ledger.add([row(i) for i in range(20_000)])

    def connect(*given: object, **more: object) -> sqlite3.Connection:
        base = real(*given, **more)
        base.set_progress_handler(lambda: steps.append(1), 100)
        return base

    monkeypatch.setattr(sqlite3, "connect", connect)
    asked = [row(i).place for i in range(0, 20_000, 2_000)]
    assert len(ledger.read(asked)) == 10
    assert len(steps) < 10
    assert len(ledger.read(places(20_000))) == 20_000
    assert len(steps) > 1_000


DAMAGED = {
    "empty": lambda data: b"",
    "no database": lambda data: b"{}" * len(data),
    "half": lambda data: data[: len(data) // 2],
    "zeros inside": lambda data: data[:4096] + bytes(len(data) - 4096),
    "another letter": lambda data: data.replace(b'"/1.jpg"', b'"/x.jpg"'),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_part_is_told_and_takes_nothing_else_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(i, size=2) for i in range(100)])
    (damaged,) = tmp_path.iterdir()
    damaged.write_bytes(DAMAGED[how](damaged.read_bytes()))
    ledger.add([row(0)])
    assert ledger.read(places(100)) == {("/0.jpg", 3): row(0)}
    assert str(damaged) in capsys.readouterr().err
    assert ledger.read(places(100)) == {("/0.jpg", 3): row(0)}
    assert not capsys.readouterr().err, "it is told once"


def test_a_part_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(0)])
    (part,) = tmp_path.iterdir()
    with file_io.replacing(tmp_path / "1-y.sqlite") as temporary:
        temporary.write_bytes(part.read_bytes().replace(b"/0.jpg", b"/1.jpg"))
        assert list(ledger.read(places(2))) == [("/0.jpg", 3)]


def test_many_parts_become_one_and_say_the_same(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(scan_cache.MOST_PARTS + 1):
        ledger.add([row(number % 5, size=number), row(number + 100)])
    found = ledger.read(places(200))
    assert len(list(tmp_path.iterdir())) == 1
    assert (
        ledger.read(places(200)) == found
        and len(found) == 5 + scan_cache.MOST_PARTS + 1
    )
    last = max(n for n in range(scan_cache.MOST_PARTS + 1) if n % 5 == 2)
    assert found[("/2.jpg", 3)].size == last


def test_a_large_part_stays_as_it_is_when_small_ones_are_joined(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(i) for i in range(1_000)])
    (large,) = tmp_path.iterdir()
    for number in range(scan_cache.MOST_PARTS):
        ledger.add([row(number, size=2)])
    assert len(ledger.read(EVERY)) == len(EVERY)
    assert large in tmp_path.iterdir() and len(list(tmp_path.iterdir())) == 2
    assert ledger.read(places(1)) == {("/0.jpg", 3): row(0, size=2)}


def test_a_full_disk_joins_nothing_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = many(tmp_path)
    real = sqlite3.connect

    def connect(*given: object, **more: object) -> sqlite3.Connection:
        base = real(*given, **more)
        # SQLite says that the disk is full where it may not have another page.
        base.execute("PRAGMA max_page_count = 1")
        return base

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert len(ledger.read(EVERY)) == len(EVERY)
    assert len(list(tmp_path.iterdir())) == len(EVERY)
    with pytest.raises(UserError, match="full"):
        ledger.add([row(0)])


def test_many_who_add_and_read_at_once_lose_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def work(number: int) -> None:
        ledger.add([row(number)])
        if number % 10 == 0:
            assert row(number).place in ledger.read(places(200))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert set(ledger.read(places(200))) == set(places(200))


def test_who_reads_while_another_makes_one_part_of_many_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = many(tmp_path)
    real, asked = scan_cache._wanted, []

    def wanted(part: Path, *more: object) -> object:
        asked.append(part)
        if len(asked) == 5:
            other = Ledger(tmp_path).read(EVERY)
            assert len(other) == len(EVERY)
        return real(part, *more)

    monkeypatch.setattr(scan_cache, "_wanted", wanted)
    assert len(ledger.read(EVERY, joins=False)) == len(EVERY)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_added_while_many_become_one_counts_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path)
    for number in range(scan_cache.MOST_PARTS + 1):
        ledger.add([row(0, size=number)])
    real = Ledger._write

    def late(self: Ledger, stamp: str, some: object, **how: bool) -> None:
        monkeypatch.setattr(Ledger, "_write", real)
        self.add([row(0, size=99)])
        real(self, stamp, some, **how)

    monkeypatch.setattr(Ledger, "_write", late)
    assert ledger.read(places(1))[("/0.jpg", 3)].size == scan_cache.MOST_PARTS
    assert ledger.read(places(1)) == {("/0.jpg", 3): row(0, size=99)}


def test_where_one_may_not_be_read_none_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = many(tmp_path)
    lost, real = min(tmp_path.iterdir()), Path.open

    def opened(path: Path, *given: object) -> object:
        if path == lost:
            raise PermissionError(13, "Permission denied")
        return real(path, *given)

    monkeypatch.setattr(Path, "open", opened)
    assert len(ledger.read(EVERY)) == scan_cache.MOST_PARTS
    assert len(list(tmp_path.iterdir())) == scan_cache.MOST_PARTS + 1


def test_a_link_to_nothing_is_passed_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(0)])
    (tmp_path / "0.sqlite").symlink_to("nowhere")
    assert ledger.read(places(1)) == {("/0.jpg", 3): row(0)}


@pytest.mark.parametrize("power_cut", [False, True])
def test_no_row_that_was_there_is_lost_wherever_joining_is_killed(
    memory_path: Path, power_cut: bool
) -> None:
    ledger = many(memory_path / "w")
    expected = ledger.read(EVERY, joins=False)
    with fault_injection.watched(
        memory_path / "w", memory_path / "kept", power_cut=power_cut
    ) as moments:
        ledger.read(EVERY)
    for moment in moments:
        assert ledger.read(EVERY) == expected, moment
    assert len(moments.states) > scan_cache.MOST_PARTS
