"""Files behind URLs are read as local ones are."""

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from tfpipeline.core import image_io, remote
from tfpipeline.core.errors import TemporaryError, UserError
from tfpipeline.core.image_formats import ImageError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("gs://b/a.png", "gs://b/a.png"),
        (Path("gs://b/a.png"), "gs://b/a.png"),
        (Path("hdfs://host:8020/a b"), "hdfs://host:8020/a b"),
        (Path("file:///tmp/x"), "file:///tmp/x"),
    ],
)
def test_a_url_is_known_also_after_pathlib(path: Any, expected: str) -> None:
    assert remote.is_remote(path) and remote.url(path) == expected
    assert remote.absolute(path) == expected


@pytest.mark.parametrize("path", ["a.png", "/gs:/x", "C:/x", "tfds:mnist", "./s3:/x"])
def test_local_paths_are_no_urls_and_need_no_fsspec(path: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    assert not remote.is_remote(path) and remote.url(path) == path
    with pytest.raises(ImageError, match="No such file"):
        image_io.content(path)


def test_without_fsspec_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UserError, match=r"\[remote\]"):
        remote.read("memory://a")


@pytest.fixture
def memory() -> Any:
    """A store in the memory of this process."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    store = fsspec.filesystem("memory")
    store.pipe({"/box/b/2.png": b"second", "/box/1.png": b"first", "/box/.x": b""})
    yield store
    store.rm("/box", recursive=True)


def test_a_file_is_read_whole_and_in_part(memory: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    for name in (f"file://{tmp_path}/x", Path(f"file://{tmp_path}/x")):
        assert image_io.content(name) == b"0123456789"
        assert image_io.content(name, 3, 4) == b"3456"
        with pytest.raises(ImageError, match="only 1 of 4"):
            image_io.content(name, 9, 4)
    assert image_io.content("memory://box/1.png") == b"first"


def test_what_is_not_there_is_an_error_of_the_picture(memory: Any) -> None:
    with pytest.raises(ImageError):
        image_io.content("memory://box/3.png")


def test_folders_and_globs_are_walked_by_name(memory: Any) -> None:
    both = ["memory:///box/1.png", "memory:///box/b/2.png"]
    assert list(remote.walk("memory://box")) == both
    assert list(remote.walk("memory://box/**/*.png"))[-1:] == both[1:]
    assert list(remote.walk("memory://box/1.png")) == both[:1]
    with pytest.raises(UserError, match="memory://none"):
        list(remote.walk("memory://none"))


@pytest.mark.parametrize("failures", [1, remote.TRIES])
def test_a_store_that_is_out_of_reach_is_asked_again(
    memory: Any, failures: int, monkeypatch
) -> None:
    real, left = type(memory).cat_file, [failures]

    def cat_file(self: Any, *given: Any, **more: Any) -> bytes:
        if left[0]:
            left[0] -= 1
            raise TimeoutError("no answer")
        return real(self, *given, **more)

    monkeypatch.setattr(type(memory), "cat_file", cat_file)
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0)
    if failures < remote.TRIES:
        assert remote.read("memory://box/1.png") == b"first"
    else:
        with pytest.raises(TemporaryError, match="no answer"):
            remote.read("memory://box/1.png")


def test_a_scheme_that_nobody_knows_is_told() -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    with pytest.raises(UserError, match="nosuch"):
        remote.read("nosuch://a/b")


def test_reading_a_local_file_opens_it_and_nothing_else(tmp_path, monkeypatch) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"0123")
    opened: list[str] = []
    real = builtins.open

    def noting(name: Any, *more: Any, **others: Any) -> Any:
        opened.append(str(name))
        return real(name, *more, **others)

    monkeypatch.setattr(builtins, "open", noting)
    assert image_io.content(file, 1, 2) == b"12" and opened == [str(file)]
