"""Run the command `benchmark`."""

import sys

from tfpipeline import cli
from tfpipeline.benchmark.command import benchmark
from tfpipeline.config.benchmark import BenchmarkSettings

if __name__ == "__main__":
    sys.exit(cli.main(benchmark, BenchmarkSettings))
