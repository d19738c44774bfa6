"""Run the command `attack`."""

import sys

from tfpipeline import cli
from tfpipeline.attack.command import attack
from tfpipeline.config.attack import AttackSettings

if __name__ == "__main__":
    sys.exit(cli.main(attack, AttackSettings))
