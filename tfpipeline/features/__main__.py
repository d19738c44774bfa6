"""Run the command `features`."""

import sys

from tfpipeline import cli
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.features.command import features

if __name__ == "__main__":
    sys.exit(cli.main(features, FeaturesSettings))
