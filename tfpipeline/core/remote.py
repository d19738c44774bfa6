"""Files elsewhere: `gs://`, `s3://`, `hdfs://` and every other URL that fsspec knows.

Local paths never get here: that they are none is a look at their first letters.
"""

import importlib
import os
import re
import time
from collections.abc import Iterator
from typing import Any

from tfpipeline.core.errors import TemporaryError, UserError

# Two letters at least: `C:/` is a drive. A path that went through `pathlib` has one
# slash left.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(?=.)")

# How often a file is asked for, and how long to wait before the second time.
TRIES, WAIT_SECONDS = 4, 0.5


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a URL."""
    return _URL.match(os.fspath(path)) is not None


def url(path: str | os.PathLike[str]) -> str:
    """Return a URL with both its slashes; of `file:` with all three."""
    text = os.fspath(path)
    match = _URL.match(text)
    if match is None:
        return text
    slashes = ":///" if match[1] in ("file", "local") else "://"
    return match[1] + slashes + text[match.end() :]


def check_local(flag: str, path: str | os.PathLike[str]) -> None:
    """Refuse a URL where results are written or read back."""
    if is_remote(path):
        raise UserError(
            f"{flag} {path}: expected a local or mounted path. Received a URL. "
            "Mount the store, or write here and copy the results."
        )


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the whole path of a local file, or a URL."""
    return url(path) if is_remote(path) else os.path.abspath(path)


def read(path: str | os.PathLike[str], offset: int = 0, length: int = 0) -> bytes:
    """Return the bytes of a file, or a part of them.

    Raises:
        OSError: There is no such file, or it may not be read.
        TemporaryError: It could not be reached, several times.
    """
    files, name = _open(path)
    end = offset + length if length else None
    for trial in range(TRIES):
        try:
            if not offset and end is None:
                return bytes(files.cat_file(name))
            return bytes(files.cat_file(name, start=offset, end=end))
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            raise
        except Exception as error:  # Each store has exceptions of its own.
            cause = error
        if trial + 1 < TRIES:
            time.sleep(WAIT_SECONDS * 2**trial)
    raise TemporaryError(
        f"{url(path)}: expected to read it, but {TRIES} times: {cause}. Give the same "
        "command again when the store can be reached."
    ) from cause


def lines(path: str | os.PathLike[str]) -> Any:
    """Return a text file, open to be read line by line."""
    files, name = _open(path)
    return files.open(name, "r", encoding="utf-8-sig", errors="surrogateescape")


def walk(path: str) -> Iterator[str]:
    """Yield the files that a URL means, by name: a file, those below a folder, a glob.

    Raises:
        UserError: It means none.
    """
    files, name = _open(path)
    if any(letter in name for letter in "*?["):
        names = sorted(n for n in files.glob(name) if not files.isdir(n))
    elif files.isdir(name):
        names = sorted(files.find(name))
    else:
        names = [name] if files.exists(name) else []
    if not names:
        raise UserError(
            f"{path}: expected a file, a folder with files, or a match of a glob. "
            "Found none."
        )
    for each in names:
        if not each.rpartition("/")[2].startswith("."):
            yield str(files.unstrip_protocol(each))


def _open(path: str | os.PathLike[str]) -> tuple[Any, str]:
    """Return the file system of a URL, and the name that a file has there."""
    address = url(path)
    try:
        core = importlib.import_module("fsspec.core")
    except ImportError:
        raise UserError(
            f"{address}: expected fsspec to be installed, which reads URLs. Do: pip "
            "install 'tfpipeline[remote]'."
        ) from None
    try:
        files, name = core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{address}: expected a URL of a file system that fsspec knows. {error}."
        ) from None
    return files, str(name)
