"""Every source becomes the same list of files, or says what is wrong with it."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.config import DataSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import csv_file, image_folder, listing, opening


def never(cache: Path) -> Path:
    raise AssertionError("only the source demo draws")


def put(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        image = np.full((8, 8, 3), number * 9 % 256, np.uint8)
        image_io.save_png(root / name, image)
    return root


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    put(tmp_path, "b/2.png", "b/sub/1.png", "a/1.png", "B/1.png", ".hidden/1.png")
    (tmp_path / "b" / ".DS_Store").write_text("")
    source = image_folder.open_folder(tmp_path)
    assert source.labels == ("B", "a", "b")
    assert source.ids == ("B/1.png", "a/1.png", "b/2.png", "b/sub/1.png")
    assert source.label.tolist() == [0, 1, 2, 2] and set(source.split) == {""}


def test_what_is_called_like_a_split_but_holds_images_is_a_class(
    tmp_path: Path,
) -> None:
    put(tmp_path, "train/1.png", "bus/1.png", "test/1.png")
    source = image_folder.open_folder(tmp_path)
    assert source.labels == ("bus", "test", "train") and set(source.split) == {""}


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("training_set", "test_set", "test"),
        ("seg_train/seg_train", "seg_test/seg_test", "test"),
        ("train2017", "Validation-Images", "validation"),
    ],
)
def test_a_split_may_have_a_longer_name_and_stand_in_itself(
    tmp_path: Path, train: str, other: str, split: str
) -> None:
    put(tmp_path, *(f"{part}/{name}/1.png" for part in (train, other) for name in "ab"))
    source = image_folder.open_folder(tmp_path)
    assert source.labels == ("a", "b")
    assert source.split == ("train", "train", split, split)


@pytest.mark.parametrize(
    "folders",
    [
        "train test",
        "trainset TestData",
        "images annotations/trimaps",
        "image mask",
        "img ground_truth",
        "JPEGImages SegmentationClass Annotations ImageSets",
        "images masks docs",
        "fold_1 fold_2 fold_3",
        "color/a color/b gray/a gray/b",
        "color/a color/b gray/a gray/b docs",
        "fold_1/a fold_1/b fold_2/b fold_2/a",
        "a/images a/masks b/images b/masks",
        "good/images bad/images bad/masks",
        "yes no brain/yes brain/no",
        "train/a train/b test",
        "test/a bus car",
    ],
)
def test_splits_folds_versions_and_masks_are_no_classes_unless_somebody_is_sure(
    tmp_path: Path, folders: str
) -> None:
    put(tmp_path, *(f"{folder}/1.png" for folder in folders.split()))
    settings = DataSettings(source=str(tmp_path))
    with pytest.raises(UserError, match="--data.label_from top"):
        opening.open_source(settings, tmp_path / "cache", never)
    sure = dataclasses.replace(settings, label_from="top")
    source = opening.open_source(sure, tmp_path / "cache", never)
    assert len(source) == len(folders.split())
    assert set(source.labels) == {path.split("/")[0] for path in folders.split()}


@pytest.mark.parametrize(
    "folders",
    [
        "a/images b/images a/more b/old",
        "bus train car",
        "a/2019 a/2020 b c",
        "images cat dog",
        "0 1 2",
        "left/far left/near right/near",
        "\u96fb\u8eca(train)/a \u8eca",
    ],
)
def test_classes_may_have_folders_and_any_names(tmp_path: Path, folders: str) -> None:
    put(tmp_path, *(f"{folder}/1.png" for folder in folders.split()))
    source = image_folder.open_folder(tmp_path)
    assert set(source.labels) == {path.split("/")[0] for path in folders.split()}
    assert len(source) == len(folders.split()) and set(source.split) == {""}


def test_real_splits_stay_splits_for_who_is_sure_of_the_classes(tmp_path: Path) -> None:
    albums = [f"{a}/{b}" for a in ("cat", "dog") for b in ("home", "street")]
    put(tmp_path, *(f"{s}/{x}/1.png" for s in ("train", "test") for x in albums))
    with pytest.raises(UserError, match="--data.label_from top"):
        image_folder.open_folder(tmp_path)
    source = image_folder.open_folder(tmp_path, is_sure=True)
    assert source.labels == ("cat", "dog") and set(source.split) == {"train", "test"}


def test_pictures_that_wait_for_an_answer_are_passed_over(tmp_path, capsys) -> None:
    parts = ("seg_train/seg_train", "seg_test/seg_test")
    put(tmp_path, *(f"{part}/{c}/1.png" for part in parts for c in "ab"))
    put(tmp_path, "seg_pred/seg_pred/1.png")
    source = image_folder.open_folder(tmp_path)
    assert len(source) == 4 and "seg_pred" in capsys.readouterr().err


def test_masks_beside_named_pictures_are_none_of_them(tmp_path: Path) -> None:
    put(tmp_path, "images/Bengal_1.jpg", "images/pug_1.jpg")
    put(tmp_path, "annotations/trimaps/Bengal_1.png", "annotations/trimaps/pug_1.png")
    assert len(image_folder.open_named(tmp_path)) == 2


DEBRIS = (
    *("@eaDir/1.jpg/XL.png", "#recycle/a/1.png", "$RECYCLE.BIN/S-1/2.png"),
    *("System Volume Information/x.png", ".thumbnails/1.png", "__MACOSX/._1.png"),
    *(".ipynb_checkpoints/1.png", "Thumbs.db", "desktop.ini", ".DS_Store"),
    *("__MACOSX 2/1.png", "@Recycle/1.png", "#snapshot/1.png", "FOUND.000/1.png"),
)


def test_debris_is_no_picture_and_no_class_in_any_command(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "a/sub/2.png", "b/1.png")
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "sub"):
        put(folder, *DEBRIS)
    with listing.noting() as passed:
        source = image_folder.open_folder(tmp_path)
    names = {Path(name).parts[0] for name in DEBRIS}
    assert {Path(path).name for paths in passed.values() for path in paths} == names
    # Each once, however often its folder was looked into.
    assert sum(map(len, passed.values())) == 3 * len(names)
    assert source.ids == ("a/1.png", "a/sub/2.png", "b/1.png")
    every = [tmp_path / name for name in source.ids]
    assert listing.named_files([str(tmp_path)]) == every
    assert listing.named_files([f"{tmp_path}/**/*.png"]) == every
    # What is named is meant.
    named = listing.named_files([f"{tmp_path}/a/@eaDir/*/*.png"])
    assert named == [tmp_path / "a/@eaDir/1.jpg/XL.png"]
    assert listing.named_files([f"{tmp_path}/a/@ea*/*/*.png"]) == named
    with pytest.raises(UserError, match="--images .*humbs.*: expected files"):
        listing.named_files([f"{tmp_path}/a/*humbs*"])


def test_what_describes_a_picture_beside_it_is_none(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "a/2.jpg", "b/1.png")
    for name in ("a/1.json", "a/2.jpg.xml", "b/1.TXT", "b/notes.txt"):
        (tmp_path / name).write_text("")
    with listing.noting() as passed:
        source = image_folder.open_folder(tmp_path)
    assert source.ids == ("a/1.png", "a/2.jpg", "b/1.png", "b/notes.txt")
    assert sorted(map(len, passed.values())) == [0, 3]


def test_an_empty_class_folder_is_told(tmp_path: Path, capsys) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "later" / "sub").mkdir(parents=True)
    assert image_folder.open_folder(tmp_path).labels == ("a", "b")
    assert "later" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("Cat cat dog", ("'Cat'", "'cat'")),
        ("0 0.0 1", ("'0'", "'0.0'")),
        ("1 2 x", ()),
        ("1e5 100000 0e1", ()),
        ("12345678901234567 12345678901234568 1", ()),
    ],
)
def test_classes_that_may_be_one_are_told(
    tmp_path: Path, capsys, labels: str, told: tuple[str, ...]
) -> None:
    put(tmp_path, "p.png")
    rows = [f"p.png,{label},{i}" for i, label in enumerate(labels.split())]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,id", *rows]))
    settings = DataSettings(source=str(tmp_path / "t.csv"))
    source = opening.open_source(settings, tmp_path / "cache", never)
    assert len(source.labels) == 3
    said = capsys.readouterr().err
    assert all(word in said for word in told) and bool(said) == bool(told)


def test_names_of_files_that_are_joined_are_told(tmp_path: Path, capsys) -> None:
    put(tmp_path, "ABc_1.png", "Abc_2.png", "B_1.png")
    assert image_folder.open_named(tmp_path).labels == ("abc", "b")
    said = capsys.readouterr().err
    assert "'ABc'" in said and "'Abc'" in said and "'B'" not in said


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("train/a/1.png", "train/b/1.png", "Test_old/a/1.png"), "Test_old"),
        (("train/a/1.png", "val/a/1.png", "valid/a/1.png"), "val and valid both"),
        (("test/a/1.png", "val/b/1.png"), "no train folder"),
    ],
)
def test_split_folders_that_cannot_be_meant_are_told(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    put(tmp_path, *names)
    with pytest.raises(UserError, match=words):
        image_folder.open_folder(tmp_path)


def test_linked_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "sub/1.png")
    put(tmp_path / "p", "a/2.png", "b/3.png")
    (tmp_path / "p" / "a" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "p" / "a")
    source = image_folder.open_folder(tmp_path / "p")
    assert source.ids == ("a/2.png", "a/link/sub/1.png", "b/3.png")


def test_files_come_in_the_order_of_their_paths_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/b-c/1.png", "a/b/2.png", "a/b/1.png", "a/b.png", "z/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path, Path()):
        source = image_folder.open_folder(root)
        assert list(source.paths) == sorted(root.rglob("*.png"))
        assert source.ids[:4] == ("a/b/1.png", "a/b/2.png", "a/b-c/1.png", "a/b.png")


def test_pipes_and_links_to_nothing_are_no_files(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png", "c/none"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "c" / "none").unlink()
    os.mkfifo(tmp_path / "c" / "pipe.png")
    (tmp_path / "c" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "c" / "round.png").symlink_to("round.png")
    assert image_folder.open_folder(tmp_path).labels == ("a", "b")


def test_a_folder_that_may_not_be_read_is_no_folder_without_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a/1.png", "b/1.png", "c/1.png")
    real = os.scandir

    def scandir(folder: str) -> Iterator[os.DirEntry]:
        if Path(folder).name == "b":
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError):
        image_folder.open_folder(tmp_path)


def test_what_a_disk_keeps_for_itself_is_no_class(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png", "lost+found/1.png", "a/lost+found/2.png")
    source = image_folder.open_folder(tmp_path)
    assert source.labels == ("a", "b") and len(source) == 2


def test_a_class_name_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b").rename(tmp_path / b"caf\xe9".decode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match="not valid UTF-8"):
        opening.open_source(DataSettings(source=str(tmp_path)), tmp_path, never)


def test_a_quote_that_stays_open_is_told(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text('path,label\n"' + "a" * 140_000)
    with pytest.raises(UserError, match="list.csv.*quote"):
        csv_file.open_csv(file)


@pytest.mark.parametrize("name", ["val", "validation", "Valid", "dev"])
def test_split_folders_are_known_by_their_usual_names(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path, "Train/a/1.png", "Train/b/1.png", f"{name}/a/1.png", "test/b/1.png")
    source = image_folder.open_folder(tmp_path)
    assert source.split == ("train", "train", "validation", "test")
    assert source.labels == ("a", "b")


def test_more_classes_in_test_than_in_train_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/dogs/1.png")
    with pytest.raises(UserError, match="'dog'"):
        image_folder.open_folder(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "it is empty"),
        (("1.png", "2.png"), "one folder of images a class"),
    ],
)
def test_folders_without_classes_are_refused(tmp_path, names, message) -> None:
    put(tmp_path, *names)
    with pytest.raises(UserError, match=message):
        image_folder.open_folder(tmp_path)


def test_one_class_is_enough_to_measure_on_and_to_train_on_is_refused(
    tmp_path: Path,
) -> None:
    put(tmp_path / "folder", "only/1.png", "only/2.png")
    (tmp_path / "table.csv").write_text("path,label\na.png,only\nb.png,only\n")
    for name in ("folder", "table.csv"):
        settings = DataSettings(source=str(tmp_path / name))
        with pytest.raises(UserError, match="at least two classes.*'only'"):
            opening.open_source(settings, tmp_path / "cache", never)
        source = opening.open_source(settings, tmp_path, never, single=True)
        assert source.labels == ("only",) and len(source) == 2


def test_a_csv_names_paths_beside_itself(tmp_path: Path) -> None:
    put(tmp_path, "x/1.png", "x/2.png")
    file = tmp_path / "list.csv"
    file.write_text("\ufefffile,kind,split\nx/1.png,dog,train\nx/2.png,cat,val\n")
    source = csv_file.open_csv(file, "file", "kind")
    assert source.labels == ("cat", "dog") and source.label.tolist() == [1, 0]
    assert source.paths[0] == tmp_path / "x/1.png"
    assert source.split == ("train", "validation")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na.png,x\n", "--data.label_column"),
        ("", "header"),
        ("path,label\n", "no row"),
        ("path,label\na.png,x\nb.png,\n", "line 3 has no label"),
        ("path,label\na.png,x\na.png,y\n", "more than once"),
        ("path,label,split\na.png,x,train\nb.png,y,later\n", "line 3"),
    ],
)
def test_a_wrong_csv_is_told_by_line_or_column(tmp_path, text, message) -> None:
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        csv_file.open_csv(file)


def test_a_missing_path_suggests_what_is_there(tmp_path: Path) -> None:
    put(tmp_path, "flowers/a/1.png")
    settings = DataSettings(source=str(tmp_path / "flower"))
    with pytest.raises(UserError, match="'flowers'"):
        opening.open_source(settings, tmp_path / "cache", never)


def test_a_csv_without_permission_or_text_is_a_user_error(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(b"\x00\x01path,label\n")
    with pytest.raises(UserError, match="list.csv"):
        csv_file.open_csv(file)


def test_classes_can_be_read_off_the_names_of_files(tmp_path: Path) -> None:
    put(tmp_path, "Great_Pyrenees_12.jpg", "great_pyrenees_3.jpg", "Bengal_1.jpg")
    (tmp_path / "Bengal_1.mat").write_text("")
    settings = DataSettings(source=str(tmp_path), label_from="file_name")
    source = opening.open_source(settings, tmp_path / "cache", never)
    assert source.labels == ("bengal", "great_pyrenees")
    assert source.label.tolist() == [0, 1, 1]
    put(tmp_path, "nameless.png")
    with pytest.raises(UserError, match="nameless.png.*last underscore"):
        opening.open_source(settings, tmp_path / "cache", never)
    unknown = DataSettings(source=str(tmp_path), label_from="filename")
    with pytest.raises(UserError, match="'file_name'"):
        opening.open_source(unknown, tmp_path / "cache", never)


def test_a_picture_or_a_table_with_semicolons_is_no_table(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with pytest.raises(UserError, match="found a picture .png."):
        csv_file.open_csv(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("path;label\na.png;x\n")
    with pytest.raises(UserError, match="semicolons"):
        csv_file.open_csv(tmp_path / "t.csv")


def test_no_source_and_empty_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty text"):
        opening.open_source(DataSettings(source=""), tmp_path, never)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Thumbs.db").write_text("")
    with pytest.raises(UserError, match="the folders cat, dog hold no file"):
        image_folder.open_folder(tmp_path)
