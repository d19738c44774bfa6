"""Pictures are found by whatever names them, one after the other."""

import os
from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.config import PackSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import pictures
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.demo import world
from tfpipeline.pack.command import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b/c.png", "b/d e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def paths(*words: str) -> list[str]:
    return [picture.path for picture in pictures.walk(words)]


def test_a_list_names_files_from_its_folder_on(folder: Path) -> None:
    text = "b/d e.png\n\na.png\r\n" + f"{folder}/b/c.png\n"
    (folder / "list.txt").write_text(text)
    names = ("b/d e.png", "a.png", "b/c.png")
    assert paths(f"{folder}/list.txt") == [f"{folder}/{name}" for name in names]


def test_a_csv_names_files_and_what_they_are_called(folder: Path) -> None:
    (folder / "list.csv").write_text('id,path\nfirst,"b/d e.png"\n,a.png\n')
    first, second = pictures.walk([f"{folder}/list.csv"])
    assert first == Picture(f"{folder}/b/d e.png", name="first")
    assert (first.id, second.id) == ("first", f"{folder}/a.png")


@pytest.mark.parametrize("text", ["", "file\na.png\n", "path,id\n,x\n"])
def test_a_csv_without_paths_is_refused(folder: Path, text: str) -> None:
    (folder / "list.csv").write_text(text)
    with pytest.raises(UserError, match="path"):
        paths(f"{folder}/list.csv")


def test_words_of_every_kind_keep_their_order(folder: Path, monkeypatch) -> None:
    (folder / "list.txt").write_text("a.png\n")
    monkeypatch.chdir(folder)
    assert paths("b", "list.txt", "*.png") == ["b/c.png", "b/d e.png", "a.png", "a.png"]
    with pytest.raises(UserError, match="nowhere"):
        paths("nowhere")


def test_packed_pictures_have_their_bytes_and_ids(tmp_path: Path) -> None:
    from tfpipeline.core import image_io

    world.write_folder(tmp_path / "in", ["rocket", "teapot"], 2, seed=7)
    words = ["--source", str(tmp_path / "in"), "--output", str(tmp_path / "packed")]
    assert cli.main(pack, PackSettings, [*words, "--quiet"]) == 0
    packed = list(pictures.walk([str(tmp_path / "packed")]))
    plain = {p.path: p for p in pictures.walk([str(tmp_path / "in")])}
    assert len(packed) == len(plain) == 4
    for picture in packed:
        whole = plain[str(tmp_path / "in" / picture.id)]
        data = image_io.content(picture.path, *picture.span)
        assert data == image_io.content(whole.path)
    assert [row.sha256 for row in pictures.audit(packed, 10**6)]


@pytest.mark.parametrize(
    "picture",
    [
        Picture("a\nb\u2028.png"),
        Picture(os.fsdecode(b"\xff.png")),
        Picture("00000.tfrecord", 12, 345, "cat/1.jpg"),
        Picture("memory://b/a.png", name="x"),
    ],
)
def test_a_picture_is_a_line_and_comes_back(picture: Picture) -> None:
    line = picture.dump()
    assert "\n" not in line and pictures.load(line) == picture


def test_parts_have_their_size_and_lose_nothing() -> None:
    every = [Picture(str(n)) for n in range(7)]
    found = list(pictures.parts(iter(every), 3))
    assert [len(part) for part in found] == [3, 3, 1] and sum(found, []) == every


def test_where_names_of_files_are_needed_others_are_refused(folder: Path) -> None:
    (folder / "list.csv").write_text("path,id\na.png,x\n")
    pictures.check_files("--sort_into", [str(folder / "b")])
    with pytest.raises(UserError, match="--sort_into.*x"):
        pictures.check_files("--sort_into", [str(folder / "list.csv")])
