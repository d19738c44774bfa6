"""What this machine gives, and what holds it back."""

from __future__ import annotations

import time
from typing import Any

from tfpipeline.config import benchmark as benchmark_config
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.core import console, file_io, hardware, provenance, result_dir, startup
from tfpipeline.models import registry
from tfpipeline.report.closing import closing

RESULT = "benchmark.json"


def benchmark(settings: BenchmarkSettings) -> dict[str, Any]:
    """Measure reading, computing and training on this machine, and what limits them."""
    phases = provenance.Phases()
    registry.check(settings.model)
    benchmark_config.check(settings)
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    output.check(())
    cache = startup.cache_folder(settings.cache_dir)
    file_io.check_writable(cache)
    with phases("import"), startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.benchmark import forecast, measurement, preparation

        strategy = distribute.start(
            settings.distribute, settings.precision, settings.seed
        )
    setup, audited = preparation.prepare(settings, strategy, cache, phases)
    result = measurement.measure(setup, audited, phases)
    fixed = phases.seconds["import"] + phases.seconds["build"]
    rates = result["images_per_second"]
    result["forecast"] = forecast.forecast(rates, fixed, settings.epochs)
    word, advice = forecast.verdict(rates)
    result |= {"epochs": settings.epochs, "verdict": word, "advice": advice}
    result["machine"] |= hardware.about()
    result["date"] = time.strftime("%Y-%m-%d")
    result |= provenance.of_result(phases, settings.seed)
    with output.recording():
        file_io.write_json(output.folder / RESULT, result)
    words: dict[str, Any] = {"result": result, "duration": forecast.duration}
    console.close(closing("benchmark", output.folder / RESULT, **words))
    return result | {"written": console.written(output.folder, None)}
