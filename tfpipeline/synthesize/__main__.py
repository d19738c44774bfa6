"""Run the command `synthesize`."""

import sys

from tfpipeline import cli
from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.synthesize.command import synthesize

if __name__ == "__main__":
    sys.exit(cli.main(synthesize, SynthesizeSettings))
