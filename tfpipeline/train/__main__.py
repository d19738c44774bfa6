"""Run the command `train`."""

import sys

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.train.command import train

if __name__ == "__main__":
    sys.exit(cli.main(train, RunSettings))
