"""Run the command `pack`."""

import sys

from tfpipeline import cli
from tfpipeline.config import PackSettings
from tfpipeline.pack.command import pack

if __name__ == "__main__":
    sys.exit(cli.main(pack, PackSettings))
