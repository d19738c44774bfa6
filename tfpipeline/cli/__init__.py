"""From words to settings to an exit code."""

from tfpipeline.cli.entry_point import main
from tfpipeline.cli.flags import anchored, dump, of_run, parse

__all__ = ["anchored", "dump", "main", "of_run", "parse"]
