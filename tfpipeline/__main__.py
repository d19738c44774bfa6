"""``python -m tfpipeline``, or ``tfpipeline``: all commands, by their names."""

import importlib
import runpy
import sys

import tfpipeline
from tfpipeline.core.errors import suggest

COMMANDS = (*tfpipeline.COMMANDS, "report")


def main() -> None:
    """Run the command that is named first, as ``python -m tfpipeline.COMMAND`` does."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write("usage: tfpipeline COMMAND [--help] ...\n\ncommands:\n")
        for name in COMMANDS:
            package = importlib.import_module(f"tfpipeline.{name}")
            doc = " ".join((package.__doc__ or "").split()).rstrip(".")
            sys.stdout.write(f"  {name:<11} {doc.partition(': ')[2] or doc}\n")
    elif words[0] == "--version":
        sys.stdout.write(f"tfpipeline {tfpipeline.__version__}\n")
    elif words[0] in COMMANDS:
        del sys.argv[1]
        runpy.run_module(f"tfpipeline.{words[0]}", run_name="__main__", alter_sys=True)
    else:
        sys.stderr.write(
            f"error: {words[0]}: expected a command.{suggest(words[0], COMMANDS)} "
            "`python -m tfpipeline` lists them.\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
