"""Each command as a function, which is told in Python and gives back an object.

All take a YAML file, a mapping of settings by their dotted names, or the command's
dataclass, and more settings by keyword, which win. They do what the command does, print
what it prints, and raise `UserError` where it would end with code 2.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tfpipeline.api import calls, image_inputs, result
from tfpipeline.api.predictions import Predictions
from tfpipeline.api.result import Export, Result
from tfpipeline.api.run import Run
from tfpipeline.cli import from_python
from tfpipeline.cli.from_python import Call, Config
from tfpipeline.config import (
    AuditSettings,
    EvaluateSettings,
    PackSettings,
    PredictSettings,
    RunSettings,
)
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.config.serving import ExportSettings, ServeSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.config.synthesis import FeaturesSettings, SynthesizeSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import console, run_replacement
from tfpipeline.core.errors import Incomplete

Told = TypeVar("Told", RunSettings, CombineSettings)


def train(config: Config = None, /, **settings: Any) -> Run:
    """Train a classifier and measure it; see ``python -m tfpipeline.train --help``.

    Args:
        config: A YAML file, a mapping of settings, or `RunSettings`.
        settings: More of them, which win: `data={"source": "pets"}, seed=1`.

    Returns:
        The run, in the folder `workdir`, where one that was interrupted goes on, or in
        a new one below `runs/`.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.train.command import train as verb

    call = from_python.read("train", RunSettings, config, settings)
    return _run(verb, call)


def combine(config: Config = None, /, **settings: Any) -> Run:
    """Make one classifier of several runs: `runs=[run, other]`, `how=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `CombineSettings`.
        settings: More of them, which win.

    Returns:
        The run, in the folder `workdir`, or in a new one below `runs/`.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.combine.command import combine as verb

    call = from_python.read("combine", CombineSettings, config, settings)
    return _run(verb, call)


def _run(verb: Callable[[Told], Any], call: Call[Told]) -> Run:
    """Do what makes a run, in a folder that is known before."""
    told: Any = call.settings
    folder = told.workdir or str(run_replacement.fresh())
    told = dataclasses.replace(told, workdir=folder)
    calls.done(verb, Call(told, call.command))
    return Run(folder)


def evaluate(config: Config = None, /, **settings: Any) -> Result:
    """Measure a run on any source: `run=`, `source=`, `robust=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `EvaluateSettings`.
        settings: More of them, which win.

    Returns:
        The content of `evaluation.json`.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.evaluate.command import evaluate as verb

    call = from_python.read("evaluate", EvaluateSettings, config, settings)
    content = calls.done(verb, call)
    return Result(Path(str(call.settings.run)), content)


def predict(config: Config = None, /, **settings: Any) -> Predictions:
    """Say what is on pictures: `model=` a run, a SavedModel or a server; `images=`.

    Args:
        config: A YAML file, a mapping of settings, or `PredictSettings`.
        settings: More of them, which win; `images` as for `Run.predict`.

    Returns:
        One prediction a picture.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.predict.command import answer
    from tfpipeline.predict.command import predict as verb

    config, settings = calls.joined(config, settings)
    given = settings.get("images", ())
    with tempfile.TemporaryDirectory() as folder:
        if named := image_inputs.are_files(given):
            told = settings
        else:
            told = settings | {"images": image_inputs.written(given, Path(folder))}
        call = from_python.read("predict", PredictSettings, config, told)
        step = verb if call.settings.output else answer
        return Predictions(calls.done(step, call), named=named)


def export(config: Config = None, /, **settings: Any) -> Export:
    """Write a version for TF Serving: `run=`, `output=`, `also=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `ExportSettings`.
        settings: More of them, which win.

    Returns:
        The version, which can be asked; where another runtime did not answer rightly,
        `also` tells why, and so does a line on stderr.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.export.command import export as verb

    call = from_python.read("export", ExportSettings, config, settings)
    try:
        content = calls.done(verb, call)
    except Incomplete as error:
        console.warn(str(error))
        content = error.result
    base = Path(str(call.settings.output))
    path = Path(content.get("folder") or base)
    return Export(path, content, base=base, name=call.settings.name)


