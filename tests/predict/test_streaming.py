"""Rows of many pictures go through a file, and are those that they were."""

import json
import random
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Exported, Trained
from tests.predict.test_sharded import start
from tfpipeline.core import hardware, image_io, startup
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.predict import batching, outputs, streaming
from tfpipeline.predict.streaming import Table


def row(number: int, *, tells: bool = False) -> dict[str, Any]:
    strange = {"novelty": number / 7, "known": True, "known_reason": ""}
    head = {"id": f"{number}\udcff\n", "label": "cat", "probability": number / 3}
    tail = {"top_k": [["cat", number / 3]], "error": ""}
    accepted = {"accepted": number % 2 == 0, "accepted_reason": ""}
    return {**head, **accepted, **(strange if tells else {}), **tail}


@pytest.mark.parametrize("seed", range(3))
def test_a_table_is_the_list_of_its_rows(seed: int, monkeypatch) -> None:
    monkeypatch.setattr(streaming, "_STEP", 4)
    draw = random.Random(seed)
    rows = [row(n) for n in range(draw.randint(1, 30))]
    table, rest = Table(), list(rows)
    while rest:
        size = draw.randint(1, 6)
        table.add(rest[:size])
        rest = rest[size:]
        assert list(table) == rows[: len(table)]
    assert len(table) == len(rows) and table[-1] == rows[-1]
    assert all(table[n] == rows[n] for n in range(len(rows)))
    assert table[2:9:3] == rows[2:9:3] and table[::-1] == rows[::-1]
    with pytest.raises(IndexError):
        table[len(rows)]
    # Several readers do not disturb each other.
    assert [pair for pair in zip(table, table)] == [(r, r) for r in rows]


def test_all_rows_have_the_columns_of_that_which_tells_most(tmp_path: Path) -> None:
    table = Table(tmp_path / "new" / "folder")
    table.add([row(1)])
    table.add([row(2, tells=True)])
    first, second = table
    assert list(first) == list(second) and first["novelty"] is None
    outputs.write(tmp_path / "x.csv", table, "")
    outputs.write(tmp_path / "x.jsonl", table, "")
    lines = (tmp_path / "x.jsonl").read_text(errors="surrogateescape").splitlines()
    assert [json.loads(line) for line in lines] == list(table)
    assert not list(tmp_path.glob(".*"))


def pictures(count: int) -> Any:
    return (Picture(f"{n}.png") for n in range(count))


def rows_of(given: Sequence[Picture], files: Sequence[Any]) -> list[dict[str, Any]]:
    assert len(given) == len(files)
    return [row(int(picture.path.removesuffix(".png"))) for picture in given]


def test_few_pictures_are_a_list_and_many_are_the_same(monkeypatch) -> None:
    whole, _ = streaming.rows(pictures(10), rows_of, 100)
    monkeypatch.setattr(streaming, "TOGETHER", 3)
    parts, stopped = streaming.rows(pictures(10), rows_of, 100)
    assert isinstance(whole, list) and isinstance(parts, Table)
    assert list(parts) == whole and stopped is None
    with pytest.raises(UserError, match="--images"):
        streaming.rows(pictures(0), rows_of, 100)


@pytest.mark.parametrize("gone", [UserError("gone"), KeyboardInterrupt()])
@pytest.mark.parametrize("partly", [False, True])
def test_where_a_server_goes_away_what_was_answered_stays(
    gone: BaseException, partly: bool, monkeypatch
) -> None:
    monkeypatch.setattr(streaming, "TOGETHER", 3)

    def ends(given: Sequence[Picture], files: Sequence[Any]) -> list[dict[str, Any]]:
        if given[0].path == "3.png":
            raise batching.Incomplete(rows_of(given, files), gone) if partly else gone
        return rows_of(given, files)

    table, stopped = streaming.rows(pictures(8), ends, 100)
    assert stopped is gone and len(table) == 8
    answered = [not r["error"] for r in table]
    assert answered == [True] * (6 if partly else 3) + [False] * (2 if partly else 5)
    assert str(gone) in table[-1]["error"] and table[-1]["id"] == "7.png"


