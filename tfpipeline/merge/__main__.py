"""Run the command `merge`."""

import sys

from tfpipeline import cli
from tfpipeline.config.embed import MergeSettings
from tfpipeline.merge.command import merge

if __name__ == "__main__":
    sys.exit(cli.main(merge, MergeSettings))