def serve(config: Config = None, /, **settings: Any) -> None:
    """Serve versions on this machine until it is interrupted: `base=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `ServeSettings`.
        settings: More of them, which win.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.serve.command import serve as verb

    calls.done(verb, from_python.read("serve", ServeSettings, config, settings))


def synthesize(config: Config = None, /, **settings: Any) -> Result:
    """Make the images that excite classes most: `classes=`, `run=`, `judges=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `SynthesizeSettings`.
        settings: More of them, which win.

    Returns:
        The content of `synthesis.json`, with pictures.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.synthesize.command import RESULT
    from tfpipeline.synthesize.command import synthesize as verb

    call = from_python.read("synthesize", SynthesizeSettings, config, settings)
    calls.done(verb, call)
    return result.read(Path(call.settings.output), RESULT)


def features(config: Config = None, /, **settings: Any) -> Result:
    """Show what each layer extracts from pictures: `images=`, `run=`, `layers=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `FeaturesSettings`.
        settings: More of them, which win; `images` as for `Run.predict`.

    Returns:
        The content of `features.json`, with pictures.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.features.command import RESULT
    from tfpipeline.features.command import features as verb

    config, told = calls.with_files("features", FeaturesSettings, config, settings)
    call = from_python.read("features", FeaturesSettings, config, told)
    calls.done(verb, call)
    return result.read(Path(call.settings.output), RESULT)


def attack(config: Config = None, /, **settings: Any) -> Result:
    """Change pictures until a network is wrong: `images=`, `target=`, `epsilon=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `AttackSettings`.
        settings: More of them, which win; `images` as for `Run.predict`.

    Returns:
        The content of `attack.json`, with pictures.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.attack.command import RESULT
    from tfpipeline.attack.command import attack as verb

    config, told = calls.with_files("attack", AttackSettings, config, settings)
    call = from_python.read("attack", AttackSettings, config, told)
    calls.done(verb, call)
    return result.read(Path(call.settings.output), RESULT)


def study(config: Config = None, /, **settings: Any) -> Result:
    """Measure how well networks transfer: `sources=`, `backbones=`, `shots=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `StudySettings`.
        settings: More of them, which win.

    Returns:
        The content of `study.json`, with figures.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.study.command import RESULT
    from tfpipeline.study.command import study as verb

    call = from_python.read("study", StudySettings, config, settings)
    calls.done(verb, call)
    return result.read(Path(call.settings.output), RESULT)


def audit(config: Config = None, /, **settings: Any) -> Result:
    """Open every file of a source and tell what is wrong: `source=`, `output=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `AuditSettings`.
        settings: More of them, which win.

    Returns:
        The content of `statistics.json`, with contact sheets.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.audit.command import audit as verb

    call = from_python.read("audit", AuditSettings, config, settings)
    calls.done(verb, call)
    return result.read(Path(call.settings.output), "statistics.json")


def pack(config: Config = None, /, **settings: Any) -> Result:
    """Write a source into few large files, which are a source too: `output=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `PackSettings`.
        settings: More of them, which win.

    Returns:
        How many `images`, `shards` and `bytes`.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.pack.command import pack as verb

    call = from_python.read("pack", PackSettings, config, settings)
    return Result(Path(str(call.settings.output)), calls.done(verb, call))


def benchmark(config: Config = None, /, **settings: Any) -> Result:
    """Measure what this machine gives, and what holds it back: `output=`, ...

    Args:
        config: A YAML file, a mapping of settings, or `BenchmarkSettings`.
        settings: More of them, which win.

    Returns:
        The content of `benchmark.json`.

    Raises:
        UserError: As the command, where it ends with code 2.
    """
    from tfpipeline.benchmark.command import RESULT
    from tfpipeline.benchmark.command import benchmark as verb

    call = from_python.read("benchmark", BenchmarkSettings, config, settings)
    calls.done(verb, call)
    return result.read(Path(call.settings.output), RESULT)
