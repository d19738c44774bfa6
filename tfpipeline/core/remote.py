"""Files elsewhere: `gs://`, `s3://`, `hdfs://` and every other URL that fsspec knows.

Local paths never get here: that they are none is a look at their first letters.
"""

import contextlib
import errno
import importlib
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

from tfpipeline.core.errors import TemporaryError, UserError

_Found = TypeVar("_Found")

# Two letters at least: `C:/` is a drive. A path that went through `pathlib` has one
# slash left.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):(/+)(?=.)")

# What is nobody's business: a name with a password, and what signs an address.
_USER = re.compile(r"(?<=://)[^/@]*:[^/@]*@|(?<=^http://)[^/@]*@|(?<=^https://)[^/@]*@")
_SIGNED = re.compile(
    r"[?#](.*[&#;])?(x-(amz|goog)-[^=&]*|sig|signature|([\w-]*[_-])?(token|key)|apikey"
    r"|credentials?|password|passwd|secret|auth|authorization|delegation"
    r"|awsaccesskeyid|googleaccessid|key-pair-id)=.*",
    re.IGNORECASE,
)

# How often a store is asked, and how long to wait before the second time.
TRIES, WAIT_SECONDS = 4, 0.5

# What a mounted drive says that does not answer.
_GONE = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN)

# What is not there, and is not there a second later.
_MISSING = (FileNotFoundError, IsADirectoryError, NotADirectoryError)

# What a server says that means: later, or with another permission.
_LATER, _FORBIDDEN = (408, 425, 429), (401, 403)


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is a URL."""
    return _URL.match(os.fspath(path)) is not None


def url(path: str | os.PathLike[str]) -> str:
    """Return a URL as it was given; its slashes, where `pathlib` has left one."""
    text = os.fspath(path)
    match = _URL.match(text)
    if match is None or len(match[2]) > 1:
        return text
    slashes = ":///" if match[1] in ("file", "local") else "://"
    return match[1] + slashes + text[match.end() :]


def shown(path: str | os.PathLike[str]) -> str:
    """Return a URL for people and files: without passwords, and what signs it."""
    text = url(path)
    return _SIGNED.sub("", _USER.sub("", text)) if is_remote(text) else text


def check_local(flag: str, path: str | os.PathLike[str]) -> None:
    """Refuse a URL where only a file system of this machine will do."""
    if is_remote(path):
        raise UserError(
            f"{flag} {shown(path)}: expected a local or mounted path. Received a URL. "
            "Mount the store, or write here and copy the results."
        )


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the whole path of a local file, or a URL."""
    return url(path) if is_remote(path) else os.path.abspath(path)


def check_reachable(path: str | os.PathLike[str], error: OSError) -> None:
    """Raise a `TemporaryError` for the error of a mounted drive that is gone."""
    if error.errno in _GONE:
        raise TemporaryError(
            f"{path}: expected to read it, but: {error.strerror}. Give the same "
            "command again when the drive can be reached."
        ) from error


def read(path: str | os.PathLike[str], offset: int = 0, length: int = 0) -> bytes:
    """Return the bytes of a file, or a part of them.

    Raises:
        OSError: There is no such file, or its server refuses it for good.
        TemporaryError: It could not be reached, several times, or may not be read now.
    """
    end = offset + length if length else None

    def content(files: Any, name: str) -> bytes:
        if not offset and end is None:
            return bytes(files.cat_file(name))
        return bytes(files.cat_file(name, start=offset, end=end))

    return tried(path, content)


@contextlib.contextmanager
def lines(path: str | os.PathLike[str]) -> Iterator[IO[str]]:
    """Give a text file, open to be read line by line.

    Raises:
        UserError: There is none.
        TemporaryError: It could not be reached, or is no longer.
    """
    how = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    try:
        text = tried(path, lambda files, name: files.open(name, "r", **how))
        with text:
            yield text
    except _MISSING:
        raise _nothing(path) from None
    except OSError as error:
        raise _out_of_reach(path, error) from error


