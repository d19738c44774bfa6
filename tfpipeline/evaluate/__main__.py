"""Run the command `evaluate`."""

import sys

from tfpipeline import cli
from tfpipeline.config import EvaluateSettings
from tfpipeline.evaluate.command import evaluate

if __name__ == "__main__":
    sys.exit(cli.main(evaluate, EvaluateSettings))
