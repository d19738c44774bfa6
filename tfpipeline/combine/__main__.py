"""Run the command `combine`."""

import sys

from tfpipeline import cli
from tfpipeline.combine.command import combine
from tfpipeline.config.train import CombineSettings

if __name__ == "__main__":
    sys.exit(cli.main(combine, CombineSettings))
