"""The work is settled once, whoever comes first, and is never mixed with other work."""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfpipeline.core import stores
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import listing
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.shards import locks
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work

WHAT = {"command": "embed", "width": 3}


def pictures(folder: Path, count: int) -> list[Path]:
    files = [folder / f"{n % 3}" / f"{n}.png" for n in range(count)]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return files


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_shards_are_consecutive_parts_of_the_files_in_order(
    tmp_path: Path, size: int
) -> None:
    pictures(tmp_path / "in", 11)
    plan = plans.settle(tmp_path / "out", [str(tmp_path / "in")], size, WHAT)
    parts = [plan.pictures(n) for n in range(plan.shards)]
    assert [Path(p.path) for p in sum(parts, [])] == listing.files(tmp_path / "in")
    assert [len(part) for part in parts[:-1]] == [size] * (plan.shards - 1)
    assert plan.images == 11 and 0 < len(parts[-1]) <= size


def test_files_that_come_later_do_not_move_those_that_were_planned(
    tmp_path: Path,
) -> None:
    pictures(tmp_path / "in", 5)
    words = [str(tmp_path / "in")]
    first = plans.settle(tmp_path / "out", words, 2, WHAT)
    before = [first.pictures(n) for n in range(first.shards)]
    pictures(tmp_path / "in", 9)
    again = plans.settle(tmp_path / "out", words, 2, WHAT)
    assert [again.pictures(n) for n in range(again.shards)] == before


def test_names_with_line_feeds_and_without_utf_8_come_back(tmp_path: Path) -> None:
    names = ["a\nb.png", os.fsdecode(b"\xff.png"), "\u2028.png"]
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).touch()
    plan = plans.settle(tmp_path / "out", [str(tmp_path / "in")], 10, WHAT)
    assert {path.name for path in [Path(p.path) for p in plan.pictures(0)]} == set(
        names
    )
    assert all(path.is_file() for path in [Path(p.path) for p in plan.pictures(0)])


@pytest.mark.parametrize(
    ("size", "what"), [(3, WHAT), (2, {**WHAT, "width": 4}), (2, {"command": "x"})]
)
def test_other_work_is_refused_and_replaced_only_where_that_is_said(
    tmp_path: Path, size: int, what: dict[str, object]
) -> None:
    pictures(tmp_path / "in", 5)
    words = [str(tmp_path / "in")]
    plan = plans.settle(tmp_path / "out", words, 2, WHAT)
    plan.file(0, "csv").touch()
    with pytest.raises(UserError, match="--overwrite"):
        plans.settle(tmp_path / "out", words, size, what)
    assert plan.file(0, "csv").is_file() and plans.read(tmp_path / "out") == plan
    new = plans.settle(tmp_path / "out", words, size, what, overwrite=True)
    assert new.request == {"images": words, "shard_images": size, **what}
    assert not plan.file(0, "csv").exists()


def test_a_folder_with_files_of_others_is_refused_and_left(tmp_path: Path) -> None:
    pictures(tmp_path / "in", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="notes.txt"):
            plans.settle(
                *(tmp_path / "out", [str(tmp_path / "in")], 2, WHAT),
                overwrite=overwrite,
            )
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_no_pictures_leave_no_plan(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="--images"):
        plans.settle(tmp_path / "out", [str(tmp_path / "in")], 2, WHAT)
    assert not (tmp_path / "out" / plans.PLAN).exists()
    with pytest.raises(UserError, match="plan.json"):
        plans.read(tmp_path / "out")


