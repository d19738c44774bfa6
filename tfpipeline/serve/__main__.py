"""Run the command `serve`."""

import sys

from tfpipeline import cli
from tfpipeline.config.serving import ServeSettings
from tfpipeline.serve.command import serve

if __name__ == "__main__":
    sys.exit(cli.main(serve, ServeSettings))
