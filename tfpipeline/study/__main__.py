"""Run the command `study`."""

import sys

from tfpipeline import cli
from tfpipeline.config.study import StudySettings
from tfpipeline.study.command import study

if __name__ == "__main__":
    sys.exit(cli.main(study, StudySettings))
