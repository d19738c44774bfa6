"""What audits keep: by many processes at once, whatever became of single files."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import fault_injection
from tfpipeline import atomic
from tfpipeline.data import rows
from tfpipeline.data.rows import Ledger, Row


def row(number: int, size: int = 1) -> Row:
    return Row(f"/{number}.jpg", size=size, sha256="x", perceptual_hash="00", offset=3)


def many(folder: Path) -> Ledger:
    """Return one with a file more than are left side by side, each of another row."""
    ledger = Ledger(folder)
    for number in range(rows.MOST_PARTS + 1):
        ledger.add([row(number)])
    return ledger


def test_nothing_is_kept_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none")
    ledger.add([])
    assert ledger.read() == {} and not ledger.folder.exists()


def test_what_was_added_last_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(0), row(1)])
    ledger.add([row(1, size=2)])
    assert ledger.read() == {("/0.jpg", 3): row(0), ("/1.jpg", 3): row(1, size=2)}


def test_adding_costs_what_is_added_not_what_is_there(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(i) for i in range(1000)])
    (large,) = tmp_path.iterdir()
    before = large.stat()
    ledger.add([row(1000)])
    after = large.stat()
    (small,) = set(tmp_path.iterdir()) - {large}
    assert after.st_mtime_ns == before.st_mtime_ns and after.st_ino == before.st_ino
    assert small.stat().st_size < before.st_size / 500


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[[]]", b"[3]", b"\xff", b"null"])
def test_a_damaged_file_takes_nothing_else_with_it(tmp_path: Path, rubbish) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(0)])
    (tmp_path / f"{'9' * 20}-x.json").write_bytes(rubbish)
    assert ledger.read() == {("/0.jpg", 3): row(0)}


def test_a_file_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(0)])
    (part,) = tmp_path.iterdir()
    with atomic.replacing(tmp_path / "1-y.json") as temporary:
        temporary.write_bytes(part.read_bytes().replace(b"/0.jpg", b"/1.jpg"))
        assert list(ledger.read()) == [("/0.jpg", 3)]


def test_many_files_become_one_and_say_the_same(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for number in range(rows.MOST_PARTS + 1):
        ledger.add([row(number % 5, size=number), row(number + 100)])
    found = ledger.read()
    assert len(list(tmp_path.iterdir())) == 1
    assert ledger.read() == found and len(found) == 5 + rows.MOST_PARTS + 1
    last = max(n for n in range(rows.MOST_PARTS + 1) if n % 5 == 2)
    assert found[("/2.jpg", 3)].size == last


def test_a_full_disk_joins_nothing_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = many(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert len(ledger.read()) == rows.MOST_PARTS + 1
    assert len(list(tmp_path.iterdir())) == rows.MOST_PARTS + 1


def test_many_who_add_and_read_at_once_lose_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)

    def work(number: int) -> None:
        ledger.add([row(number)])
        if number % 10 == 0:
            ledger.read()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(200)))
    assert set(ledger.read()) == {(f"/{n}.jpg", 3) for n in range(200)}


def test_who_reads_while_another_makes_one_file_of_many_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = many(tmp_path)
    real, asked = Path.read_bytes, []

    def read_bytes(path: Path) -> bytes:
        asked.append(path)
        if len(asked) == 5:
            other = Ledger(tmp_path).read()
            assert len(other) == rows.MOST_PARTS + 1
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert len(ledger.read(joins=False)) == rows.MOST_PARTS + 1
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_added_while_many_become_one_counts_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path)
    for number in range(rows.MOST_PARTS + 1):
        ledger.add([row(0, size=number)])
    real = Ledger._write

    def late(self: Ledger, stamp: str, some: list[Row], **how: bool) -> None:
        monkeypatch.setattr(Ledger, "_write", real)
        self.add([row(0, size=99)])
        real(self, stamp, some, **how)

    monkeypatch.setattr(Ledger, "_write", late)
    assert ledger.read()[("/0.jpg", 3)].size == rows.MOST_PARTS
    assert ledger.read() == {("/0.jpg", 3): row(0, size=99)}


def test_where_one_may_not_be_read_none_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = many(tmp_path)
    lost, real = min(tmp_path.iterdir()), Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path == lost:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert len(ledger.read()) == rows.MOST_PARTS
    assert len(list(tmp_path.iterdir())) == rows.MOST_PARTS + 1


def test_a_link_to_nothing_is_passed_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add([row(0)])
    (tmp_path / "0.json").symlink_to("nowhere")
    assert ledger.read() == {("/0.jpg", 3): row(0)}


@pytest.mark.parametrize("power_cut", [False, True])
def test_no_row_that_was_there_is_lost_wherever_joining_is_killed(
    memory_path: Path, power_cut: bool
) -> None:
    ledger = many(memory_path / "w")
    expected = ledger.read(joins=False)
    with fault_injection.watched(
        memory_path / "w", memory_path / "kept", power_cut=power_cut
    ) as moments:
        ledger.read()
    for moment in moments:
        assert ledger.read() == expected, moment
    assert len(moments.states) > rows.MOST_PARTS