def test_of_many_that_settle_at_once_all_have_the_same_plan(tmp_path: Path) -> None:
    pictures(tmp_path / "in", 50)
    words = [str(tmp_path / "in")]
    settled: list[plans.Plan] = []
    threads = [
        threading.Thread(
            target=lambda: settled.append(
                plans.settle(tmp_path / "out", words, 3, WHAT)
            )
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(settled) == 6 and all(plan == settled[0] for plan in settled)


@pytest.mark.parametrize(
    "name", ["index.json", "shard-000001.npy", "plan/thesis.txt", "plan"]
)
def test_what_only_looks_like_a_plans_is_refused_and_left(
    tmp_path: Path, name: str
) -> None:
    pictures(tmp_path / "in", 2)
    file = tmp_path / "out" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(UserError, match=name.split("/")[0]):
        plans.settle(tmp_path / "out", [str(tmp_path / "in")], 2, WHAT, overwrite=True)
    assert file.read_text() == "mine"


def test_hidden_folders_and_strange_lists_outlive_a_new_plan(tmp_path: Path) -> None:
    pictures(tmp_path / "in", 5)
    words, out = [str(tmp_path / "in")], tmp_path / "out"
    (out / ".git").mkdir(parents=True)
    (out / ".git" / "HEAD").write_text("mine")
    plans.settle(out, words, 2, WHAT)
    (out / "plan" / "notes.txt").write_text("mine")
    plan = plans.settle(out, words, 3, WHAT, overwrite=True)
    assert (out / ".git" / "HEAD").read_text() == "mine"
    assert (out / "plan" / "notes.txt").read_text() == "mine"
    assert [len(plan.pictures(n)) for n in range(plan.shards)] == [3, 2]
    assert len([*(out / "plan").rglob("0*.txt")]) == 2


def test_a_drive_without_locks_is_no_obstacle(tmp_path: Path, monkeypatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    pictures(tmp_path / "in", 5)
    plan = plans.settle(tmp_path / "out", [str(tmp_path / "in")], 2, WHAT)
    work.compute_all(plan, lambda paths: work.Content(("id",), [("x",)], 0))
    assert work.summary(plan)["missing"] == []


def test_the_same_words_of_another_working_folder_are_other_work(
    tmp_path: Path, monkeypatch
) -> None:
    for place in ("a", "b"):
        pictures(tmp_path / place / "in", 3)
    monkeypatch.chdir(tmp_path / "a")
    plan = plans.settle(Path("../out"), ["in"], 2, WHAT)
    here = plan.pictures(0)
    assert [p.id for p in here] == ["in/0/0.png", "in/1/1.png"]
    monkeypatch.chdir(tmp_path / "b")
    # Wherever a process is, the pictures are those that were planned.
    assert plan.pictures(0) == here
    assert all(str(Path(p.path)) == f"{tmp_path}/a/{p.id}" for p in here)
    with pytest.raises(UserError, match="working_folder"):
        plans.settle(tmp_path / "out", ["in"], 2, WHAT)
    assert plans.settle(tmp_path / "new", ["in"], 2, WHAT).images == 3


def test_where_locks_do_nothing_no_shard_of_the_same_work_is_removed(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    pictures(tmp_path / "in", 5)
    words, out = [str(tmp_path / "in")], tmp_path / "out"
    real, others = plans.pictures.walk, list[plans.Plan]()

    def slow(given: list[str]) -> object:
        for picture in real(given):
            if not others:  # Another process plans and computes all meanwhile.
                others.append(plans.Plan(out, 0, 0, {}))
                others[0] = plans.settle(out, words, 2, WHAT)
                work.compute_all(
                    others[0], lambda _: work.Content(("id",), [("x",)], 0)
                )
            yield picture

    monkeypatch.setattr(plans.pictures, "walk", slow)
    plan = plans.settle(out, words, 2, WHAT)
    assert plan == others[0] and work.summary(plan)["missing"] == []


@pytest.mark.parametrize("name", ["gs://b/out", "s3:/b/out"])
def test_an_output_behind_a_url_is_refused(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--output.*local"):
        plans.settle(Path(name), ["x"], 2, WHAT)
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_swept_and_what_is_locked_stays(
    tmp_path: Path,
) -> None:
    pictures(tmp_path / "in", 6)
    plan = plans.settle(tmp_path / "out", [str(tmp_path / "in")], 2, WHAT)
    left = [
        *(".0123456789ab.shard-000000.csv", ".0123456789ab.shard-000001.done.json"),
        ".shard-000000.lock",
    ]
    others = [".0123456789ab.notes.txt", ".shard-notes"]
    for name in (*left, *others):
        (plan.folder / name).touch()
    with locks.locked(plan.lock(1), waits=False):
        plans.sweep(plan.folder)
        assert (plan.folder / left[1]).exists() and plan.lock(1).exists()
        assert not (plan.folder / left[0]).exists() and not plan.lock(0).exists()
    work.compute_all(plan, lambda _: work.Content(("id",), [("x",)], 0))
    assert not any((plan.folder / name).exists() for name in left)
    assert all((plan.folder / name).exists() for name in others)


def test_a_plan_with_the_whole_paths_keeps_names(tmp_path, monkeypatch) -> None:
    pictures(tmp_path / "in", 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("path,id\nin/0/0.png,first\n")
    plan = plans.settle(tmp_path / "out", ["list.csv", "in"], 5, WHAT)
    path = f"{tmp_path}/in/0/0.png"
    assert plan.pictures(0) == [
        Picture(path, name="first"),
        Picture(path, name="in/0/0.png"),
    ]


def test_secrets_of_an_address_are_neither_told_nor_in_the_index(
    tmp_path: Path,
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    pictures(tmp_path / "in", 1)
    words = [f"file://{tmp_path}/in", "https://me:word@host/a.png?sig=abc"]
    request = {"images": words, "shard_images": 5, **WHAT}
    plan = plans.Plan(tmp_path, 1, 0, request)
    work.write_index(plan, list(work.finished(plan)))
    index = (tmp_path / plans.INDEX).read_text()
    with pytest.raises(UserError) as raised:
        raise plans._other(plan, {**request, "images": ["https://a:word@b/?sig=abc"]})
    for text in (index, str(raised.value)):
        assert "host/a.png" in text and "word" not in text and "abc" not in text


def test_what_is_secret_in_words_is_in_no_plan(tmp_path: Path) -> None:
    signed = [f"https://host/{n}.png?X-Amz-Signature=SECRET" for n in range(3)]
    (tmp_path / "l.txt").write_text("".join(f"{url}\n" for url in signed))
    words = [str(tmp_path / "l.txt"), "https://me:SECRET@host/a.png"]

    def listed() -> Iterator[Picture]:
        return iter([Picture(url, name=url.partition("?")[0]) for url in signed])

    plan = plans.settle(tmp_path / "out", plans.Listed(words, listed), 2, WHAT)
    work.end(plan)
    assert "SECRET" not in (tmp_path / "out" / plans.PLAN).read_text()
    # The addresses that are needed to read them are their owner's.
    assert [p.path for p in plan.pictures(0)] == signed[:2]
    assert stat.S_IMODE((tmp_path / "out" / "plan").stat().st_mode) == 0o700
    again = [words[0], "https://me:OTHER@host/a.png"]
    assert plans.settle(tmp_path / "out", plans.Listed(again, listed), 2, WHAT) == plan


def test_signed_addresses_are_not_written_into_a_store(far: str) -> None:
    def listed() -> Iterator[Picture]:
        return iter([Picture("https://host/a.png?sig=SECRET")])

    with pytest.raises(UserError, match="--output") as raised:
        plans.settle(stores.Place(far), plans.Listed(["x"], listed), 2, WHAT)
    assert "SECRET" not in str(raised.value)
    assert not (stores.Place(far) / plans.PLAN).is_file()


def test_what_a_killed_planner_left_is_removed_by_the_next(tmp_path: Path) -> None:
    pictures(tmp_path / "in", 5)
    names = ("plan/000/.0123456789ab.000001.txt", ".0123456789ab.plan.json")
    for name in (*names, "plan/.mine"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).touch()
    (tmp_path / "out" / ".plan.begun").touch()
    plans.settle(tmp_path / "out", [str(tmp_path / "in")], 2, WHAT)
    assert not any((tmp_path / "out" / name).exists() for name in names)
    assert (tmp_path / "out" / "plan" / ".mine").exists()


def test_a_plan_behind_a_url_is_settled_replaced_and_kept_apart(
    far: str, tmp_path: Path
) -> None:
    pictures(tmp_path / "in", 5)
    folder, words = stores.Place(far), [str(tmp_path / "in")]
    plan = plans.settle(folder, words, 2, WHAT)
    local = plans.settle(tmp_path / "out", words, 2, WHAT)
    assert [plan.pictures(n) for n in range(3)] == [local.pictures(n) for n in range(3)]
    assert plan.digest == local.digest and plans.settle(folder, words, 2, WHAT) == plan
    plan.file(0, "csv").write_bytes(b"")
    with pytest.raises(UserError, match="--overwrite"):
        plans.settle(folder, words, 4, WHAT)
    new = plans.settle(folder, words, 4, WHAT, overwrite=True)
    assert new.shards == 2 and not plan.file(0, "csv").is_file()
    assert len(stores.names(folder / "plan" / "000")) == 2
    (folder / "notes.txt").write_bytes(b"mine")
    with pytest.raises(UserError, match="notes.txt"):
        plans.settle(folder, words, 4, WHAT)


def test_a_list_that_is_not_as_long_as_planned_is_refused(tmp_path: Path) -> None:
    pictures(tmp_path / "in", 5)
    plan = plans.settle(tmp_path / "out", [str(tmp_path / "in")], 2, WHAT)
    file = tmp_path / "out" / "plan" / "000" / "000002.txt"
    assert len(plan.pictures(2)) == 1
    file.write_text(file.read_text() * 2)
    with pytest.raises(UserError, match="000002.txt.*expected 1 .*Received 2"):
        plan.pictures(2)


def test_messages_name_the_flag_of_an_audit(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    what = {"command": "audit"}
    with pytest.raises(UserError, match="--source"):
        plans.settle(tmp_path / "out", [str(tmp_path / "in")], 2, what)
    with pytest.raises(UserError, match="`audit`"):
        plans.read(tmp_path / "out")
