"""Every command speaks alike: a short summary, nothing, or one JSON document."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import Exported, Trained
from tests.test_commands import VERBS
from tfpipeline import cli
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
from tfpipeline.config.serving import ExportSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.config.synthesis import FeaturesSettings, SynthesizeSettings
from tfpipeline.config.train import CombineSettings
from tfpipeline.core import console
from tfpipeline.report import __main__ as report
from tfpipeline.shards import plan, work

pytestmark = pytest.mark.slow


class Spoken(NamedTuple):
    """A command, and what its result has to have.

    Args:
        settings: What it takes.
        words: Its flags; `{run}`, `{cache}`, `{picture}` and `{out}` are filled in.
        keys: Of its document.
    """

    settings: type
    words: str
    keys: str


CACHE = "--cache_dir {cache}"
TABLE: Mapping[str, Spoken] = {
    "train": Spoken(
        RunSettings,
        f"--workdir {{out}} {CACHE} --train.epochs 1 --model.image_size 32",
        "test validation seconds",
    ),
    "combine": Spoken(
        CombineSettings,
        f"--runs {{run}} {{run}} --workdir {{out}} {CACHE}",
        "test validation combined seconds",
    ),
    "evaluate": Spoken(EvaluateSettings, f"--run {{run}} {CACHE}", "accuracy n loss"),
    "predict": Spoken(
        PredictSettings, "--model {run} --images {picture}", "id label probability"
    ),
    "export": Spoken(
        ExportSettings,
        "--run {run} --output {out} --parity_images 5 --batch_sizes [1]",
        "version parity labels seconds",
    ),
    "synthesize": Spoken(
        SynthesizeSettings,
        "--run {run} --classes teapot --synthesis.steps 2 --output {out}",
        "images checks summary",
    ),
    "features": Spoken(
        FeaturesSettings,
        "--run {run} --images {picture} --layer_count 1 --output {out}",
        "images checks summary",
    ),
    "attack": Spoken(
        AttackSettings,
        # Of several, some are seen rightly on any processor.
        "--run {run} --images {folder} --epsilon 1/255 --output {out}"
        " --adversary.steps 2",
        "images checks summary",
    ),
    "study": Spoken(
        StudySettings,
        f"--backbones demo --seeds 1 --shots all --heads 1 --output {{out}} {CACHE}",
        "rows summary recommendation",
    ),
    "similar": Spoken(
        SimilarSettings, "--run {run} --images {picture} --output {out}", "images"
    ),
    "monitor": Spoken(
        MonitorSettings,
        "--run {run} --images {folder} --output {out}",
        "drift p tests shares changed",
    ),
    "benchmark": Spoken(
        BenchmarkSettings,
        f"--images 64 --rounds 1 --model.weights demo --output {{out}} {CACHE}",
        "images_per_second forecast verdict advice",
    ),
    "audit": Spoken(AuditSettings, f"--output {{out}} {CACHE}", "exact_duplicates"),
    "pack": Spoken(PackSettings, f"--output {{out}} {CACHE}", "images shards bytes"),
    "embed": Spoken(
        EmbedSettings, "--run {run} --images {picture} --output {out}", "images missing"
    ),
    "merge": Spoken(MergeSettings, "--shards {shards}", "images shards missing"),
}

Give = Callable[..., int]


def write_shard(folder: Path) -> Path:
    """Write a picture's name, and the one shard with it."""
    (folder.parent / "picture.png").touch()
    words = [str(folder.parent / "picture.png")]
    made = plan.settle(folder, words, 10, {"command": "predict"})
    content = work.Content(("id",), [(words[0],)], 0)
    work.compute_all(made, lambda paths: content)
    return folder


@pytest.fixture
def give(small_run: Trained, exported: Exported, tmp_path: Path) -> Give:
    """Give a command of the table in this process, and return its exit code."""
    names = {"run": tmp_path / "run", "cache": small_run.cache, "out": tmp_path / "out"}
    shutil.copytree(small_run.path, names["run"])
    names["picture"] = exported.pictures[0]
    names["folder"] = exported.pictures[0].parent.parent
    names["shards"] = write_shard(tmp_path / "shards")

    def start(verb: str, *more: str) -> int:
        spoken = TABLE[verb]
        words = [word.format(**names) for word in spoken.words.split()]
        command: Any = getattr(import_module(f"tfpipeline.{verb}.command"), verb)
        return cli.main(command, spoken.settings, [*words, *more])

    return start


