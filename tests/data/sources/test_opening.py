"""What is said of a source's class names before anything is done with it."""

import dataclasses
from pathlib import Path

import pytest

from tests.data.sources.test_base import never, put
from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import opening


@pytest.mark.parametrize("name", ["nan", "NaN", "null", "n/a"])
def test_a_label_that_is_missing_is_no_class_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    put(tmp_path, "1.png", "2.png", "3.png", "4.png")
    file = tmp_path / "t.csv"
    file.write_text(f"path,label\n1.png,cat\n2.png,dog\n3.png,{name}\n4.png,{name}\n")
    settings = DataSettings(source=str(file))
    source = opening.open_source(settings, tmp_path / "cache", never)
    told = capsys.readouterr().err
    assert len(source.labels) == 3 and f"{name!r} (2 images)" in told
    assert f"{name}," in told and "--data.classes" in told
    dropped = tmp_path / "c.csv"
    dropped.write_text(f"class,new\n{name},\n")
    settings = DataSettings(source=str(file), classes=str(dropped))
    source = opening.open_source(settings, tmp_path / "cache", never)
    assert source.labels == ("cat", "dog")
    assert "may stand for" not in capsys.readouterr().err


def test_a_class_of_nothing_is_a_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "none/1.png", "crack/2.png", "NA/3.png")
    opening.open_source(DataSettings(source=str(tmp_path)), tmp_path / "c", never)
    assert not capsys.readouterr().err


def test_advice_on_names_is_one_that_the_target_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "1.png", "2.png")
    file = tmp_path / "t.csv"
    file.write_text("path,label\n1.png,Cat|cat\n2.png,cat|nan\n")
    settings = DataSettings(source=str(file), target="multi")
    opening.open_source(settings, tmp_path / "cache", never)
    told = " ".join(capsys.readouterr().err.split())
    assert "'Cat' and 'cat'. Where they are, write them alike" in told
    assert "class 'nan' may stand for labels that are missing" in told
    assert "--data.classes" not in told


def test_features_are_for_training_alone(tmp_path: Path) -> None:
    settings = DataSettings(source=str(put(tmp_path, "a/1.png", "b/2.png")))
    settings = dataclasses.replace(settings, features="features")
    with pytest.raises(UserError, match="--data.features features"):
        opening.open_source(settings, tmp_path, never)
