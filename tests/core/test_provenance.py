"""Phases add up, and versions are those of the installed packages."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import tfpipeline
from tfpipeline import __version__
from tfpipeline.core import provenance

ROOT = Path(tfpipeline.__file__).parent.parent


def test_phases_add_up_and_survive_errors() -> None:
    phases = provenance.Phases()
    for _ in range(2):
        with phases("a"):
            pass
    with pytest.raises(KeyError), phases("b"):
        raise KeyError
    report = phases.report()
    assert set(report) == {"a", "b", "total"}
    assert report["total"] >= report["a"] + report["b"] - 0.002


def test_versions_are_those_that_run() -> None:
    versions = provenance.versions()
    assert versions["keras"] == keras.__version__
    assert versions["tfpipeline"] == __version__


def test_a_package_is_told_as_it_was_started(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "__init__.py").write_text("")
    (tmp_path / "house" / "__main__.py").write_text(
        "from tfpipeline.core import provenance\nprint(provenance.command())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "house", "--a", "it's"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )
    assert shlex.split(done.stdout) == ["python", "-m", "house", "--a", "it's"]


def test_a_command_is_told_without_what_is_secret() -> None:
    line = "tfpipeline audit https://me:SECRET@h/x --output='a b' --x=https://h/?sig=1"
    with provenance.record_command(line):
        words = shlex.split(provenance.command())
    assert words[2:] == ["https://h/x", "--output=a b", "--x=https://h/"]
