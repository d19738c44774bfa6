"""Run the command `export`."""

import sys

from tfpipeline import cli
from tfpipeline.config.serving import ExportSettings
from tfpipeline.export.command import export

if __name__ == "__main__":
    sys.exit(cli.main(export, ExportSettings))
