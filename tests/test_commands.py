"""Every command, as a new user meets it: help, typing errors, exit codes."""

import subprocess
import sys
from pathlib import Path

import pytest

import tfpipeline

VERBS = (
    *("train", "evaluate", "predict", "export", "serve", "synthesize", "features"),
    *("attack", "study", "audit", "pack", "combine", "benchmark"),
    *("embed", "merge", "similar", "monitor"),
)


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


@pytest.mark.parametrize("verb", VERBS)
def test_help_answers_without_tensorflow(verb: str) -> None:
    code = (
        "import sys; from importlib import import_module as load\n"
        f"import runpy; sys.argv = ['{verb}', '--help']\n"
        "try: runpy.run_module('tfpipeline." + verb + "', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--config" in done.stdout


def test_a_page_of_nothing_is_refused_before_anything_heavy_is_there() -> None:
    code = (
        "import sys, tfpipeline.report.__main__ as page\n"
        "try: page.main(['nowhere'])\n"
        "except SystemExit as end: assert end.code == 2\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "nowhere" in done.stderr, done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_flag_ends_with_code_2_and_one_message(verb: str) -> None:
    done = run(f"tfpipeline.{verb}", "--no_such_flag", "1")
    assert done.returncode == 2
    assert "no_such_flag" in done.stderr and "Traceback" not in done.stderr


def test_the_nearest_flag_is_suggested() -> None:
    done = run("tfpipeline.train", "--data.sorce", "x")
    assert done.returncode == 2 and "--data.source" in done.stderr


def test_print_config_is_a_config(tmp_path: Path) -> None:
    printed = run("tfpipeline.train", "--seed", "7", "--print_config")
    assert printed.returncode == 0, printed.stderr
    file = tmp_path / "c.yaml"
    file.write_text(printed.stdout)
    again = run("tfpipeline.train", "--config", str(file), "--print_config")
    assert again.stdout == printed.stdout and "seed: 7" in again.stdout


def test_a_missing_source_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    done = run("tfpipeline.train", "--data.source", "nowhere", cwd=tmp_path)
    assert done.returncode == 2 and "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_package_itself_lists_its_commands_and_runs_any() -> None:
    listed = run("tfpipeline")
    assert listed.returncode == 0 and listed.stderr == ""
    names = [line.split()[0] for line in listed.stdout.splitlines()[3:]]
    assert sorted(names) == sorted([*VERBS, "report"])
    one, other = run("tfpipeline", "audit", "--help"), run("tfpipeline.audit", "--help")
    assert one.returncode == 0 and one.stdout == other.stdout
    assert one.stdout.startswith("usage: python -m tfpipeline.audit ")
    wrong = run("tfpipeline", "adit")
    assert wrong.returncode == 2 and "'audit'" in wrong.stderr


def test_version_stands_in_one_place() -> None:
    done = run("pip", "show", "tfpipeline")
    if done.returncode == 0:
        assert f"Version: {tfpipeline.__version__}" in done.stdout
