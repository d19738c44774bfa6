"""A new run takes the place of an old one whole, whatever happens meanwhile."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import fault_injection
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.core.run_replacement import claimed, new_run, publish


def put(run: RunFolder, word: str, *more: str, **manifest: object) -> None:
    """Write a finished run, every file of which holds one word."""
    for name in ("model.keras", "splits.csv", *more):
        file_io.write_text(run.path / name, word)
    file_io.write_json(run.manifest, {"finished": True, "word": word, **manifest})


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_finished_run_is_refused_and_replaced_only_when_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    put(run, "first")
    with pytest.raises(UserError, match="--overwrite true"):
        new_run(str(tmp_path), overwrite=False)
    with pytest.raises(UserError, match="--overwrite true"), claimed(run):
        raise AssertionError
    assert new_run(str(tmp_path), overwrite=True) == run


def test_an_unfinished_run_goes_on_but_cannot_be_used(tmp_path: Path) -> None:
    file_io.write_json(tmp_path / "manifest.json", {"finished": False})
    assert new_run(str(tmp_path), overwrite=False).path == tmp_path
    with pytest.raises(UserError, match="interrupted"):
        RunFolder(tmp_path).existing()


def test_a_file_in_the_way_is_named_before_work_starts(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UserError, match="is a file"):
        new_run(str(tmp_path / "f" / "run"), overwrite=False)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_stands_until_the_next_one_is_whole(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    put(run, "first", "evaluation.json", "learned_from.csv", "figures/old.png")
    file_io.write_json(run.manifest, {"finished": True, "combined": {}})
    assert run.learned == run.inherited
    staged = run.staged()
    assert staged.path != run.path
    put(staged, "second", "figures/new.png")
    assert run.existing().model.read_text() == "first"
    publish(run, staged)
    assert run.model.read_text() == "second"
    assert run.read_manifest()["word"] == "second" and run.learned == run.splits
    names = {"model.keras", "splits.csv", "manifest.json", "figures/new.png"}
    assert set(tree(run.path)) == names


def test_a_new_run_is_written_where_it_belongs(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    assert run.staged() == run
    publish(run, run.staged())
    assert new_run(None, overwrite=False) != new_run(None, overwrite=False)


OLD = ("evaluation.json", "learned_from.csv", "report.html")
BOTH = ("corrections.csv", "logs/train/events", "figures/batch.png", "cleaning.csv")
NEW = ("quarantine.csv", "figures/suspects/1.png", "checkpoints/000007.npz")


@pytest.fixture()
def run(memory_path: Path) -> RunFolder:
    """A finished run, a whole one that is to replace it, and a file of the user's."""
    run = RunFolder(memory_path / "r")
    put(run, "old", *OLD, *BOTH, "figures/old.png", "checkpoints/000003.npz")
    file_io.write_text(run.path / "notes.txt", "mine")
    put(run.staged(), "new", *BOTH[:3], *NEW)
    return run


def go_on(run: RunFolder) -> None:
    """Do what the same command does when it is given again."""
    with claimed(run, overwrite=True):
        if (staged := run.staged()).is_finished() and staged != run:
            publish(run, staged)


def test_publishing_comes_to_the_same_end_wherever_it_is_interrupted(
    run: RunFolder, memory_path: Path
) -> None:
    before = tree(run.path)
    with fault_injection.watched(run.path, memory_path / "kept") as moments:
        publish(run, run.staged())
    end = tree(run.path)
    assert end["corrections.csv"] == end["logs/train/events"] == b"new"
    assert end["notes.txt"] == b"mine" and end["cleaning.csv"] == b"old"
    assert not {*OLD, "figures/old.png", NEW[-1]} & set(end)
    assert sum("os.rename" in what for what in moments.operations) >= 7
    assert len(moments.states) > 20
    for moment in moments:
        if run.is_finished() and run.model.read_text() == "old":
            # Whole, but for what it has gone on from, and with a lock or without.
            there = tree(run.path)
            of_no_use = set(before) ^ set(there)
            assert of_no_use <= {".lock", "checkpoints/000003.npz"}, moment
            assert all(there[name] == before[name] for name in set(before) & set(there))
        with moments.watched():
            go_on(run)
        assert tree(run.path) == end, moment
    assert len(moments.states) > 50, len(moments.states)


def test_a_run_that_is_half_published_is_ended_before_it_is_refused(
    run: RunFolder,
) -> None:
    run.manifest.unlink()
    assert new_run(str(run.path), overwrite=False) == run
    with pytest.raises(UserError, match="finished run"), claimed(run):
        raise AssertionError
    assert run.existing().model.read_text() == "new"


def test_nothing_is_ended_while_another_process_has_the_folder(run: RunFolder) -> None:
    with claimed(run, overwrite=True):
        run.manifest.unlink()
        before = tree(run.path)
        with pytest.raises(UserError, match="another training"):
            with claimed(run, overwrite=True):
                raise AssertionError
        with claimed(run, writes=False):
            assert tree(run.path) == before
        assert new_run(str(run.path), overwrite=True) == run
        assert tree(run.path) == before


def test_what_was_killed_before_its_first_file_is_no_stranger(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "new" / "r")
    with fault_injection.watched(tmp_path / "new", tmp_path / "kept") as moments:
        with claimed(run):
            file_io.write_json(run.manifest, {"finished": False})
    for moment in moments:
        with claimed(new_run(str(run.path), overwrite=False)):
            assert set(tree(run.path)) <= {".lock", "manifest.json"}, moment
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="thesis.txt"):
        new_run(str(tmp_path / "other"), overwrite=True)


def test_a_folder_that_came_to_nothing_is_not_left(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a" / "b" / "r")
    with pytest.raises(KeyError), claimed(run):
        assert run.path.is_dir()
        raise KeyError
    assert not list(tmp_path.iterdir())
    run.path.mkdir(parents=True)
    with claimed(run):
        pass
    assert run.path.is_dir() and not list(run.path.iterdir())


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "r")
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from tfpipeline.core import errors, run_dir, run_replacement\n"
        "run = run_dir.RunFolder(Path(sys.argv[1]))\n"
        "try:\n    with run_replacement.claimed(run): sys.exit(0)\n"
        "except errors.UserError as error: sys.exit(str(error))\n"
    )
    words = [sys.executable, "-c", program, str(run.path)]
    with claimed(run):
        other = subprocess.run(words, capture_output=True, text=True)
        assert other.returncode == 1 and "another training" in other.stderr
    assert subprocess.run(words).returncode == 0
    assert not run.path.exists()
