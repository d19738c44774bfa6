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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("path,id\na.png,x,more\n", "more values"),
        ("path,path\na.png,a.png\n", "twice"),
        ("path,id\na.png,x\nb/c.png,x\n", "line 3.*second time"),
        ('path,id\n"a.png,x\n' + "b/c.png,y\n" * 20_000, "closing quote"),
    ],
)
def test_a_csv_is_checked_as_all_others_are(folder: Path, text: str, why: str) -> None:
    (folder / "list.csv").write_text(text)
    with pytest.raises(UserError, match=why):
        paths(f"{folder}/list.csv")


def test_a_url_gives_what_the_folder_would(folder: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    names = ("Thumbs.db", ".b/c.png", "__MACOSX/a.png", "a.json", "b/c.txt", "icon\r")
    for name in (*names, "b/lone.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert sorted(paths(f"file://{folder}")) == sorted(
        f"file://{path}" for path in paths(str(folder))
    )
    assert paths(f"file://{folder}/*.png") == [f"file://{folder}/a.png"]
    assert paths(f"file://{folder}/Th*.db") == [f"file://{folder}/Thumbs.db"]
    with pytest.raises(UserError, match="hidden"):
        paths(f"file://{folder}/*con*")


def test_secrets_of_an_address_are_not_what_a_picture_is_called(folder: Path) -> None:
    signed = "https://me:word@host/a.png?X-Amz-Signature=1"
    (folder / "list.txt").write_text(f"{signed}\n")
    assert list(pictures.walk([f"{folder}/list.txt"])) == [
        Picture(signed, name="https://host/a.png")
    ]


def test_keys_with_empty_parts_are_read(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    store = fsspec.filesystem("memory")
    store.pipe("/odd//a.png", b"no picture")
    try:
        (picture,) = pictures.walk(["memory://odd//a.png"])
        (row,) = pictures.audit([picture], 10**6)
        assert row.path == picture.path == "memory://odd//a.png" and row.sha256
    finally:
        store.rm("/odd", recursive=True)


@pytest.mark.parametrize("shard", ["../../x", "/etc/passwd", "1.png"])
def test_a_packed_index_names_its_own_shards_only(tmp_path: Path, shard: str) -> None:
    (tmp_path / "packed.json").write_text("{}")
    with pytest.raises(UserError, match="index.csv"):
        paths(str(tmp_path))
    row = f"x,{shard},0,1\n"
    (tmp_path / "index.csv").write_text(f"id,shard,offset,length\n{row}")
    with pytest.raises(UserError, match="index.csv"):
        paths(str(tmp_path))
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    with pytest.raises(UserError, match="mounted"):
        paths(f"file://{tmp_path}")


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