def walk(path: str) -> Iterator[str]:
    """Yield the files that a URL means, by name: a file, those below a folder, a glob.

    Each begins as the URL does.

    Raises:
        UserError: It means none.
        TemporaryError: The store could not be reached, several times.
    """
    try:
        name, names = tried(path, _names)
    except _MISSING:
        names = []
    if not names:
        raise _nothing(path)
    if names == [name]:
        yield url(path)
        return
    given = url(path).rstrip("/")
    if is_glob(path):
        given, name = (_GLOB.split(text, maxsplit=1)[0] for text in (given, name))
        given, name = given.rpartition("/")[0], name.rpartition("/")[0]
    name = name.rstrip("/")
    for each in names:
        yield given + each[len(name) :] if each.startswith(f"{name}/") else each


_GLOB = re.compile(r"[*?\[]")


def is_glob(path: str) -> bool:
    """Tell whether a URL names several files; behind `?` on the web, it does not."""
    text = url(path)
    return _GLOB.search(text.partition("?")[0] if _is_web(text) else text) is not None


def _is_web(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _names(files: Any, name: str) -> tuple[str, list[str]]:
    """Return the name that was asked for, and those of the files that it means."""
    if _GLOB.search(name.partition("?")[0] if _is_web(name) else name):
        found = files.glob(name, detail=True)
        return name, sorted(n for n, a in found.items() if a["type"] != "directory")
    is_folder = name.endswith("/") if _is_web(name) else False
    if is_folder or files.info(name)["type"] == "directory":
        return name, sorted(files.find(name))
    return name, [name]


def tried(
    path: str | os.PathLike[str],
    ask: Callable[[Any, str], _Found],
    what: str = "read",
) -> _Found:
    """Ask the store of a URL, several times where it does not answer.

    Args:
        path: The URL.
        ask: From its file system, and the name that it has there, to what is wanted.
        what: What is done, for messages.

    Raises:
        OSError: What is asked for is not there, or is refused for good.
        TemporaryError: It could not be reached, or this is not allowed now.
        UserError: What its scheme needs is not installed.
    """
    for trial in range(TRIES):
        try:
            return ask(*_open(path))
        except (UserError, *_MISSING):
            raise
        except PermissionError as error:
            raise _not_now(path, error, what) from error
        except Exception as error:  # Each store has exceptions of its own.
            status = getattr(error, "status", getattr(error, "code", None))
            if status in _FORBIDDEN:
                raise _not_now(path, error, what) from error
            if isinstance(status, int) and 400 <= status < 500:
                if status not in _LATER:
                    raise OSError(errno.EINVAL, f"HTTP status {status}") from None
            cause = error
        if trial + 1 < TRIES:
            time.sleep(WAIT_SECONDS * 2**trial)
    raise _out_of_reach(path, cause, what) from cause


def _out_of_reach(
    path: str | os.PathLike[str], error: BaseException, what: str = "read"
) -> TemporaryError:
    return TemporaryError(
        f"{shown(path)}: expected to {what} it, but {TRIES} times: "
        f"{_why(path, error)}. Give the same command again when the store can be "
        "reached."
    )


def _not_now(
    path: str | os.PathLike[str], error: BaseException, what: str
) -> TemporaryError:
    return TemporaryError(
        f"{shown(path)}: expected the permission to {what} it, but: "
        f"{_why(path, error)}. Renew the credentials, or ask for the permission, and "
        "give the same command again."
    )


def _nothing(path: str | os.PathLike[str]) -> UserError:
    return UserError(
        f"{shown(path)}: expected a file, a folder with files, or a match of a glob. "
        "Found none."
    )


def _why(path: str | os.PathLike[str], error: BaseException) -> str:
    """Return what an error says, without what is secret in an address."""
    return (str(error) or repr(error)).replace(url(path), shown(path))


def _open(path: str | os.PathLike[str]) -> tuple[Any, str]:
    """Return the file system of a URL, and the name that a file has there."""
    address = url(path)
    try:
        core = importlib.import_module("fsspec.core")
    except ImportError:
        raise UserError(
            f"{shown(path)}: expected fsspec to be installed, which reads URLs. Do: "
            "pip install 'tfpipeline[remote]'."
        ) from None
    try:
        files, name = core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"{shown(path)}: expected a URL of a file system that fsspec knows. "
            f"{_why(path, error)}."
        ) from None
    return files, str(name)