@pytest.mark.parametrize("count", [3, 4, 8])
@pytest.mark.parametrize("error", [UserError("line 9"), OSError("gone")])
def test_where_a_list_breaks_off_what_was_answered_stays(
    count: int, error: BaseException, monkeypatch
) -> None:
    monkeypatch.setattr(streaming, "TOGETHER", 3)

    def breaks_off() -> Iterator[Picture]:
        yield from pictures(count)
        raise error

    table, stopped = streaming.rows(breaks_off(), rows_of, 100)
    # Pictures that were read and not asked about are in the list still.
    whole = count - count % 3
    assert stopped is error and not any(row["error"] for row in table)
    assert list(table) == list(streaming.rows(pictures(whole), rows_of, 100)[0])


def test_memory_does_not_grow_with_rows(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(streaming.sources, "audit", lambda part, _: part)

    def peak(count: int) -> int:
        tracemalloc.start()
        table, _ = streaming.rows(pictures(count), rows_of, 100)
        outputs.write(tmp_path / "x.csv", table, "")
        outputs.counts(table)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few = peak(3 * streaming.TOGETHER)
    assert peak(12 * streaming.TOGETHER) < 1.05 * few


@pytest.mark.slow
def test_predictions_of_many_are_those_of_few(
    small_run: Trained, exported: Exported, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "list.txt").write_text(
        "".join(f"{picture}\n" for picture in exported.pictures) + "none.png\n"
    )
    words = [tmp_path / "list.txt", "--model", small_run.path, "--output"]
    assert start(*words, tmp_path / "one.csv") == 0
    monkeypatch.setattr(streaming, "TOGETHER", 4)
    assert start(*words, tmp_path / "two.csv") == 0
    first, second = (
        [line.split(",")[:2] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("one.csv", "two.csv")
    )
    assert first == second and len(first) == 8


def test_what_answers_is_opened_while_another_process_audits_many_pictures(
    monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(streaming, "_MANY", 3)
    monkeypatch.setattr(startup, "owns_process", lambda: True)
    monkeypatch.setattr(hardware, "cores", lambda: 2)
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for path in paths[:3]:
        image_io.save_png(path, np.zeros((2, 3, 3), np.uint8))
    called: list[str] = []
    monkeypatch.setattr(scan, "examine", lambda *given: called.append("here"))

    def told(given: Sequence[Picture], files: Sequence[Any]) -> list[dict[str, Any]]:
        called.append("asked")
        return [{"id": p.path, "error": f.reason} for p, f in zip(given, files)]

    asks = batching.Lazy(lambda: (called.append("opened"), len)[1])
    given = (Picture(str(path)) for path in paths)
    table, _ = streaming.rows(given, told, 100, None, asks.open)
    assert called == ["opened", "asked"]
    assert [row["id"] for row in table] == [str(path) for path in paths]
    assert [bool(row["error"]) for row in table] == [False] * 3 + [True]
    assert asks("four") == 4 and called == ["opened", "asked"]


def test_few_pictures_are_audited_before_anything_is_opened(monkeypatch) -> None:
    monkeypatch.setattr(streaming.sources, "audit", lambda part, _: part)

    def never() -> None:
        raise AssertionError

    table, _ = streaming.rows(pictures(2), rows_of, 100, None, never)
    assert len(table) == 2


@pytest.mark.parametrize("owns", [False, True])
def test_what_cannot_be_opened_is_the_error_though_pictures_are_audited(
    owns: bool, monkeypatch
) -> None:
    monkeypatch.setattr(streaming, "_MANY", 3)
    monkeypatch.setattr(startup, "owns_process", lambda: owns)
    monkeypatch.setattr(hardware, "cores", lambda: 2)

    def fails(*_: Any) -> Any:
        raise UserError("--model: broken")

    # Without another process it is opened when it is asked.
    with pytest.raises(UserError, match="broken"):
        streaming.rows(pictures(9), fails, 100, None, fails)
