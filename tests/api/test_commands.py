"""Each command in Python does what it does in a terminal, and says how it is typed."""

import asyncio
import errno
import os
import shlex
import threading
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import tfpipeline
from tests.train.test_command import SMALL, pictures
from tfpipeline import cli
from tfpipeline.api import result
from tfpipeline.api.image_inputs import Sample
from tfpipeline.config import PredictSettings, RunSettings
from tfpipeline.core import file_io
from tfpipeline.train.command import train

TINY = dict(zip((word.removeprefix("--") for word in SMALL[::2]), SMALL[1::2]))


def small(tmp_path: Path) -> dict[str, str]:
    """Return the settings of a short training on a few pictures."""
    source = tmp_path / "images"
    if not source.exists():
        pictures(source, 12)
    return TINY | {"data.source": str(source), "cache_dir": str(tmp_path / "cache")}


@pytest.mark.slow
def test_a_training_is_the_one_of_the_command(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = small(tmp_path)
    run = tfpipeline.train(told, seed=3)
    assert run.path.parent == Path("runs") and run.settings.seed == 3
    words = shlex.split(run.files.read_manifest()["command"])
    assert words[:3] == ["python", "-m", "tfpipeline.train"] and "--seed=3" in words
    assert "workdir" not in str(words)
    argv = [*words[3:], "--workdir", str(tmp_path / "typed")]
    assert cli.main(train, RunSettings, argv) == 0
    typed = tfpipeline.Run.load(tmp_path / "typed")
    assert typed.metrics["test"] == run.metrics["test"]
    assert typed.history == run.history


@pytest.mark.slow
def test_a_finished_run_is_refused_as_by_the_command(tmp_path: Path) -> None:
    told = small(tmp_path) | {"workdir": str(tmp_path / "run")}
    run = tfpipeline.train(told)
    assert run.path == tmp_path / "run"
    with pytest.raises(tfpipeline.UserError, match="say --overwrite true"):
        tfpipeline.train(told)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tfpipeline.train({"data.source": "nowhere"}), "nowhere"),
        (lambda: tfpipeline.evaluate(), "--run: expected"),
        (lambda: tfpipeline.predict(images="x"), "--model: expected"),
        (lambda: tfpipeline.export(run="x"), "--output: expected"),
        (lambda: tfpipeline.serve(), "--base: expected"),
        (lambda: tfpipeline.synthesize(), "--classes: expected"),
        (lambda: tfpipeline.features(), "--images: expected"),
        (lambda: tfpipeline.attack(epsilon="much"), "--epsilon: expected"),
        (lambda: tfpipeline.study(seeds=0), "--seeds"),
        (lambda: tfpipeline.audit(source="nowhere"), "nowhere"),
        (lambda: tfpipeline.pack(), "--output: expected"),
        (lambda: tfpipeline.combine(runs=["x"]), "at least two"),
        (lambda: tfpipeline.benchmark(output=" "), "--output: expected"),
    ],
)
def test_errors_are_those_of_the_command(call, words, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tfpipeline.UserError, match=words):
        call()


def test_a_notebook_is_told_how_to_serve_in_a_terminal(monkeypatch) -> None:
    async def cell() -> None:
        tfpipeline.serve(base="some where", name="pets")

    command = "python -m tfpipeline.serve --base 'some where' --name pets"
    with pytest.raises(tfpipeline.UserError, match=f"notebook.*terminal: {command}"):
        asyncio.run(cell())
    served = threading.Event()
    served.set()
    monkeypatch.setattr(import_module("tfpipeline.serve.command"), "_served", served)
    with pytest.raises(tfpipeline.UserError, match=f"served before.*{command}"):
        tfpipeline.serve(base="some where", name="pets")


def test_an_export_that_published_nothing_does_not_ask_the_live_version() -> None:
    content = {"version": None, "folder": None}
    found = result.Export(Path("served"), content, Path("served"), "classifier")
    with pytest.raises(tfpipeline.UserError, match="served: nothing was published"):
        found.predict("cat.jpg")


def test_what_the_machine_refuses_is_told_in_plain_words(
    tmp_path: Path, monkeypatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "f")

    monkeypatch.setattr(file_io, "write_json", full)
    with pytest.raises(tfpipeline.UserError, match="Make room there"):
        tfpipeline.audit(source=small(tmp_path)["data.source"], output=tmp_path / "a")


@pytest.mark.slow
def test_a_source_is_audited_and_packed(tmp_path: Path) -> None:
    source, cache = small(tmp_path)["data.source"], tmp_path / "cache"
    found = tfpipeline.audit(source=source, output=tmp_path / "a", cache_dir=cache)
    assert found["files"] == 24 and found["label_conflicts"] == 0
    assert [file.name for file in found.show().files] == ["contact_sheet.png"]
    assert found.show_report().path == tmp_path / "a" / "audit.html"
    packed = tfpipeline.pack(source=source, output=tmp_path / "p", cache_dir=cache)
    assert packed["images"] == 24 and packed.path == tmp_path / "p"
    run = tfpipeline.train(small(tmp_path), data={"source": tmp_path / "p"})
    assert len(run.sample(4, split="train")) == 4


@pytest.mark.slow
def test_a_study_gives_its_figures(tmp_path: Path) -> None:
    told = {"shots": "1,all", "heads": 2, "seeds": 1, "backbones": "demo"}
    found = tfpipeline.study(
        told,
        sources=small(tmp_path)["data.source"],
        output=tmp_path / "s",
        cache_dir=tmp_path / "cache",
    )
    assert found["rows"] and found["recommendation"]
    assert [file.stem for file in found.show().files] == ["shots", "cost"]


def test_images_are_taken_from_a_file_a_mapping_or_keywords(
    tmp_path: Path, monkeypatch
) -> None:
    told: list[PredictSettings] = []
    monkeypatch.setattr(
        import_module("tfpipeline.predict.command"),
        "answer",
        lambda settings: told.append(settings) or [],
    )
    file = tmp_path / "c.yaml"
    file.write_text("images: [a.png]\nserver: {retries: 2}\n")
    tfpipeline.predict(file, model="m")
    tfpipeline.predict(
        {"images": "b.png", "server": {"retries": 3}}, server={"parallel": 1}
    )
    pixels = np.zeros((2, 3, 3, 3), np.uint8)
    tfpipeline.predict({"images": Sample(pixels / 255, ("x", "y"), ("0", "1"))})
    tfpipeline.predict({"images": "b.png"}, images=pixels)
    by_file, by_name, by_sample, by_keyword = told
    assert by_file.images == ["a.png"] and by_file.server.retries == 2
    assert by_name.images == ["b.png"]
    assert (by_name.server.retries, by_name.server.parallel) == (3, 1)
    for given in (by_sample, by_keyword):
        assert [Path(image).suffix for image in given.images] == [".png"] * 2
    assert Path(by_sample.images[1]).parent.name == "y"
