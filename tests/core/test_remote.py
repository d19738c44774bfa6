"""Files behind URLs are read as local ones are."""

import builtins
import errno
import importlib
import os
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
        ("hdfs:///user/a.jpg", "hdfs:///user/a.jpg"),
        ("s3://b//a//b.jpg", "s3://b//a//b.jpg"),
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
    # Its methods may be patched still.
    store.store.clear()
    store.pseudo_dirs[:] = [""]


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


@pytest.mark.parametrize("prefix", ["memory://box", "memory:///box"])
def test_folders_and_globs_are_walked_by_name(memory: Any, prefix: str) -> None:
    both = [f"{prefix}/1.png", f"{prefix}/b/2.png"]
    for word in (prefix, f"{prefix}/"):
        assert list(remote.walk(word)) == [f"{prefix}/.x", *both]
    assert list(remote.walk(f"{prefix}/**/*.png"))[-1:] == both[1:]
    assert list(remote.walk(f"{prefix}/1.png")) == both[:1]
    for none in (f"{prefix}/none", f"{prefix}/*.jpg"):
        with pytest.raises(UserError, match="memory://.*Found none"):
            list(remote.walk(none))


def test_the_host_of_a_store_is_in_every_name(monkeypatch) -> None:
    """An `HadoopFileSystem` has names without the host, as pyarrow's has."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    from fsspec.implementations.arrow import HadoopFileSystem

    class Hadoop(HadoopFileSystem):
        """One that has its files in memory; its names are the real one's."""

        def __init__(self, host: str, port: int = 0, **_: Any) -> None:
            fsspec.AbstractFileSystem.__init__(self)
            self.asked = host, port

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            name = self._strip_protocol(path)
            kind = "file" if name.endswith(".jpg") else "directory"
            return {"name": name, "type": kind, "size": 1}

        def find(self, path: str, *_: Any, **more: Any) -> Any:
            return [f"{self._strip_protocol(path)}/{n}.jpg" for n in (2, 1)]

        def glob(self, path: str, **_: Any) -> Any:
            return {n: {"type": "file"} for n in self.find(path.rpartition("/")[0])}

    known = importlib.import_module("fsspec.registry")
    monkeypatch.setitem(known._registry, "hdfs", Hadoop)
    names = ["hdfs://host:8020/data/1.jpg", "hdfs://host:8020/data/2.jpg"]
    assert list(remote.walk("hdfs://host:8020/data")) == names
    assert list(remote.walk("hdfs://host:8020/data/*.jpg")) == names
    assert list(remote.walk(names[0])) == names[:1]


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (PermissionError("ExpiredToken"), "credentials"),
        (type("Status", (Exception,), {"status": 403})("no"), "credentials"),
        (type("Status", (Exception,), {"status": 429})("slowly"), "4 times"),
        (ConnectionError("gone"), "4 times"),
    ],
)
def test_what_may_go_well_later_is_no_error_of_the_picture(
    memory: Any, error: Exception, what: str, monkeypatch
) -> None:
    def refused(*_: Any, **more: Any) -> bytes:
        raise error

    monkeypatch.setattr(remote, "WAIT_SECONDS", 0)
    for name in ("cat_file", "info", "open", "glob"):
        monkeypatch.setattr(type(memory), name, refused)
    with pytest.raises(TemporaryError, match=what):
        image_io.content("memory://box/1.png")
    for word in ("memory://box", "memory://box/*"):
        with pytest.raises(TemporaryError, match=what):
            list(remote.walk(word))
    with pytest.raises(TemporaryError, match=what), remote.lines("memory://box/l.txt"):
        pass


def test_what_a_server_refuses_for_good_is_an_error_of_the_picture(
    memory: Any, monkeypatch
) -> None:
    asked: list[str] = []

    def gone(_: Any, name: str, **more: Any) -> bytes:
        asked.append(name)
        raise type("Status", (Exception,), {"status": 410})("Gone")

    monkeypatch.setattr(type(memory), "cat_file", gone)
    with pytest.raises(ImageError, match="410"):
        image_io.content("memory://box/1.png")
    assert len(asked) == 1


def test_a_list_that_is_not_there_is_told_and_one_that_breaks_off_too(
    memory: Any,
) -> None:
    with pytest.raises(UserError, match="Found none"), remote.lines("memory://box/l"):
        pass
    with pytest.raises(TemporaryError), remote.lines("memory://box/1.png") as text:
        assert text.read() == "first"
        raise ConnectionResetError("gone")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://me:word@host/a.png", "https://host/a.png"),
        ("https://TOKEN@host/a.png", "https://host/a.png"),
        ("sftp://me@host/a.png", "sftp://me@host/a.png"),
        ("https://h/a.png?X-Amz-Date=1&X-Amz-Signature=2", "https://h/a.png"),
        ("https://h/a.png?sv=1&sig=2&sp=r", "https://h/a.png"),
        ("https://h/get?id=3", "https://h/get?id=3"),
        *(
            (f"https://h/a.png{mark}a=1&{name}=2", "https://h/a.png")
            for name in ("key", "apikey", "api-key", "x-api-key", "password", "auth")
            for mark in "?#"
        ),
        ("https://h/a.png?v=1#access_token=2", "https://h/a.png"),
        ("webhdfs://h/a.png?delegation=2", "webhdfs://h/a.png"),
        ("https://h/get?keyword=3&monkey=4#5", "https://h/get?keyword=3&monkey=4#5"),
        ("/tmp/a?sig=3", "/tmp/a?sig=3"),
    ],
)
def test_secrets_of_an_address_are_not_shown(given: str, shown: str) -> None:
    assert remote.shown(given) == shown


@pytest.mark.parametrize("name", ["EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT"])
def test_a_mounted_drive_that_is_gone_is_no_error_of_the_picture(
    name: str, tmp_path: Path, monkeypatch
) -> None:
    from tfpipeline.data.inspect_file import examine

    (tmp_path / "x.png").touch()
    number = getattr(errno, name)

    def gone(*_: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(builtins, "open", gone)
    with pytest.raises(TemporaryError, match=os.strerror(number)):
        image_io.content(tmp_path / "x.png")
    monkeypatch.setattr(os, "stat", gone)
    with pytest.raises(TemporaryError, match=os.strerror(number)):
        examine(tmp_path / "x.png")


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
