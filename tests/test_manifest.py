"""Phases add up, and versions are those of the installed packages."""

import keras
import pytest

from tfpipeline import __version__, manifest


def test_phases_add_up_and_survive_errors() -> None:
    phases = manifest.Phases()
    for _ in range(2):
        with phases("a"):
            pass
    with pytest.raises(KeyError), phases("b"):
        raise KeyError
    report = phases.report()
    assert set(report) == {"a", "b", "total"}
    assert report["total"] >= report["a"] + report["b"] - 0.002


def test_versions_are_those_that_run() -> None:
    versions = manifest.versions()
    assert versions["keras"] == keras.__version__
    assert versions["tfpipeline"] == __version__
