"""Folders that are splits, however they are called and wherever their classes are."""

from pathlib import Path

import pytest

from tests.data.sources.test_base import put
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import image_folder, split_folders


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("asl_alphabet_train", "asl_alphabet_test"),
        ("asl_alphabet_train/asl_alphabet_train", "asl_alphabet_test/deeper"),
        ("PetsTrain", "PetsTest"),
        ("train", "test/images"),
        ("train/images", "test/images"),
        ("training_set/training_set/JPEGImages", "test_set/test_set/JPEGImages"),
        ("train-birds", "birds-test"),
    ],
)
def test_splits_are_known_by_what_their_names_have_in_common(
    tmp_path: Path, train: str, test: str
) -> None:
    # A folder of another name within is none that is descended into.
    test = test.replace("deeper", "asl_alphabet_test")
    put(tmp_path, *(f"{part}/{name}/1.png" for part in (train, test) for name in "ab"))
    source = image_folder.open_folder(tmp_path)
    assert source.labels == ("a", "b")
    assert source.split == ("train", "train", "test", "test")


@pytest.mark.parametrize(
    "folders",
    [
        "steam_train/a steam_train/b bus/c bus/d",
        "steam_train/a passenger_train/b",
        "steam_train/a passenger_test/b",
        "drug_test/a blood_test/b",
        "bullet_train train bus",
    ],
)
def test_a_name_with_a_split_in_it_is_a_class_where_no_other_is_called_alike(
    tmp_path: Path, folders: str
) -> None:
    put(tmp_path, *(f"{folder}/1.png" for folder in folders.split()))
    assert split_folders.roots(tmp_path, is_sure=False) == {"": tmp_path}
    source = image_folder.open_folder(tmp_path)
    assert set(source.labels) == {path.split("/")[0] for path in folders.split()}


@pytest.mark.parametrize("folder", ["asl_test", "asl_test/asl_test"])
def test_a_split_without_classes_is_refused_by_the_name_that_it_has(
    tmp_path: Path, folder: str
) -> None:
    name = folder.partition("/")[0]
    train = name.replace("test", "train")
    put(tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{folder}/1.png")
    with pytest.raises(UserError, match=f"{name} holds pictures without a folder"):
        image_folder.open_folder(tmp_path)
    assert image_folder.open_folder(tmp_path, is_sure=True).labels == (name, train)


def test_flat_splits_that_share_a_word_are_no_classes(tmp_path: Path) -> None:
    put(tmp_path, "asl_train/1.png", "asl_test/2.png")
    with pytest.raises(UserError, match="look like splits"):
        image_folder.open_folder(tmp_path)


def test_two_folders_of_one_split_are_told_by_the_names_that_they_have(
    tmp_path: Path,
) -> None:
    folders = ("train", "test/images", "testing/images", "validation")
    put(tmp_path, *(f"{part}/{name}/1.png" for part in folders for name in "ab"))
    with pytest.raises(UserError, match="test and testing both mean the split"):
        image_folder.open_folder(tmp_path)


def test_what_has_no_train_folder_is_told_by_the_names_that_it_has(
    tmp_path: Path,
) -> None:
    folders = ("test/images", "validation/images")
    put(tmp_path, *(f"{part}/{name}/1.png" for part in folders for name in "ab"))
    with pytest.raises(UserError, match="found test, validation, but no train"):
        image_folder.open_folder(tmp_path)


def test_who_is_sure_is_not_told_that_a_class_was_passed_over(
    tmp_path: Path, capsys
) -> None:
    put(tmp_path, *(f"{name}/a/1.png" for name in ("train", "unlabeled", "other")))
    source = image_folder.open_folder(tmp_path, is_sure=True)
    assert "unlabeled" in source.labels
    assert "passed over" not in capsys.readouterr().err
