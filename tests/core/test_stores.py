"""Files of results behind URLs are whole, and found again."""

import os
from pathlib import Path
from typing import Any

import pytest

from tfpipeline.core import file_io, remote, stores
from tfpipeline.core.errors import TemporaryError, UserError
from tfpipeline.core.stores import Place


def test_local_paths_stay_paths_and_urls_become_places() -> None:
    assert stores.of("--output", "out/x") == Path("out/x")
    assert stores.of("--output", "gs://b/out/") == Place("gs://b/out")
    assert stores.of("--output", Path("gs://b/out")) == Place("gs://b/out")
    assert str(Place("gs://b/out") / "a.csv") == "gs://b/out/a.csv"
    assert (Place("gs://b/out") / "a.tar.gz").suffix == ".gz"


@pytest.mark.parametrize(
    "url", ["https://me:word@host/out", "https://h/out?X-Amz-Signature=1"]
)
def test_what_is_secret_in_the_url_of_an_output_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="--output") as raised:
        stores.of("--output", url)
    assert "word" not in str(raised.value).partition("password")[0]
    assert "Signature" not in str(raised.value)


@pytest.mark.parametrize("url", ["memory://b/run[12]", "gs://b/*", "s3://b/a?c"])
def test_letters_of_globs_in_the_url_of_an_output_are_refused(url: str) -> None:
    with pytest.raises(UserError, match="--output") as raised:
        stores.of("--output", url)
    assert url in str(raised.value)


@pytest.mark.parametrize("url", ["memory://", "memory:///", "file:///", "s3://"])
def test_the_url_of_an_output_has_a_folder(url: str) -> None:
    with pytest.raises(UserError, match="--output"):
        stores.of("--output", url)
    assert stores.of("--output", "s3://bucket/") == Place("s3://bucket")


def test_a_file_is_removed_by_its_name_and_not_as_a_glob(far: str) -> None:
    folder = Place(far)
    for name in ("run[12]", "run1", "run2", "a*", "ab"):
        file_io.write_text(folder / name, "x")
    stores.remove([folder / "run[12]", folder / "a*", folder / "b?", folder / "run2"])
    assert sorted(stores.names(folder)) == ["ab", "run1"]


def test_a_file_is_renamed_over_the_old_one_and_only_else_is_that_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    place = Place(f"file://{tmp_path}/a")
    files, _ = remote.tried(place.url, lambda files, name: (files, name))
    removed, real, move = list[str](), type(files).rm_file, type(files).mv

    def remove(self: Any, name: str) -> None:
        removed.append(name)
        real(self, name)

    monkeypatch.setattr(type(files), "rm_file", remove)
    place.write_bytes(b"first")
    place.write_bytes(b"second")
    assert place.read_bytes() == b"second" and not removed

    def refuse(self: Any, name: str, to: str, **more: Any) -> None:
        if os.path.exists(to):
            raise FileExistsError(to)
        move(self, name, to, **more)

    monkeypatch.setattr(type(files), "mv", refuse)
    place.write_bytes(b"third")
    assert place.read_bytes() == b"third" and removed == [str(tmp_path / "a")]
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_is_written_read_listed_and_removed(far: str, tmp_path: Path) -> None:
    folder = Place(far)
    assert stores.names(folder) == [] and not (folder / "a").is_file()
    file_io.write_text(folder / "a", "first")
    file_io.write_json(folder / "b" / "c.json", {"n": 1})
    assert (folder / "a").read_text() == "first" and not (folder / "b").is_file()
    assert sorted(stores.names(folder)) == ["a", "b"]
    file_io.write_bytes(folder / "a", b"second")
    assert (folder / "a").read_bytes() == b"second"
    with stores.opened(folder / "a") as file:
        assert file.read(3) == b"sec"
    with stores.replacing(folder / "d.csv") as local:
        local.write_text("id\n")
    assert (folder / "d.csv").read_text() == "id\n"
    files = [folder / "a", folder / "none", folder / "b" / "c.json", tmp_path / "x"]
    found = [*stores.contents(files)]
    assert found == [b"second", None, b'{\n  "n": 1\n}\n', None]
    assert [*stores.contents(files[1:2])] == [None]
    stores.remove([folder / "a", folder / "d.csv", tmp_path / "x"])
    assert stores.names(folder) == ["b"]
    with pytest.raises(FileNotFoundError):
        (folder / "a").read_bytes()


def test_what_fails_on_the_way_leaves_the_old_file(
    far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Place(far) / "a"
    file.write_bytes(b"first")
    files, _ = remote.tried(far, lambda files, name: (files, name))
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0)

    def breaks(name: str, data: bytes, **more: Any) -> None:
        if far.startswith("file"):
            Path(name).write_bytes(data[:1])
        raise ConnectionError("gone")

    monkeypatch.setattr(files, "pipe_file", breaks)
    with pytest.raises(TemporaryError, match="write"):
        file.write_bytes(b"second")
    assert file.read_bytes() == b"first" and stores.names(Place(far)) == ["a"]


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (NotImplementedError(), UserError, "only read"),
        (FileNotFoundError("no such bucket"), UserError, "no such bucket"),
        (PermissionError("denied"), TemporaryError, "permission to write"),
    ],
)
def test_where_nothing_can_be_written_the_place_is_named(
    error: Exception, kind: type[UserError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")

    def refuses(*_: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refuses)
    with pytest.raises(kind, match=said) as raised:
        Place("memory://far/a").write_bytes(b"")
    assert type(raised.value) is kind and "memory://far/a" in str(raised.value)


def test_a_store_without_its_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match="s3://b/out.*s3fs"):
        stores.names(Place("s3://b/out"))


def test_local_files_are_renamed_and_ask_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "tried", None)
    file_io.write_text(tmp_path / "a", "x")
    assert [*stores.contents([tmp_path / "a", tmp_path / "b"])] == [b"x", None]
    assert stores.names(tmp_path) == os.listdir(tmp_path) == ["a"]
    assert stores.names(tmp_path / "none") == []
    stores.remove([tmp_path / "a"])
    assert stores.names(tmp_path) == []
