"""Run the command `monitor`."""

import sys

from tfpipeline import cli
from tfpipeline.config.monitoring import MonitorSettings
from tfpipeline.monitor.command import monitor

if __name__ == "__main__":
    sys.exit(cli.main(monitor, MonitorSettings))
