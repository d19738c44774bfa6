"""Nothing that a command did not make is ever replaced or removed, by any of them."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.config import AuditSettings, PackSettings, PredictSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.config.monitoring import MonitorSettings, SimilarSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.config.synthesis import FeaturesSettings, SynthesizeSettings
from tfpipeline.core import file_io, result_dir
from tfpipeline.core.errors import UserError
from tfpipeline.demo import gallery, pretraining, world
from tfpipeline.report import __main__ as report


class Writer(NamedTuple):
    """A command, and what it writes.

    Args:
        settings: What it takes.
        words: Its flags; `{out}`, `{pictures}` and `{run}` are filled in.
        names: Of files that it writes into `{out}`, some of each kind.
    """

    settings: type
    words: str
    names: str


# Whose output is a folder with other things in it, perhaps.
TABLE = {
    "attack": Writer(
        AttackSettings,
        "--images {pictures} --run {run} --output {out} --epsilon 1/255"
        " --adversary.steps 1 --full_size true",
        "00000.png 00001.png figures/00000.png full_size/00000.png sheet.png"
        " overview.png attack.csv attack.json report.html",
    ),
    "features": Writer(
        FeaturesSettings,
        "--images {pictures} --run {run} --output {out} --layer_count 1",
        "00000/mine.txt 00000/overview.png 00001 channels/mine.png features.json"
        " report.html",
    ),
    "synthesize": Writer(
        SynthesizeSettings,
        "--classes 0 --run {run} --synthesis.steps 1 --gif true" " --output {out}",
        "charts logs/mine.txt synthesis.json",
    ),
    "study": Writer(
        StudySettings,
        "--sources {pictures} --backbones demo --seeds 1 --shots all --heads 1"
        " --output {out}",
        "study.csv study.json table.md figures/shots.png figures/cost.png report.html",
    ),
    "benchmark": Writer(
        BenchmarkSettings,
        "--images 64 --rounds 1 --model.weights demo --output {out}",
        "benchmark.json",
    ),
    "similar": Writer(
        SimilarSettings,
        "--images {pictures} --run {run} --output {out}",
        "similar.html similar.json",
    ),
    "monitor": Writer(
        MonitorSettings,
        "--images {pictures} --run {run} --output {out}",
        "monitor.html monitor.json",
    ),
    "audit": Writer(
        AuditSettings,
        "--source {pictures} --output {out}",
        "quarantine.csv findings.csv statistics.json contact_sheet.png leaks.png"
        " audit.html",
    ),
    "predict": Writer(
        PredictSettings,
        "--model {run} --images {pictures} --output {out}/found.csv",
        "found.csv",
    ),
    "export": Writer(
        ExportSettings,
        "--run {run} --output {out}",
        "compose.yaml models.config batching.config",
    ),
}
TAKEN = [(verb, name) for verb, one in TABLE.items() for name in one.names.split()]

# The others open networks, again and again.
FAST = ("audit", "study")


Give = Callable[..., int]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "mine"
    world.write_folder(folder, ["rocket", "teapot"], 10, seed=7)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def give(small_run: Trained, pictures: Path, out: Path) -> Give:
    """Give a command of the table in this process, and return its exit code."""

    def start(verb: str, *more: str) -> int:
        writer, some = TABLE[verb], pictures
        if verb in ("attack", "features"):
            some = pictures / "rocket" / "0000[01].png"
        names = {"out": out, "pictures": some, "run": small_run.path}
        words = [word.format(**names) for word in writer.words.split()]
        command: Any = getattr(import_module(f"tfpipeline.{verb}.command"), verb)
        return cli.main(command, writer.settings, [*words, *more])

    return start


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize(("verb", "name"), TAKEN)
def test_a_name_that_is_taken_is_refused_before_the_work(
    verb: str, name: str, give: Give, out: Path, tmp_path: Path, capsys
) -> None:
    mine = out / name
    mine.parent.mkdir(parents=True)
    mine.write_text("this is mine")
    before = digests(tmp_path)
    assert give(verb) == 2
    assert mine.name in capsys.readouterr().err
    if verb not in ("predict", "export"):
        # Nor by saying so: it is no earlier result.
        assert give(verb, "--overwrite", "true") == 2
        assert str(mine) in capsys.readouterr().err
    assert digests(tmp_path) == before


@pytest.mark.parametrize(
    "verb",
    [
        pytest.param(verb, marks=() if verb in FAST else pytest.mark.slow)
        for verb in TABLE
        if verb not in ("predict", "export", "benchmark")
    ],
)
def test_what_else_lies_in_the_folder_stays_whatever_happens(
    verb: str, give: Give, out: Path, monkeypatch, capsys
) -> None:
    for name in ("00000.jpg", "figures/mine.png", "notes.txt", "charts/0.txt"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(f"mine: {name}")
    mine = digests(out)

    def whose(before: dict[str, str]) -> dict[str, str]:
        found = digests(out)
        return {name: found.get(name, "lost") for name in before}

    with monkeypatch.context() as patch:
        patch.setattr(file_io.os, "replace", _second_time_interrupted(out))
        assert give(verb) == 130
    assert whose(mine) == mine
    # What is left of that is its own.
    assert give(verb) == 0
    first = digests(out)
    assert whose(mine) == mine and set(first) > set(mine)
    assert give(verb) == 2
    assert "--overwrite" in capsys.readouterr().err and digests(out) == first
    # Its own as well, but it was changed.
    changed = next(name for name in TABLE[verb].names.split() if (out / name).is_file())
    kept = (out / changed).read_bytes()
    (out / changed).write_bytes(b"mine now")
    before = digests(out)
    assert give(verb, "--overwrite", "true") == 2
    assert str(out / changed) in capsys.readouterr().err and digests(out) == before
    (out / changed).write_bytes(kept)
    if verb not in FAST:
        return
    assert give(verb, "--overwrite", "true") == 0
    assert whose(mine) == mine and set(digests(out)) == set(first)


def _second_time_interrupted(folder: Path) -> Any:
    real, seen = os.replace, []

    def replace(old: Any, new: Any) -> None:
        if Path(new).is_relative_to(folder):
            seen.append(new)
            if len(seen) == 2:
                raise KeyboardInterrupt
        real(old, new)

    return replace


def test_a_photograph_is_never_replaced_by_what_is_made_of_it(
    pictures: Path, small_run: Trained, tmp_path: Path, capsys
) -> None:
    folder = tmp_path / "photographs"
    shutil.copytree(pictures / "rocket", folder)
    before = digests(folder)
    words = ["--images", str(folder), "--output", str(folder)]
    words += ["--run", str(small_run.path)]
    for verb, settings in (("attack", AttackSettings), ("features", FeaturesSettings)):
        command: Any = getattr(import_module(f"tfpipeline.{verb}.command"), verb)
        (folder / "00000").mkdir(exist_ok=True)
        (folder / "00000" / "other.png").write_bytes(b"other")
        assert cli.main(command, settings, [*words, "--overwrite", "true"]) == 2
        assert str(folder / "00000") in capsys.readouterr().err
        shutil.rmtree(folder / "00000")
    assert digests(folder) == before


# The folder of a result, by itself.


@pytest.fixture
def output(tmp_path: Path) -> Iterator[result_dir.Output]:
    made = result_dir.Output(tmp_path / "out", "made.json")
    with made.recording():
        file_io.write_text(made.folder / "a.txt", "first")
        file_io.write_text(made.folder / "made.json", "{}")
    yield result_dir.Output(tmp_path / "out", "made.json")


def test_an_earlier_result_goes_when_the_first_file_of_the_new_one_is_whole(
    output: result_dir.Output,
) -> None:
    with pytest.raises(KeyboardInterrupt), output.recording():
        with file_io.replacing(output.folder / "b.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
    assert (output.folder / "a.txt").read_text() == "first"
    with output.recording():
        file_io.write_text(output.folder / "b.txt", "second")
    assert sorted(digests(output.folder)) == [".made.json.files", "b.txt"]


def test_what_is_read_is_neither_replaced_nor_removed(
    output: result_dir.Output,
) -> None:
    other = output.folder.parent / "link"
    other.symlink_to(output.folder / "a.txt")
    with pytest.raises(UserError, match="a.txt .* one of the files that are read"):
        output.check(["a.txt"], [other])
    output.check(["b.txt"], [other])
    with output.recording():
        file_io.write_text(output.folder / "b.txt", "second")
    assert (output.folder / "a.txt").read_text() == "first"
    # It is still owned: a command that does not read it may remove it.
    last = result_dir.Output(output.folder, "made.json")
    last.check(["a.txt"])


@pytest.mark.parametrize("kind", ["link", "dangling", "hard", "folder"])
def test_what_is_no_file_of_its_own_is_not_replaced(
    kind: str, output: result_dir.Output, tmp_path: Path
) -> None:
    there, mine = output.folder / "b.txt", tmp_path / "mine.txt"
    mine.write_text("mine")
    {
        "link": lambda: there.symlink_to(mine),
        "dangling": lambda: there.symlink_to(tmp_path / "none"),
        "hard": lambda: there.hardlink_to(mine),
        "folder": there.mkdir,
    }[kind]()
    with pytest.raises(UserError, match="b.txt"):
        output.check(["b.txt"])
    with pytest.raises(UserError, match="b.txt"), output.recording():
        file_io.write_text(there, "other")
    assert os.path.lexists(there) and mine.read_text() == "mine"
    # A file in the way of a folder is one as well.
    if kind != "folder":
        with pytest.raises(UserError, match="b.txt"):
            output.check(["b.txt/inner.txt"])


def test_what_a_killed_command_left_half_written_is_in_nobodys_way(
    output: result_dir.Output,
) -> None:
    (output.folder / "sub").mkdir()
    (output.folder / "sub" / ".0123456789ab.a.png").write_text("half")
    output.check(["sub/"])
    (output.folder / "sub" / "mine.png").write_text("mine")
    with pytest.raises(UserError, match="mine.png"):
        output.check(["sub/"])


def test_a_list_that_leads_out_of_the_folder_is_not_followed(
    output: result_dir.Output, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("first")
    shown = hashlib.sha256(b"first").hexdigest()
    ledger = output.folder / ".made.json.files"
    with open(ledger, "a") as file:
        for name in ("../mine.txt", str(mine), "sub/../../mine.txt"):
            file.write(f'["{name}", "{shown}"]\n')
        file.write('["a.txt", "')
    with output.recording():
        file_io.write_text(output.folder / "b.txt", "second")
    assert mine.read_text() == "first"


def test_what_is_removed_is_owned_no_more_and_the_list_is_read_once(
    output: result_dir.Output, monkeypatch
) -> None:
    names, reads = [f"{i}.txt" for i in range(9)], []
    with output.recording(adding=True):
        for name in names:
            file_io.write_text(output.folder / name, name)
    again = result_dir.Output(output.folder, output.name)
    digests = again.digests
    monkeypatch.setattr(again, "digests", lambda: reads.append(1) or digests())
    assert all(again.remove(output.folder / name) for name in names[1:])
    assert len(reads) == 1 and not again.remove(output.folder / names[1])
    for name in names[1:]:
        (output.folder / name).write_text(name)
    owned = result_dir.Output(output.folder, output.name).digests()
    assert {*names} & {*owned} == {names[0]}


def test_what_is_discarded_was_written_by_this_process(tmp_path: Path) -> None:
    made = result_dir.Output(tmp_path, "made.json")
    with made.recording():
        file_io.write_text(tmp_path / "a.txt", "kept")
        since = len(made.written)
        file_io.write_text(tmp_path / "b.txt", "discarded")
        file_io.write_text(tmp_path / "c.txt", "changed")
        (tmp_path / "c.txt").write_text("mine")
        made.discard(since)
    assert {f.name for f in tmp_path.glob("*.txt")} == {"a.txt", "c.txt"}


def test_names_for_fewer_photographs_are_among_those_for_all() -> None:
    """So it is enough to look at the names for all of them, before one is opened."""
    words = ["a", "a", "a_2", "b/a", "a_2_2", "c/a_2", "a", "sheet", "sheet_2"]
    paths = [Path(f"{word}.png") for word in words]
    for chosen in range(2 ** len(paths)):
        taken = {"sheet"}
        some = [path for k, path in enumerate(paths) if chosen >> k & 1]
        names = {result_dir.own_name(path, taken) for path in some}
        if chosen == 0:
            every = set(taken)
            [result_dir.own_name(path, every) for path in paths]
        assert names <= every and len(names) == len(some)


# Single files.


def test_a_page_is_made_again_but_not_over_another(small_run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    for _ in range(2):
        report.main([str(small_run.path), "--output", str(page), "--quiet"])
    page.write_text(page.read_text().replace("<body", "<!-- my notes --><body"))
    before = page.read_bytes()
    with pytest.raises(SystemExit) as ended:
        report.main([str(small_run.path), "--output", str(page)])
    assert ended.value.code == 2 and page.read_bytes() == before


@pytest.mark.parametrize("name", ["found.csv", "found.jsonl"])
def test_predictions_replace_predictions_alone(
    name: str, small_run: Trained, tmp_path: Path
) -> None:
    file, other = tmp_path / name, tmp_path / f"other{Path(name).suffix}"
    (tmp_path / "broken.png").write_text("no image, so that no network is needed")
    words = ["--model", str(small_run.path), "--images", str(tmp_path / "broken.png")]
    predict: Any = import_module("tfpipeline.predict.command").predict
    for _ in range(2):
        assert cli.main(predict, PredictSettings, [*words, "--output", str(file)]) == 0
    other.write_text("path,label\na.png,cat\n")
    assert cli.main(predict, PredictSettings, [*words, "--output", str(other)]) == 2
    assert other.read_text() == "path,label\na.png,cat\n"


def test_the_drawn_world_replaces_nothing(tmp_path: Path, capsys) -> None:
    for main, flag, name in (
        (gallery.main, "--sheet", "sheet.png"),
        (pretraining.main, "--output", "weights.npz"),
    ):
        file = tmp_path / name
        file.write_text("mine")
        with pytest.raises(SystemExit) as ended:
            main([flag, str(file)])
        assert ended.value.code == 2 and str(file) in capsys.readouterr().err
        assert file.read_text() == "mine"


def test_evaluate_replaces_its_own_result_alone(
    small_run, tmp_path: Path, monkeypatch
) -> None:
    from tfpipeline.config import EvaluateSettings
    from tfpipeline.evaluate.command import evaluate

    run = tmp_path / "run"
    shutil.copytree(small_run.path, run)
    (run / "evaluation.json").write_text('["mine"]')
    before = digests(run)
    assert cli.main(evaluate, EvaluateSettings, ["--run", str(run)]) == 2
    assert digests(run) == before
    (run / "evaluation.json").unlink()
    argv = ["--run", str(run), "--cache_dir", str(small_run.cache), "--quiet"]
    for _ in range(2):
        assert cli.main(evaluate, EvaluateSettings, argv) == 0
    for name in ("evaluation.json", "evaluation.html"):
        kept = (run / name).read_text()
        (run / name).write_text(kept.replace("accuracy", "my accuracy"))
        before = digests(run)
        assert cli.main(evaluate, EvaluateSettings, argv) == 2
        assert digests(run) == before
        (run / name).write_text(kept)
    # A page that cannot be made leaves none behind with other figures.
    monkeypatch.setattr("tfpipeline.evaluate.page.write", lambda *_: 1 / 0)
    assert cli.main(evaluate, EvaluateSettings, argv) == 0
    assert not (run / "evaluation.html").exists() and (run / "evaluation.json").exists()


def test_a_packed_source_is_not_written_among_other_files(
    pictures: Path, tmp_path: Path
) -> None:
    from tfpipeline.pack.command import pack

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000.tfrecord").write_text("mine")
    before = digests(tmp_path)
    words = ["--source", str(pictures), "--output", str(tmp_path / "out")]
    assert cli.main(pack, PackSettings, [*words, "--overwrite", "true"]) == 2
    assert digests(tmp_path) == before


def test_corrections_are_not_removed_with_the_run_that_they_are_of(
    small_run: Trained, tmp_path: Path
) -> None:
    from tfpipeline.config import RunSettings
    from tfpipeline.train.command import train

    run = tmp_path / "run"
    shutil.copytree(small_run.path, run)
    (run / "cleaning.csv").write_text("id,action\n")
    before = digests(run)
    words = ["--workdir", str(run), "--overwrite", "true"]
    words += ["--data.corrections", str(run / "cleaning.csv")]
    assert cli.main(train, RunSettings, words) == 2
    assert digests(run) == before