def test_every_command_is_asked() -> None:
    # The server goes on until it is stopped: it has a test of its own.
    assert set(TABLE) == set(VERBS) - {"serve"}


@pytest.mark.parametrize("verb", TABLE)
def test_with_json_stdout_is_one_document_and_the_summary_goes_to_stderr(
    verb: str, give: Give, capsys
) -> None:
    assert give(verb, "--json") == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    first = found[0] if isinstance(found, list) else found
    assert set(TABLE[verb].keys.split()) <= set(first)
    assert "\r" not in said.out + said.err
    # Those that go through parts say each of them.
    summary = [line for line in said.err.splitlines() if not line.startswith("[")]
    if verb == "train":
        # Before its summary it says what the images are, and how each epoch went.
        (first_line,) = [i for i, line in enumerate(summary) if "Trained" in line]
        summary = summary[first_line:]
    assert 1 <= len(summary) <= console.MOST_LINES
    if verb != "predict":
        assert any(line.startswith("Look at ") for line in summary)
        written = found["written"]
        assert Path(written["folder"]).is_dir()
        assert written["page"] is None or Path(written["page"]).is_file()
        assert (written["page"] or written["folder"]) in said.err


@pytest.mark.parametrize("verb", TABLE)
def test_quiet_is_silent(verb: str, give: Give, capsys) -> None:
    assert give(verb, "--quiet") == 0
    said = capsys.readouterr()
    # What was asked for is not chatter: predictions go to the screen.
    assert not said.err and bool(said.out) is (verb == "predict")


@pytest.mark.parametrize("switch", ["--json", "--quiet"])
def test_an_error_is_told_on_stderr_whatever_was_asked_for(
    switch: str, give: Give, capsys
) -> None:
    assert give("predict", "--top_k", "0", switch) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: --top_k: expected")


def test_a_page_made_again_is_told_like_the_others(small_run: Trained, capsys) -> None:
    page = str(small_run.path / "report.html")
    report.main([str(small_run.path)])
    assert capsys.readouterr().out == f"Look at {page}\n"
    report.main([str(small_run.path), "--json"])
    said = capsys.readouterr()
    assert json.loads(said.out)["written"]["page"] == page and page in said.err
    report.main([str(small_run.path), "--quiet"])
    assert capsys.readouterr() == ("", "")


def alone(verb: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Give a command in a process of its own: TensorFlow starts there, with its log."""
    given = [sys.executable, "-m", f"tfpipeline.{verb}", *map(str, words), "--quiet"]
    return subprocess.run(given, capture_output=True, text=True)


def test_a_process_of_its_own_writes_nothing_else_to_stdout(
    small_run: Trained, exported: Exported
) -> None:
    words = ["--model", small_run.path, "--images", exported.pictures[0]]
    done = alone("predict", *words, "--json")
    assert done.returncode == 0 and done.stderr == ""
    labels = (small_run.path / "labels.txt").read_text().split()
    assert json.loads(done.stdout)[0]["label"] in labels


@pytest.mark.parametrize(
    "verb, words",
    [
        ("predict", "--model {run} --images {picture} --output {out}.html"),
        ("predict", "--model {run} --images {picture} --output {out}"),
        *((verb, TABLE[verb].words) for verb in ("combine", "similar")),
    ],
)
def test_tensorflows_log_is_not_heard(
    verb: str, words: str, small_run: Trained, exported: Exported, tmp_path: Path
) -> None:
    names = {"run": small_run.path, "picture": exported.pictures[0]}
    names |= {"out": tmp_path / "out", "cache": small_run.cache}
    done = alone(verb, *(word.format(**names) for word in words.split()))
    assert done.returncode == 0 and done.stderr == ""


def test_a_server_tells_its_addresses_as_json_before_anybody_asks(
    exported: Exported,
) -> None:
    pytest.importorskip("kserve")
    words = ["--base", str(exported.base), "--rest_port", "0", "--grpc_port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfpipeline.serve", *words, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    try:
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()  # type: ignore[union-attr]
            assert line, process.communicate()
            text += line
        found = json.loads(text)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert found["rest"].startswith("http://127.0.0.1:") and found["versions"]
    assert rest == "" and "Stopped." in err
