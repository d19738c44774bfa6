"""An audit in shards finds what one process finds, whoever computes which shard."""

import csv
import dataclasses
import io
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tfpipeline
from tests.shards.test_work import files
from tfpipeline import cli
from tfpipeline.audit import rows, sharded
from tfpipeline.audit.command import audit
from tfpipeline.config import AuditSettings, PackSettings
from tfpipeline.core import file_io, image_io, stores
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.demo import world
from tfpipeline.pack.command import pack
from tfpipeline.shards import locks
from tfpipeline.shards import plan as plans

NAMES = ("findings.csv", "quarantine.csv", "statistics.json", "audit.html")
SHEETS = ("contact_sheet.png", "leaks.png")


def start(*words: object) -> int:
    return cli.main(audit, AuditSettings, [*map(str, words), "--quiet"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures in splits; copies, near copies, one of one colour, bad files."""
    root = tmp_path_factory.mktemp("audited")
    for seed, split in enumerate(("train", "test")):
        world.write_folder(root / split, ["rocket", "teapot"], 5, seed=seed)
    first = root / "train" / "rocket" / "00000.png"
    shutil.copy(first, root / "train" / "teapot" / "same.png")
    with Image.open(first) as picture:
        small = picture.convert("RGB").resize((150, 150), Image.Resampling.LANCZOS)
        small.save(root / "test" / "rocket" / "near.jpg", quality=90)
    white = np.full((32, 32, 3), 255, np.uint8)
    image_io.save_png(root / "train" / "teapot" / "white.png", white)
    deep = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(deep).save(root / "test" / "teapot" / "deep.png")
    whole = first.read_bytes()
    (root / "train" / "rocket" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "test" / "teapot" / "text.png").write_text("no picture, 'and' \"quotes\"\r")
    shutil.copy(first, root / "test" / "teapot" / "called.jpg")
    return root


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the audit of one process writes without shards."""
    output = tmp_path_factory.mktemp("ordinary")
    assert start(folder, "--output", output) == 0
    counts = json.loads((output / "statistics.json").read_text())
    assert counts["unusable"] == 2 and counts["exact_duplicates"] == 2
    assert counts["near_duplicates"] == 3 and counts["leaks"] == 1
    assert counts["warnings"] == {"one colour": 1, "png called .jpg": 1}
    return {name: (output / name).read_bytes() for name in (*NAMES, *SHEETS)}


def results(output: Path, names: Sequence[str] = (*NAMES, *SHEETS)) -> dict:
    return {name: (output / name).read_bytes() for name in names}


def shards(output: Path) -> dict[str, bytes]:
    found = files(output / rows.FOLDER)
    return {name: data for name, data in found.items() if name != plans.PLAN}


@pytest.mark.parametrize("seed", range(2))
def test_parts_in_any_order_and_killed_ones_find_what_one_process_finds(
    seed: int, folder: Path, expected: dict, tmp_path: Path
) -> None:
    one, parts = tmp_path / "one", tmp_path / "parts"
    assert start(folder, "--shard_images", 3, "--output", one) == 0
    assert results(one) == expected
    draw = random.Random(seed)
    order = draw.sample(range(4), 4)
    words = [folder, "--shard_images", 3, "--output", parts, "--parts", 4, "--part"]
    with killed(draw.randint(11, 14)):
        with pytest.raises(Killed):
            start(*words, order[0])
    for number in order:
        assert not (parts / "statistics.json").exists()
        assert start(*words, number) == 0
    assert shards(parts) == shards(one) and results(parts) == expected
    # Given again, nothing changes.
    assert start(*words, order[0]) == 0
    assert shards(parts) == shards(one) and results(parts) == expected


class Killed(BaseException):
    """Nobody catches it."""


class killed:
    """Ends the process, as it were, when it has written so many files."""

    def __init__(self, files: int) -> None:
        self._left = files

    def __enter__(self) -> None:
        def guard(temporary: Path, path: Path) -> None:
            self._left -= 1
            if self._left < 0:
                raise Killed

        self._token = file_io.guard.set(guard)

    def __exit__(self, *_: object) -> None:
        file_io.guard.reset(self._token)


@pytest.mark.slow
def test_several_processes_find_what_one_finds(
    folder: Path, expected: dict, tmp_path: Path
) -> None:
    words = ["--shard_images", 5, "--output", tmp_path / "two"]
    assert start(folder, *words, "--workers", 2) == 0
    assert results(tmp_path / "two") == expected


def test_behind_a_url_there_is_what_lies_here(
    far: str, folder: Path, expected: dict, tmp_path: Path
) -> None:
    assert start(folder, "--shard_images", 7, "--output", tmp_path / "here") == 0
    words = [folder, "--shard_images", 7, "--output", far]
    assert start(*words, "--part", 1, "--parts", 2) == 0
    assert not (stores.Place(far) / "statistics.json").is_file()
    for _ in range(2):
        assert start(*words) == 0
        place = stores.Place(far)
        assert {n: (place / n).read_bytes() for n in expected} == expected
        for name, data in shards(tmp_path / "here").items():
            assert stores.Place(f"{far}/shards/{name}").read_bytes() == data
    (stores.Place(far) / "notes.txt").write_bytes(b"mine")
    assert start(*words) == 2
    assert (stores.Place(far) / "notes.txt").read_bytes() == b"mine"


def test_what_is_odd_about_the_source_is_a_finding_of_shards_too(
    tmp_path: Path,
) -> None:
    world.write_folder(tmp_path / "in", ["rocket", "teapot"], 2, seed=0)
    shutil.copytree(tmp_path / "in" / "teapot", tmp_path / "in" / "Teapot")
    (tmp_path / "in" / "rocket" / ".DS_Store").touch()
    found = []
    for more in ([], ["--shard_images", 2]):
        output = tmp_path / f"out{len(found)}"
        assert start(tmp_path / "in", *more, "--output", output) == 0
        found.append(json.loads((output / "statistics.json").read_text()))
    assert found[0] == found[1]
    kinds = {finding["kind"] for finding in found[0]["review"]["findings"]}
    assert {"source", "passed_over"} <= kinds


def test_rows_are_those_of_the_scan(folder: Path, tmp_path: Path) -> None:
    assert start(folder, "--shard_images", 6, "--output", tmp_path) == 0
    pictures, found = rows.read(plans.read(tmp_path / rows.FOLDER))
    paths = [Path(picture.path) for picture in pictures]
    expected = scan.audit(paths, cache=None)
    assert [same(row) for row in expected] == found
    assert {row.samples for row in found} == {"", "uint16"}


def same(row: Row) -> Row:
    return dataclasses.replace(row, mtime_ns=0, ctime_ns=0)


def test_a_row_comes_back_whatever_it_has() -> None:
    row = Row(
        *("p", 3, 0, 0, "a" * 64, "tiff", 4, 5, "I;16", 6, "not\r\nwhole", "odd, so"),
        *("Zm9v", 7, 8, -1, 255, 0, 120, 9, "uint16", -1.5, 1e300, float("inf")),
        *("0..1", "", True),
    )
    text = io.StringIO(newline="")
    file_io.write_rows(text, [rows.cells(Picture("p", 7, 8, "x"), row)])
    (cells,) = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert rows._row(Picture("p", 7, 8, "x"), cells) == row


@pytest.mark.parametrize("kind", ["list", "glob", "url"])
def test_pictures_without_classes_are_audited(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    if kind == "url":
        pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    (tmp_path / "l.txt").write_text(
        "".join(f"{path}\n" for path in sorted(folder.rglob("*.png")))
    )
    word = {
        "list": tmp_path / "l.txt",
        "glob": folder / "*" / "*" / "*.png",
        "url": f"file://{folder}",
    }[kind]
    assert start(word, "--output", tmp_path / "one") == 0
    assert start(word, "--shard_images", 5, "--output", tmp_path / "many") == 0
    one, many = (results(tmp_path / n, NAMES) for n in ("one", "many"))
    assert one == many
    counts = json.loads(one["statistics.json"])
    assert counts["unusable"] == 2 and counts["exact_duplicates"] >= 1


def test_a_packed_source_is_audited_as_without_shards(tmp_path: Path) -> None:
    world.write_folder(tmp_path / "in", ["rocket", "teapot"], 3, seed=4)
    words = ["--source", tmp_path / "in", "--output", tmp_path / "packed", "--quiet"]
    assert cli.main(pack, PackSettings, [*map(str, words)]) == 0
    for more, name in (([], "one"), (["--shard_images", 4], "many")):
        assert start(tmp_path / "packed", *more, "--output", tmp_path / name) == 0
    assert results(tmp_path / "one", NAMES) == results(tmp_path / "many", NAMES)


def test_pictures_that_came_or_went_since_are_told(
    folder: Path, tmp_path: Path, capsys
) -> None:
    source = tmp_path / "in"
    shutil.copytree(folder, source)
    words = [source, "--shard_images", 8, "--output", tmp_path / "out"]
    assert start(*words) == 0
    before = json.loads((tmp_path / "out" / "statistics.json").read_text())
    (source / "train" / "rocket" / "00001.png").rename(
        source / "train" / "rocket" / "later.png"
    )
    assert start(*words) == 0
    said = capsys.readouterr().err
    assert "later.png" in said and "00001.png" in said and "--output" in said
    after = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert after["files"] == before["files"] - 1
    assert start(*words, "--overwrite", "true") == 0  # The same plan.
    assert start(*words, "--overwrite", "true", "--data.max_pixels", 10**6) == 0
    again = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert again["files"] == before["files"]


def test_other_work_and_other_results_are_refused(
    folder: Path, tmp_path: Path, capsys
) -> None:
    words = [folder, "--output", tmp_path / "out"]
    assert start(*words) == 0
    before = files(tmp_path / "out")
    assert start(*words, "--shard_images", 8) == 2
    assert "statistics.json" in capsys.readouterr().err
    assert files(tmp_path / "out") == before
    assert start(*words, "--shard_images", 8, "--overwrite", "true") == 0
    before = files(tmp_path / "out")
    assert start(*words, "--shard_images", 9) == 2
    assert "shard_images" in capsys.readouterr().err
    for more, flag in (
        (["--shard_images", -1], "--shard_images"),
        (["--workers", 2, "--part", 1, "--parts", 2], "--workers"),
        (["--runner", "spark"], "--runner"),
    ):
        assert start(*words, *more) == 2
        assert flag in capsys.readouterr().err
    assert files(tmp_path / "out") == before


def test_python_returns_what_there_is(folder: Path, tmp_path: Path) -> None:
    given = {"source": str(folder), "output": str(tmp_path), "shard_images": 8}
    part = tfpipeline.audit(**given, part="1", parts=2)
    assert part["shards"]["missing"] == [0, 2] and part.path == tmp_path
    whole = tfpipeline.audit(**given)
    assert whole["files"] == 27 and "review" in whole


def test_what_is_secret_in_an_address_is_in_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers at the address: the pictures cannot be read."""
    from tfpipeline.core import remote

    def gone(*_: object) -> bytes:
        raise OSError("HTTP status 410")

    monkeypatch.setattr(remote, "read", gone)
    urls = [f"https://host/{n}.png?X-Amz-Signature=SECRET" for n in range(3)]
    (tmp_path / "l.txt").write_text("".join(f"{url}\n" for url in urls))
    words = [tmp_path / "l.txt", "--shard_images", 2, "--output", tmp_path / "out"]
    assert start(*words) == 0
    for name, data in written(tmp_path / "out"):
        assert b"SECRET" not in data or name.startswith("shards/plan/"), name


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    yield from files(folder).items()


def test_pictures_that_changed_since_are_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "train", tmp_path / "in")
    words = [tmp_path / "in", "--shard_images", 8, "--output", tmp_path / "out"]
    assert start(*words) == 0
    assert "changed since" not in capsys.readouterr().err
    file = tmp_path / "in" / "rocket" / "00001.png"
    file.write_bytes(file.read_bytes() + b" ")
    assert start(*words) == 0
    said = capsys.readouterr().err
    assert "1 pictures have changed since" in said and "00001.png" in said


def test_a_part_that_misses_shards_leaves_the_findings_to_the_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, asked = tmp_path / "out", list[Path]()
    words = [folder, "--shard_images", 14, "--output", out, "--parts", 2, "--part"]
    real = locks.locked

    def noted(file: Path, *, waits: bool) -> object:
        asked.append(file)
        return real(file, waits=waits)

    monkeypatch.setattr(locks, "locked", noted)
    assert start(*words, 0) == 0
    assert not [file for file in asked if file.name == sharded._LOCK]
    assert start(*words, 1) == 0 and (out / "statistics.json").is_file()


def test_findings_of_an_earlier_audit_behind_a_url_are_removed(
    far: str, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "train" / "rocket", tmp_path / "in")
    (tmp_path / "in" / "cut.png").unlink()
    words = [tmp_path / "in" / "*.png", "--shard_images", 8, "--output", far]
    assert start(*words) == 0
    place = stores.Place(far)
    assert "leaks.png" not in place.names()
    (place / "leaks.png").write_bytes(b"old")
    assert start(*words) == 0
    assert "leaks.png" not in place.names() and "findings.csv" in place.names()
