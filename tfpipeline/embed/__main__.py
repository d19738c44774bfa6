"""Run the command `embed`."""

import sys

from tfpipeline import cli
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.embed.command import embed

if __name__ == "__main__":
    sys.exit(cli.main(embed, EmbedSettings))
