"""Run the command `similar`."""

import sys

from tfpipeline import cli
from tfpipeline.config.monitoring import SimilarSettings
from tfpipeline.similar.command import similar

if __name__ == "__main__":
    sys.exit(cli.main(similar, SimilarSettings))
