"""Workers that differ all say so, in the same words; where one fails, all do."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline import distribute
from tfpipeline.core.errors import UserError
from tfpipeline.distribute import agreement
from tfpipeline.distribute.agreement import Exchange


def together(count: int, work: Callable[[int, Exchange], Any]) -> list[Any]:
    """Let so many workers do the same at once; return what each comes to."""
    slots, barrier = [b""] * count, threading.Barrier(count, timeout=60)

    def one(index: int) -> Any:
        def swap(value: bytes) -> list[bytes]:
            slots[index] = value
            barrier.wait()
            found = list(slots)
            barrier.wait()
            return found

        return work(index, swap)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def differences(*workers: dict[str, list[str]]) -> set[str]:
    """Return what is said of the facts of some workers, at any of them."""

    def work(index: int, swap: Exchange) -> str:
        facts = {k: lambda rows=rows: rows for k, rows in workers[index].items()}
        return agreement.difference(facts, swap)

    return set(together(len(workers), work))


some_rows = st.lists(st.sampled_from(["a", "b", "ab", "", "\udce9", "1:a"]), max_size=9)


@given(st.lists(some_rows, min_size=2, max_size=3))
def test_the_first_row_that_differs_is_found_and_only_then(
    rows: list[list[str]],
) -> None:
    (told,) = differences(*({"names": some, "same": ["x"]} for some in rows))
    if all(some == rows[0] for some in rows):
        assert told == ""
        return
    longest = max(map(len, rows))
    place = next(
        k for k in range(longest) if len({repr(some[k : k + 1]) for some in rows}) > 1
    )
    assert told.startswith("names: ")
    for some in rows:
        assert (repr(some[place]) if place < len(some) else "nothing") in told
    if len(set(map(len, rows))) > 1:
        assert f"as number {place + 1} of " in told


def test_the_odd_worker_is_named_last() -> None:
    rows = [{"names": ["a", "b"]}, {"names": ["a", "c"]}, {"names": ["a", "b"]}]
    (told,) = differences(*rows)
    assert told == "names: workers 0, 2 have 'b'; worker 1 has 'c'."


def test_what_comes_first_is_told_though_more_differs() -> None:
    one = {"classes": ["cat"], "files": ["x"], "labels": ["x: cat"]}
    two = {"classes": ["cat"], "files": ["y"], "labels": ["y: cat"]}
    (told,) = differences(one, two)
    assert told.startswith("files: ")


def test_a_million_rows_are_compared_in_some_twenty_messages() -> None:
    asked = []

    def work(index: int, swap: Exchange) -> str:
        def counting(value: bytes) -> list[bytes]:
            asked.append(len(value))
            return swap(value)

        rows = [str(k) for k in range(100_000)]
        rows[77_777] = f"of worker {index}"
        return agreement.difference({"files": lambda: rows}, counting)

    (told,) = set(together(2, work))
    assert "'of worker 0'" in told and "'of worker 1'" in told
    assert len(asked) <= 2 * 20 and max(asked) < 200


def test_one_worker_agrees_with_itself_and_is_its_own_chief(strategy) -> None:
    distribute.check_same(strategy, {"files": lambda: ["a"]}, "")
    assert agreement.exchange(strategy, b"x") == [b"x"]
    for block in (distribute.jointly, distribute.chief_first):
        with pytest.raises(UserError, match="^as it was$"), block(strategy):
            raise UserError("as it was")


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("block", ["jointly", "chief_first"])
def test_where_one_worker_fails_all_do_and_none_waits(
    monkeypatch: pytest.MonkeyPatch, block: str, failing: int
) -> None:
    """What TensorFlow exchanges is exchanged by threads here; workers are numbers."""
    monkeypatch.setattr(agreement, "is_chief", lambda worker: worker[0] == 0)
    monkeypatch.setattr(agreement, "exchange", lambda worker, value: worker[1](value))
    done = []

    def work(index: int, swap: Exchange) -> str:
        try:
            with getattr(distribute, block)((index, swap)):
                if index == failing:
                    raise UserError("--flag: wrong")
                done.append(index)
        except UserError as error:
            return str(error)
        return ""

    told = together(2, work)
    assert told[failing] == "--flag: wrong"
    assert f"Worker {failing} of 2" in told[1 - failing]
    assert "--flag: wrong" in told[1 - failing]
    chief_failed = block == "chief_first" and failing == 0
    assert done == ([] if chief_failed else [1 - failing])
