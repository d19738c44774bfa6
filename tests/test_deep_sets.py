"""A data set of more than 8 bits, from its files to what a run answers."""

import base64
import dataclasses
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import PLAIN
from tests.data.test_corrections import write
from tests.tiffs import Page, tiff
from tfpipeline import cli
from tfpipeline.audit.command import audit
from tfpipeline.config import (
    AuditSettings,
    DataSettings,
    EvaluateSettings,
    ModelSettings,
    RunSettings,
)
from tfpipeline.core import image_io
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data import dataset, scan
from tfpipeline.data.sample_ranges import Choice
from tfpipeline.demo import world
from tfpipeline.evaluate import run_inputs
from tfpipeline.models import load_network, saving
from tfpipeline.train import run_writer
from tfpipeline.train.command import train

RANGES = Ranges((("uint16", 0, 4095),))


def drawn(root: Path) -> list[Path]:
    """Write pictures of two classes as 12 bits in 16, and return their files."""
    world.write_folder(root, ["rocket", "teapot"], 8, seed=0)
    files = []
    for path in sorted(root.rglob("*.png")):
        grey = image_io.decode(path)[..., 1].astype(np.uint16)
        files.append(path.with_suffix(".tif"))
        files[-1].write_bytes(tiff(Page(grey * 16)))
        path.unlink()
    return files


def test_a_run_carries_its_range_to_all_that_it_is_asked(
    tmp_path: Path, capsys
) -> None:
    files = drawn(tmp_path / "in")
    argv = [*PLAIN, "--data.source", str(tmp_path / "in"), "--train.epochs", "1"]
    argv += ["--workdir", str(tmp_path / "run"), "--cache_dir", str(tmp_path / "c")]
    assert cli.main(train, RunSettings, argv) == 0
    assert "0 is black and 4095 white" in capsys.readouterr().err
    run = RunFolder(tmp_path / "run")
    assert saving.load_ranges(run.model) == RANGES
    assert cli.of_run(run.config).data.range == str(RANGES)
    about = json.loads(run.manifest.read_text())["brightness"]
    assert about["range"] == str(RANGES) and about["pictures"] == {"uint16": 16}
    # What is asked later goes by it, though these alone would have another range.
    dim = tmp_path / "dim.tif"
    samples = image_io.samples(files[0].read_bytes())
    assert samples is not None
    dim.write_bytes(tiff(Page(samples.values // 9)))
    ready = run_inputs.ready(run)
    ((images, _, _),) = ready.batches(scan.audit([dim], cache=None))
    expected = image_io.read(dim, 32, 32, "squash", RANGES)
    assert np.abs(images[0].numpy() * 255 - expected).max() <= 1
    network = load_network.open_network(str(run.path), ModelSettings(), pictures=[dim])
    assert network.ranges == RANGES
    labels = saving.load_classifier(run.model)[1]
    given = EvaluateSettings(run=str(run.path), cache_dir=str(tmp_path / "c"))
    examples = run_inputs.examples_of(given, ready.trained, run, labels)
    assert examples.brightness.ranges == RANGES
    # A training goes on by the same range only; one of 8 bits knows of none.
    known = []
    for choice in (
        examples.brightness,
        dataclasses.replace(examples.brightness, ranges=WHOLE),
        Choice(),
    ):
        chosen = dataclasses.replace(examples, brightness=choice)
        own = {"settings": ready.trained, "features": None}
        work: Any = SimpleNamespace(examples=chosen, **own)
        known.append(run_writer.identity(ready.trained, work))
    assert str(RANGES) in {known[0][name] for name in known[0].keys() - known[2].keys()}
    assert known[0].keys() == known[1].keys() and known[0] != known[1]


def test_a_picture_that_is_left_out_has_no_say_in_the_range(tmp_path: Path) -> None:
    bright = drawn(tmp_path / "in")[0]
    bright.write_bytes(tiff(Page(np.full((9, 9), 60000, np.uint16))))
    name = bright.relative_to(tmp_path / "in").as_posix()
    file = write(tmp_path, (name, "", "drop", ""))
    for fixes, most in ((None, 65535), (str(file), 4095)):
        data = DataSettings(source=str(tmp_path / "in"), corrections=fixes)
        for examples in (
            dataset.prepare(data, 0, tmp_path / "c", lambda path: path),
            dataset.open_all(data, tmp_path / "c", lambda path: path),
        ):
            assert examples.brightness.ranges == Ranges((("uint16", 0, most),))


def test_an_audit_says_what_is_black_and_white_and_warns(
    tmp_path: Path, capsys
) -> None:
    first, *_, last = drawn(tmp_path / "in")
    # Of another class, so that its page has a picture of both.
    copy = last.with_name("copy.tif")
    copy.write_bytes(first.read_bytes())
    brightest = {}
    for setting, most in (("auto", "4095"), ("full", "65535")):
        output = tmp_path / setting
        argv = ["--source", str(tmp_path / "in"), "--output", str(output)]
        assert cli.main(audit, AuditSettings, [*argv, "--data.range", setting]) == 0
        about = json.loads((output / "statistics.json").read_text())["brightness"]
        assert about["range"] == f"uint16 0 {most}"
        assert bool(about["warnings"]) == (setting == "full")
        assert copy.name in (page := (output / "audit.html").read_text())
        uris = re.findall('data:image/jpeg;base64,([^"]+)', page)
        pictures = [Image.open(io.BytesIO(base64.b64decode(uri))) for uri in uris]
        brightest[setting] = min(int(np.asarray(p).max()) for p in pictures)
        assert ("--data.range" in "".join(capsys.readouterr())) == (setting == "full")
    # The pictures on its page, too.
    assert brightest["auto"] > 8 * brightest["full"]
    argv += ["--data.range", "bright", "--overwrite", "true"]
    assert cli.main(audit, AuditSettings, argv) == 2
    assert "--data.range" in capsys.readouterr().err
