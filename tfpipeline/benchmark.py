"""VERB: what this machine gives, and what holds it back."""

from __future__ import annotations

import sys
import time
from typing import Any

from tfpipeline import (
    atomic,
    cli,
    config_benchmark,
    machine,
    manifest,
    results,
    terminal,
)
from tfpipeline.config_benchmark import BenchmarkSettings

RESULT = "benchmark.json"


def benchmark(settings: BenchmarkSettings) -> dict[str, Any]:
    """Measure how fast this machine reads, computes and learns, and what bounds it."""
    phases = manifest.Phases()
    config_benchmark.check(settings)
    output = results.new_result(settings.output, RESULT, overwrite=settings.overwrite)
    output.check(())
    cache = cli.cache_folder(settings.cache_dir)
    atomic.check_writable(cache)
    with phases("import"), cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.workflow import forecasting, gauged, gauging

        strategy = distribution.start(
            settings.distribute, settings.precision, settings.seed
        )
    setup, audited = gauged.prepare(settings, strategy, cache, phases)
    result: dict[str, Any] = gauging.gauge(setup, audited, phases)
    fixed = phases.seconds["import"] + phases.seconds["build"]
    result["forecast"] = forecasting.forecast(
        result["images_per_second"], fixed, settings.epochs
    )
    word, advice = forecasting.verdict(result["images_per_second"])
    result |= {"epochs": settings.epochs, "verdict": word, "advice": advice}
    result["machine"] |= machine.about()
    result["date"] = time.strftime("%Y-%m-%d")
    result |= manifest.of_result(phases, settings.seed)
    with output.recording():
        atomic.write_json(output.folder / RESULT, result)
    words = forecasting.closing_words(result).splitlines()
    terminal.close(terminal.Closing(words, look=output.folder / RESULT))
    return result | {"written": terminal.written(output.folder, None)}


if __name__ == "__main__":
    sys.exit(cli.main(benchmark, BenchmarkSettings))
