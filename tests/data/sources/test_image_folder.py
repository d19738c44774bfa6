"""What stands in a folder of classes and is no picture of one."""

from pathlib import Path

import pytest

from tests.data.sources.test_base import never, put
from tfpipeline.config import DataSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import image_folder, listing, opening


def test_a_mask_beside_its_picture_is_passed_over_and_told(
    tmp_path: Path, capsys
) -> None:
    put(
        tmp_path, "a/benign (1).png", "a/benign (1)_mask.png", "a/benign (1)_mask_1.png"
    )
    put(tmp_path, "b/1.jpg", "b/1_seg.png", "b/sub/2.png", "b/sub/2.Mask.png")
    # No picture of the name stands there, or nothing parts the name from the word.
    put(tmp_path, "a/3_mask.png", "b/1mask.png", "b/2_mask.png")
    source = image_folder.open_folder(tmp_path)
    told = capsys.readouterr().err
    assert source.ids == (
        *("a/3_mask.png", "a/benign (1).png"),
        *("b/1.jpg", "b/1mask.png", "b/2_mask.png", "b/sub/2.png"),
    )
    assert "passed over 4 masks" in told and "a/benign (1)_mask.png" in told
    assert len(image_folder.open_folder(tmp_path, is_sure=True)) == 10
    assert "mask" not in capsys.readouterr().err


def test_a_mask_beside_a_named_picture_is_no_class(tmp_path: Path, capsys) -> None:
    put(tmp_path, "pug_1.jpg", "pug_1_mask.png", "cat_1.jpg", "cat_1_mask.png")
    assert image_folder.open_named(tmp_path).labels == ("cat", "pug")
    assert "passed over 2 masks" in capsys.readouterr().err


def test_pictures_beside_the_folders_of_classes_are_told(
    tmp_path: Path, capsys
) -> None:
    put(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")
    (tmp_path / "README.md").write_text("words")
    (tmp_path / "train" / "labels.csv").write_text("a,b")
    image_folder.open_folder(tmp_path)
    assert not capsys.readouterr().err
    put(tmp_path, "loose.png", "train/2.png", "train/3.png")
    assert len(image_folder.open_folder(tmp_path)) == 4
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "1 pictures" in told[0] and "loose.png" in told[0]
    assert "2 pictures" in told[1] and "2.png" in told[1]


@pytest.mark.parametrize(
    ("folders", "inner"),
    [
        ("PetImages/Cat PetImages/Dog", "PetImages"),
        ("v1/data/train/a v1/data/test/a", "v1/data"),
        ("images/train images/val", "images"),
    ],
)
def test_an_only_folder_names_the_one_in_which_the_classes_are(
    tmp_path: Path, folders: str, inner: str
) -> None:
    put(tmp_path, *(f"{folder}/1.png" for folder in folders.split()))
    settings = DataSettings(source=str(tmp_path))
    with pytest.raises(UserError) as error:
        opening.open_source(settings, tmp_path / "cache", never)
    assert f"--data.source {tmp_path / inner} takes those" in str(error.value)


def test_an_only_class_without_folders_is_refused_without_more_ado(tmp_path) -> None:
    put(tmp_path, "a/1.png", "a/sub/2.png")
    assert image_folder.inside(tmp_path, "a") == ""
    assert image_folder.inside(tmp_path / "a" / "1.png", "x") == ""


@pytest.mark.parametrize(
    "name",
    [
        *("1.caption", "1.yaml", "1.THM", "1.npy"),
        *("1.jpg.supplemental-metadata.json", "1.jpg(2).json"),
    ],
)
def test_more_that_describes_a_picture_is_none(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a/1.jpg")
    (tmp_path / "a" / name).write_text("")
    assert [file.name for file in listing.files(tmp_path)] == ["1.jpg"]
    assert listing.beside(tmp_path / "a") == [tmp_path / "a" / "1.jpg"]
    (tmp_path / "a" / name.replace("1.", "2.", 1)).write_text("")
    assert len(listing.files(tmp_path)) == 2


def test_names_stand_for_a_disk(tmp_path: Path, capsys) -> None:
    names = ["train/a/1.png", "train/a/1_mask.png", "train/b/c/2.png", "test/a/3.png"]
    names += ["test/b/4.png", "test/b/4.json", "train/a/.hidden", "train/loose.png"]
    put(tmp_path / "real", *names)
    real = image_folder.open_folder(tmp_path / "real")
    told = capsys.readouterr().err
    with listing.of_names(tmp_path / "none", names):
        named = image_folder.open_folder(tmp_path / "none")
        assert listing.is_folder(tmp_path / "none" / "train" / "b")
        assert not listing.is_folder(tmp_path / "real")
    assert (named.ids, named.labels, named.split) == (real.ids, real.labels, real.split)
    assert "passed over 1 masks" in told
    assert "passed over 1 masks" in capsys.readouterr().err
    assert listing.is_folder(tmp_path / "real")
