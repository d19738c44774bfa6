"""How the process of a command starts and ends: quietly, and without garbage."""

import atexit
import contextlib
import gc
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfpipeline.core import hardware
from tfpipeline.core.errors import UserError

# Keras imports these with itself wherever they are installed, and works without them;
# nothing here asks Keras for what they are for. They take half a second, and more.
_NOT_FOR_KERAS = ("IPython", "matplotlib", "pandas", "scipy", "sklearn")

# Whether this process was started for a command, and ends with it.
_own_process = threading.Event()


def own_process() -> None:
    """Note that this process was started for a command, and ends with it."""
    _own_process.set()
    atexit.register(_leave)


def owns_process() -> bool:
    """Tell whether this process was started for a command, and ends with it."""
    return _own_process.is_set()


def _leave() -> None:
    """Free nothing object by object at the end.

    Taking TensorFlow's modules apart takes a second.
    """
    gc.disable()
    gc.freeze()


@contextlib.contextmanager
def quiet_start(*, keras: bool = True) -> Iterator[None]:
    """Keep TensorFlow's start-up chatter from the user while it is first imported.

    Its C++ log writes to the file descriptor before any setting can reach it, so the
    descriptor itself is set aside; what was written is shown if something unforeseen
    goes wrong meanwhile. The first use of a device writes as well: put it inside.

    No garbage is looked for meanwhile: imports make none, and looking through all that
    they make again and again takes a fifth of their time. In a process of a command of
    its own Keras is imported first, unless it is not needed, and finds none of what
    only its other uses need.
    """
    collecting = gc.isenabled()
    gc.disable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # Else the first process takes all memory of a GPU, and `export` needs a second one.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    hardware.limit_threads()
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            if keras and _own_process.is_set():
                with _hidden(_NOT_FOR_KERAS):
                    importlib.import_module("keras")
            yield
        except UserError:
            raise
        except BaseException:
            chatter.seek(0)
            os.write(kept, chatter.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if _own_process.is_set():
                # What was imported stays: it is not looked through ever again.
                gc.freeze()
            if collecting:
                gc.enable()


@contextlib.contextmanager
def _hidden(names: Sequence[str]) -> Iterator[None]:
    """Let packages that are not imported yet look as if they were not installed.

    Source: Python's reference, import system: None in `sys.modules` ends a search.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def cache_folder(cache_dir: str | None) -> Path:
    """Return the folder that runs share; the user's own cache folder by default."""
    if cache_dir:
        return Path(cache_dir)
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "tfpipeline"
