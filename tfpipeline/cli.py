"""GROUND: a verb from its command line to its exit code. Imports no TensorFlow."""

import atexit
import contextlib
import gc
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tfpipeline import interruption, machine, terminal
from tfpipeline.errors import UserError, mendable
from tfpipeline.flags import anchored, dump, of_run, parse, read

__all__ = [
    "anchored",
    "cache_folder",
    "dump",
    "main",
    "of_run",
    "parse",
    "quiet_start",
]

Settings = TypeVar("Settings")

# Keras imports these with itself wherever they are installed, and works without them;
# nothing here asks Keras for what they are for. They take half a second, and more.
_NOT_FOR_KERAS = ("IPython", "matplotlib.pyplot", "pandas", "sklearn")

# Whether this process was started for a command, and ends with it.
_own_process = threading.Event()


def main(
    command: Callable[[Settings], Any],
    settings: type[Settings],
    argv: Sequence[str] | None = None,
) -> int:
    """Run a verb from the command line and return its exit code.

    Args:
        command: The verb; its docstring's first line is the description.
        settings: The frozen dataclass that it takes.
        argv: The words of the command line; those of this process where None.

    Returns:
        0 when all went well, 1 when a part of what was asked for was not done, 2 after
        an error that the user can mend, 75 where the same command may go well the next
        time, 130 after Ctrl-C, 143 after SIGTERM.

    Raises:
        SystemExit: With code 141, where nobody reads what it prints any more.
    """
    with terminal.heard():
        return _main(command, settings, argv)


def _main(
    command: Callable[[Settings], Any],
    settings: type[Settings],
    argv: Sequence[str] | None,
) -> int:
    if argv is None:
        _own_process.set()
        atexit.register(_leave)
    prog = f"python -m {command.__module__ if argv is not None else _module_name()}"
    description = (command.__doc__ or "").strip().splitlines()[0]
    try:
        arguments = sys.argv[1:] if argv is None else argv
        given, switches = read(settings, arguments, prog=prog, description=description)
        told = terminal.speaking(quiet=switches.quiet, as_json=switches.json)
        with told, interruption.terminable(), mendable():
            terminal.answer(command(given))
        return 0
    except interruption.Stopped as error:
        terminal.end_badly(str(error))
        return 128 + error.number
    except UserError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt as error:
        return _fail(
            "Interrupted. No file is half-written; the same command goes on from what "
            "is kept, or starts again.",
            143 if isinstance(error, interruption.Terminated) else 130,
        )


def _module_name() -> str:
    """Return the dotted name under which ``python -m`` started this process."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec is not None else Path(sys.argv[0]).stem


def _leave() -> None:
    """Let go of nothing object by object: the process ends, and all of it with it.

    Taking TensorFlow's modules apart takes a second.
    """
    gc.disable()
    gc.freeze()


def _fail(message: str, code: int) -> int:
    terminal.end_badly(f"error: {message}")
    return code


@contextlib.contextmanager
def quiet_start(*, keras: bool = True) -> Iterator[None]:
    """Keep TensorFlow's start-up chatter from the user while it is first imported.

    Its C++ log writes to the file descriptor before any setting can reach it, so the
    descriptor itself is set aside; what was written is shown if something unforeseen
    goes wrong meanwhile. The first use of a device writes as well: put it inside.

    No garbage is looked for meanwhile: imports make none, and looking through all that
    they make again and again takes a fifth of their time. In a process of a command of
    its own Keras is imported first, and finds none of what only its other uses need.

    Args:
        keras: Whether Keras is needed; who asks a server does without.
    """
    collecting = gc.isenabled()
    gc.disable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # Else the first process takes all memory of a GPU, and `export` needs a second one.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    machine.limit_threads()
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
    """Return the folder that runs share, e.g. for features that were computed once.

    Args:
        cache_dir: What the user chose; the user's own cache folder where None.

    Returns:
        A folder that may not exist yet.
    """
    if cache_dir:
        return Path(cache_dir)
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "tfpipeline"
