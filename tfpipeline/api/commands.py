"""Each command as a function, which is given settings in Python and returns an object.

All take a YAML file, a mapping of settings by their dotted names, or the command's
dataclass, and more settings by keyword, which win. They do what the command does, print
what it prints, and raise `UserError` where it would end with code 2.
"""

import dataclasses
import importlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfpipeline.api import image_inputs, process_state, result
from tfpipeline.api.predictions import Predictions
from tfpipeline.api.result import Export, Result
from tfpipeline.api.run import Run
from tfpipeline.audit.inspection import RESULT
from tfpipeline.cli import from_python
from tfpipeline.cli.from_python import Config
from tfpipeline.config import (
    AuditSettings,
    EvaluateSettings,
    PackSettings,
    PredictSettings,
    RunSettings,
)
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.config.embed import EmbedSettings, MergeSettings
from tfpipeline.config.monitoring import MonitorSettings, SimilarSettings
from tfpipeline.config.serving import ExportSettings, ServeSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.config.synthesis import FeaturesSettings, SynthesizeSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import console, provenance, result_dir, run_replacement
from tfpipeline.core.errors import Incomplete, UserError, mendable
from tfpipeline.predict import sharded


def train(config: Config = None, /, **settings: Any) -> Run:
    """Train a classifier and measure it: `data={"source": "pets"}`, `seed=1`, ...

    The run is in the folder `workdir`, where an interrupted one resumes, or in a new
    one below `runs/`.
    """
    return _run("train", RunSettings, config, settings)


def combine(config: Config = None, /, **settings: Any) -> Run:
    """Make one classifier of several runs: `runs=[run, other]`, `how=`, ..."""
    return _run("combine", CombineSettings, config, settings)


def evaluate(config: Config = None, /, **settings: Any) -> Result:
    """Measure a run on any source, as `evaluation.json`: `run=`, `source=`, ..."""
    given, content = _call("evaluate", EvaluateSettings, config, settings)
    return Result(Path(given.run), content)


def predict(config: Config = None, /, **settings: Any) -> Predictions:
    """Predict classes of images: `model=` a run, a SavedModel or a server; `images=`.

    The images are as for `Run.predict`.
    """
    images, config = _take_images(config, settings)
    named = images is None or image_inputs.are_files(images)
    with tempfile.TemporaryDirectory() as folder:
        if images is not None:
            settings["images"] = image_inputs.write(images, Path(folder))
        given, line = from_python.read("predict", PredictSettings, config, settings)
        if sharded.is_folder(given.output):
            raise UserError(
                f"output={given.output!r}: expected a file in .csv, .jsonl or .html. "
                "Shards are written by the command `tfpipeline predict`, in a terminal."
            )
        step = "predict" if given.output or given.sort_into else "answer"
        try:
            rows = _do("predict", given, line, step)
        except Incomplete as error:
            console.warn(str(error))
            rows = error.result
        return Predictions(rows, named=named)


def export(config: Config = None, /, **settings: Any) -> Export:
    """Write a version for TF Serving: `run=`, `output=`, `also=`, ...

    Where another runtime did not answer rightly, `also` says why, and so does a line on
    stderr.
    """
    given, line = from_python.read("export", ExportSettings, config, settings)
    try:
        content = _do("export", given, line)
    except Incomplete as error:
        console.warn(str(error))
        content = error.result
    base = Path(str(given.output))
    path = Path(content.get("folder") or base)
    return Export(path, content, base, given.name)


def serve(config: Config = None, /, **settings: Any) -> None:
    """Serve versions on this machine until it is interrupted: `base=`, ..."""
    _call("serve", ServeSettings, config, settings)


def synthesize(config: Config = None, /, **settings: Any) -> Result:
    """Make the images that excite classes most: `classes=`, `run=`, `judges=`, ..."""
    return _result("synthesize", SynthesizeSettings, config, settings)


def features(config: Config = None, /, **settings: Any) -> Result:
    """Show what each layer extracts from images: `images=`, `run=`, `layers=`, ...

    The images are as for `Run.predict`.
    """
    config = _write_pixels("features", FeaturesSettings, config, settings)
    return _result("features", FeaturesSettings, config, settings)


def attack(config: Config = None, /, **settings: Any) -> Result:
    """Change images until a network is wrong: `images=`, `target=`, `epsilon=`, ...

    The images are as for `Run.predict`.
    """
    config = _write_pixels("attack", AttackSettings, config, settings)
    return _result("attack", AttackSettings, config, settings)


