"""Run the command `predict`."""

import sys

from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.predict.command import predict

if __name__ == "__main__":
    sys.exit(cli.main(predict, PredictSettings))
