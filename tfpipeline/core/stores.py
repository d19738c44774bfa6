"""Results behind URLs: a `Place` has those ways of a `Path` that shards need.

A file gets its name when it is whole. Object stores do that by themselves: an upload is
there at its end or not at all. Elsewhere (`file://`, `hdfs://`, `sftp://`, ...) it is
uploaded under a temporary name beside, which is then changed.
"""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tfpipeline.core import remote
from tfpipeline.core.errors import UserError

# Where an upload is one step, and a new name would be a copy.
_WHOLE = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci", "r2", "memory")

# Files that are read, or removed, by one request to a store.
_TOGETHER = 1000


@dataclass(frozen=True)
class Place:
    """A file or folder behind a URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "Place":
        return Place(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot; empty where it has none."""
        return os.path.splitext(self.name)[1]

    def absolute(self) -> "Place":
        """Return it: a URL means the same in any working folder."""
        return self

    def is_file(self) -> bool:
        """Tell whether there is such a file."""

        def ask(files: Any, name: str) -> bool:
            files.invalidate_cache()
            return bool(files.info(name)["type"] == "file")

        try:
            return remote.tried(self.url, ask)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def names(self) -> list[str]:
        """Return the names of what is in a folder; none where there is no folder."""

        def ask(files: Any, name: str) -> list[str]:
            files.invalidate_cache()
            return [entry["name"] for entry in files.ls(name, detail=True)]

        try:
            found = remote.tried(self.url, ask)
        except FileNotFoundError:
            return []
        # Some stores have an entry for the folder itself.
        return [n for each in found if (n := each.rstrip("/").rpartition("/")[2])]

    def read_bytes(self) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: There is none.
        """
        return remote.read(self.url)

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the content of a text file; see `read_bytes`."""
        return self.read_bytes().decode(encoding, errors)

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Write a file whole or not at all."""
        self._write(lambda files, name: files.pipe_file(name, bytes(data)))

    def upload(self, file: Path) -> None:
        """Copy a local file there, whole or not at all."""
        self._write(lambda files, name: files.put_file(os.fspath(file), name))

    def _write(self, put: Any) -> None:
        def ask(files: Any, name: str) -> None:
            try:
                step(files, name)
            except NotImplementedError:
                raise self._refused("its file system is only read") from None

        def step(files: Any, name: str) -> None:
            if self.url.partition(":")[0] in _WHOLE:
                put(files, name)
                return
            above, _, last = name.rpartition("/")
            files.makedirs(above, exist_ok=True)
            temporary = f"{above}/.{uuid.uuid4().hex[:12]}.{last}"
            try:
                put(files, temporary)
            except BaseException:
                with contextlib.suppress(Exception):
                    files.rm_file(temporary)
                raise
            try:
                files.mv(temporary, name)
            except Exception:
                # Some file systems rename nothing over a file that is there.
                if not files.exists(name):
                    raise
                files.rm_file(name)
                files.mv(temporary, name)

        try:
            remote.tried(self.url, ask, "write")
        except OSError as error:
            raise self._refused(str(error) or type(error).__name__) from error

    def _refused(self, why: str) -> UserError:
        return UserError(
            f"{self.url}: cannot be written: {why}. Name a folder of a store that can "
            "be written."
        )

    @contextlib.contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Give a file, open to be read, any part of it at any time."""
        with remote.tried(self.url, lambda files, name: files.open(name, "rb")) as file:
            yield file


def of(flag: str, word: str | os.PathLike[str]) -> Path | Place:
    """Return what a flag names: a local path, or a place behind a URL.

    Raises:
        UserError: The URL has a password or a signature, which would be written down;
            a letter of globs, by which stores would mean other files; or no folder.
    """
    if not remote.is_remote(word):
        return Path(word)
    url = remote.url(word)
    if remote.shown(url) != url:
        raise UserError(
            f"{flag} {remote.shown(url)}: expected a URL without a password, token or "
            "signature. Give them as the store's package reads them: in environment "
            "variables or its configuration file."
        )
    if remote.is_glob(url):
        raise UserError(
            f"{flag} {url}: expected a URL without the letters *, ? and [, which stand "
            "for other names in stores. Choose another name."
        )
    if not url.partition(":")[2].strip("/"):
        raise UserError(
            f"{flag} {url}: expected a URL with a folder. Received none. Name one, as "
            f"in {url.partition(':')[0]}://NAME."
        )
    return Place(url.rstrip("/"))


def names(folder: Path | Place) -> list[str]:
    """Return the names of what is in a folder; none where there is no folder."""
    if isinstance(folder, Place):
        return folder.names()
    return os.listdir(folder) if folder.is_dir() else []


def contents(files: Sequence[Path | Place]) -> Iterator[bytes | None]:
    """Yield the content of each of some files, None of one that is not there.

    Behind URLs, many are read at a time.
    """
    for start in range(0, len(files), _TOGETHER):
        part = files[start : start + _TOGETHER]
        known = _read_together([f.url for f in part if isinstance(f, Place)])
        for file in part:
            data = known.get(str(file)) if isinstance(file, Place) else None
            if data is None and (not isinstance(file, Place) or str(file) not in known):
                with contextlib.suppress(FileNotFoundError):
                    data = file.read_bytes()
            yield data


def _read_together(urls: Sequence[str]) -> dict[str, bytes | None]:
    """Return what one request for several files says; None of what is not there."""
    if len(urls) < 2:
        return {}

    def ask(files: Any, _: str) -> dict[str, Any]:
        by_name = {str(files._strip_protocol(url)): url for url in urls}
        found = files.cat([*by_name], on_error="return")
        return {by_name[n]: value for n, value in found.items() if n in by_name}

    try:
        found = remote.tried(urls[0], ask)
    except FileNotFoundError:  # None of them is there.
        return dict.fromkeys(urls)
    # What failed otherwise is asked for once more, by itself.
    return {
        url: value if isinstance(value, bytes) else None
        for url, value in found.items()
        if isinstance(value, (bytes, FileNotFoundError))
    }


def remove(files: Sequence[Path | Place]) -> None:
    """Remove files, those behind URLs many at a time; what is not there is passed."""
    urls = [file.url for file in files if isinstance(file, Place)]

    def ask(store: Any, _: str) -> None:
        paths = [str(store._strip_protocol(url)) for url in part]
        # Many at a time would be taken for globs.
        for path in (alone := [path for path in paths if remote.is_glob(path)]):
            with contextlib.suppress(FileNotFoundError):
                store.rm_file(path)
        if several := [path for path in paths if path not in alone]:
            store.rm(several)

    for start in range(0, len(urls), _TOGETHER):
        part = urls[start : start + _TOGETHER]
        with contextlib.suppress(FileNotFoundError):
            remote.tried(part[0], ask, "remove")
    for file in files:
        if isinstance(file, Path):
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(place: Place) -> Iterator[Path]:
    """Give a temporary local name; upload the file when all went well."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, place.name)
        yield file
        place.upload(file)


@contextlib.contextmanager
def opened(file: Path | Place) -> Iterator[IO[bytes]]:
    """Give a file, open to be read."""
    with file.opened() if isinstance(file, Place) else open(file, "rb") as content:
        yield content