def study(config: Config = None, /, **settings: Any) -> Result:
    """Measure how well networks transfer: `sources=`, `backbones=`, `shots=`, ..."""
    return _result("study", StudySettings, config, settings)


def similar(config: Config = None, /, **settings: Any) -> Result:
    """Find the training pictures nearest to images: `run=`, `images=`, `count=`, ...

    The images are as for `Run.predict`.
    """
    config = _write_pixels("similar", SimilarSettings, config, settings)
    return _result("similar", SimilarSettings, config, settings)


def monitor(config: Config = None, /, **settings: Any) -> Result:
    """Tell whether pictures are still like a run's own: `run=`, `images=`, ...

    The images are as for `Run.predict`.
    """
    config = _write_pixels("monitor", MonitorSettings, config, settings)
    return _result("monitor", MonitorSettings, config, settings)


def audit(config: Config = None, /, **settings: Any) -> Result:
    """Open every file of a source and report what is wrong: `source=`, ..."""
    given, content = _call("audit", AuditSettings, config, settings)
    folder = Path(given.output)
    # While shards are missing, or behind a URL, there is no such file here.
    if content.get("missing") or not (folder / RESULT).is_file():
        return Result(folder, content)
    return result.read(folder, RESULT)


def pack(config: Config = None, /, **settings: Any) -> Result:
    """Write a source into few large files, which are a source too: `output=`, ..."""
    given, content = _call("pack", PackSettings, config, settings)
    return Result(Path(given.output), content)


def embed(config: Config = None, /, **settings: Any) -> Result:
    """Write features of any number of images into shards: `run=`, `output=`, ..."""
    given, content = _call("embed", EmbedSettings, config, settings)
    return Result(Path(given.output), content)


def merge(config: Config = None, /, **settings: Any) -> Result:
    """Join the shards of all processes: `shards=`, `output=`."""
    given, content = _call("merge", MergeSettings, config, settings)
    return Result(Path(given.shards), content)


def benchmark(config: Config = None, /, **settings: Any) -> Result:
    """Measure what this machine gives, and what holds it back: `output=`, ..."""
    return _result("benchmark", BenchmarkSettings, config, settings)


def _do(verb: str, given: Any, line: str, step: str = "") -> Any:
    """Do what a command does, and leave the process as it was.

    Its files say how it would have been typed.
    """
    command = importlib.import_module(f"tfpipeline.{verb}.command")
    with process_state.preserve(), provenance.record_command(line), mendable():
        return getattr(command, step or verb)(given)


def _call(
    verb: str, kind: type, config: Config, settings: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Call a command; return its settings, and what it returns."""
    given: Any
    given, line = from_python.read(verb, kind, config, settings)
    return given, _do(verb, given, line)


def _result(
    verb: str, kind: type, config: Config, settings: Mapping[str, Any]
) -> Result:
    """Call a command, and return the content of its JSON file, with images."""
    given, _ = _call(verb, kind, config, settings)
    command = importlib.import_module(f"tfpipeline.{verb}.command")
    return result.read(Path(given.output), command.RESULT)


def _run(verb: str, kind: type, config: Config, settings: Mapping[str, Any]) -> Run:
    """Call what makes a run, in a folder that is known before."""
    given: Any
    given, line = from_python.read(verb, kind, config, settings)
    folder = given.workdir or str(run_replacement.fresh())
    _do(verb, dataclasses.replace(given, workdir=folder), line)
    return Run(folder)


def _take_images(config: Config, settings: dict[str, Any]) -> tuple[Any, Config]:
    """Take the images, if any, out of all settings; return what is left of `config`."""
    images: Any = None
    if isinstance(config, Mapping):
        images = config.get("images")
        config = {name: value for name, value in config.items() if name != "images"}
    return settings.pop("images", images), config


def _write_pixels(
    verb: str, kind: type, config: Config, settings: dict[str, Any]
) -> Config:
    """Let the images in the settings be files: pixels are written below the result."""
    images, config = _take_images(config, settings)
    if images is not None and not image_inputs.are_files(images):
        given: Any
        given, _ = from_python.read(verb, kind, config, settings)
        output = result_dir.new_result(
            given.output, f"{verb}.json", overwrite=given.overwrite
        )
        output.check(["given/"])
        with output.recording(adding=True):
            images = image_inputs.write(images, output.folder / "given")
    if images is not None:
        settings["images"] = images
    return config
