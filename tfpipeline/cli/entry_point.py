"""A command from its command line to its exit code. Imports no TensorFlow."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tfpipeline.cli import choices
from tfpipeline.cli.flags import read
from tfpipeline.core import console, provenance, signals, startup
from tfpipeline.core.errors import UserError, mendable

Settings = TypeVar("Settings")


def main(
    command: Callable[[Settings], Any],
    settings: type[Settings],
    argv: Sequence[str] | None = None,
) -> int:
    """Run a command from the command line and return its exit code.

    Args:
        command: Its function; the docstring's first line is the description.
        settings: The frozen dataclass that it takes.
        argv: The words of the command line; those of this process where None.

    Returns:
        0 when all went well, 1 when a part of what was asked for was not done, 2 after
        an error that the user can mend, 75 where the same command may go well the next
        time, 130 after Ctrl-C, 143 after SIGTERM.

    Raises:
        SystemExit: With code 141, where nobody reads what it prints any more.
    """
    prog = f"python -m {command.__module__.removesuffix('.command')}"
    if argv is None:
        prog, argv = provenance.program(), sys.argv[1:]
        startup.own_process()
    description = (command.__doc__ or "").strip().splitlines()[0]
    with console.heard():
        try:
            given, switches = read(settings, argv, prog=prog, description=description)
            choices.check(given)
            quiet, as_json = switches["quiet"], switches["json"]
            with console.set_mode(quiet=quiet, as_json=as_json):
                with signals.handle_sigterm(), mendable():
                    console.answer(command(given))
            return 0
        except signals.Stopped as error:
            console.end_badly(str(error))
            return 128 + error.number
        except UserError as error:
            console.end_badly(f"error: {error}")
            return error.exit_code
        except KeyboardInterrupt as error:
            console.end_badly(
                "error: Interrupted. No file is half-written; the same command "
                "resumes from what is kept, or starts again."
            )
            return 143 if isinstance(error, signals.Terminated) else 130
