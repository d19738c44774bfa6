"""Features of files, the same by one process, by several, and by training."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLAIN, Exported, Trained
from tests.shards.test_work import files
from tfpipeline import cli
from tfpipeline.config.embed import EmbedSettings, MergeSettings
from tfpipeline.core import stores
from tfpipeline.embed.command import embed
from tfpipeline.merge.command import merge


def start(*words: str) -> int:
    return cli.main(embed, EmbedSettings, [*words, "--quiet"])


@pytest.fixture
def folder(exported: Exported, tmp_path: Path) -> Path:
    """Six pictures, and between them a file that is none."""
    for number, picture in enumerate(exported.pictures):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(picture, tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "2.5.png").write_bytes(b"no picture")
    return tmp_path / "in"


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


def test_features_are_those_of_the_runs_extractor(
    small_run: Trained, folder: Path, tmp_path: Path
) -> None:
    from tfpipeline.core import image_io
    from tfpipeline.models import classifier, saving

    words = [str(folder), "--run", str(small_run.path), "--output"]
    assert start(*words, str(tmp_path / "out"), "--shard_images", "4") == 0
    assert (
        cli.main(
            merge,
            MergeSettings,
            [str(tmp_path / "out"), "--output", str(tmp_path / "x.npy"), "--quiet"],
        )
        == 0
    )
    assert (
        cli.main(
            merge,
            MergeSettings,
            [str(tmp_path / "out"), "--output", str(tmp_path / "x.csv"), "--quiet"],
        )
        == 0
    )
    vectors, table = np.load(tmp_path / "x.npy"), rows(tmp_path / "x.csv")
    extractor, _ = classifier.split_classifier(
        saving.load_classifier(small_run.path / "model.keras")[0]
    )
    good = [row for row in table if not row["error"]]
    bad = [row for row in table if row["error"]]
    assert [Path(row["id"]).name for row in bad] == ["2.5.png"]
    assert [int(row["row"]) for row in good] == [*range(len(vectors))] == [*range(6)]
    for row in good:
        image = image_io.read(Path(row["id"]), 32, 32, "squash")
        expected = extractor(np.float32(image)[None] / 255)
        np.testing.assert_allclose(
            vectors[int(row["row"])], np.asarray(expected)[0], rtol=1e-4, atol=1e-5
        )


@pytest.mark.slow
def test_one_process_several_and_shares_write_the_same_bytes(
    folder: Path, tmp_path: Path
) -> None:
    words = [str(folder), *PLAIN, "--dtype", "float16", "--shard_images", "2"]
    assert start(*words, "--output", str(tmp_path / "one")) == 0
    for part in (2, 0, 1):
        more = ["--part", str(part), "--parts", "3"]
        assert start(*words, *more, "--output", str(tmp_path / "shares")) == 0
    assert start(*words, "--workers", "2", "--output", str(tmp_path / "two")) == 0
    expected = files(tmp_path / "one")
    assert files(tmp_path / "shares") == expected == files(tmp_path / "two")
    assert np.load(tmp_path / "one" / "shard-000000.npy").dtype == np.float16


def test_what_only_the_decoder_sees_is_an_error_of_that_picture(tmp_path: Path) -> None:
    from PIL import Image

    draw, folder = np.random.default_rng(0), tmp_path / "in"
    folder.mkdir()
    for name in "abcd":
        noise = draw.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{name}.jpg")
    words = [str(folder), *PLAIN, "--output"]
    assert start(*words, str(tmp_path / "whole")) == 0
    data = bytearray((folder / "b.jpg").read_bytes())
    # A table that no decoder takes, in a file with an end; and a file without one.
    table = data.index(b"\xff\xc4") + 5
    data[table : table + 3] = b"\xff" * 3
    (folder / "b.jpg").write_bytes(data)
    (folder / "c.jpg").write_bytes((folder / "c.jpg").read_bytes()[:-900])
    assert start(*words, str(tmp_path / "cut")) == 0
    found = rows(tmp_path / "cut" / "shard-000000.csv")
    assert [row["row"] for row in found] == ["0", "", "", "1"]
    assert all("damaged jpeg" in row["error"] for row in found[1:3])
    before, after = (
        np.load(tmp_path / name / "shard-000000.npy") for name in ("whole", "cut")
    )
    np.testing.assert_allclose(after, before[[0, 3]], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_saved_model_has_the_features_of_its_run(
    small_run: Trained, exported: Exported, folder: Path, tmp_path: Path, capsys
) -> None:
    from PIL import Image

    # A format that the graph does not read, and one that it is sent as it is.
    Image.open(exported.pictures[0]).save(folder / "0.5.webp", lossless=True)
    Image.open(exported.pictures[1]).save(folder / "1.5.jpg")
    for name, model in (("run", small_run.path), ("saved", exported.base)):
        words = ["--run", str(model), "--output", str(tmp_path / name)]
        assert start(str(folder), *words, "--shard_images", "5") == 0
    for number, count in ((0, 4), (1, 4)):
        shard = f"shard-{number:06d}"
        a, b = (np.load(tmp_path / n / f"{shard}.npy") for n in ("run", "saved"))
        assert len(a) == count
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
        assert rows(tmp_path / "run" / f"{shard}.csv") == rows(
            tmp_path / "saved" / f"{shard}.csv"
        )
    words = ["--run", str(exported.base), "--output", str(tmp_path / "x")]
    for flag, value in (("--resize", "pad"), ("--engine", "litert")):
        assert start(str(folder), *words, flag, value) == 2
        assert flag in capsys.readouterr().err


@pytest.mark.slow
def test_lists_tables_packed_folders_and_urls_give_the_same_vectors(
    folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed: extra [remote]")
    from tfpipeline.config import PackSettings
    from tfpipeline.demo import world
    from tfpipeline.pack.command import pack

    source = tmp_path / "world"
    world.write_folder(source, ["rocket", "teapot"], 2, seed=7)
    names = sorted(str(p.relative_to(source)) for p in source.rglob("*.png"))
    (source / "l.txt").write_text("".join(f"{name}\n" for name in names))
    (source / "l.csv").write_text("".join(f"{n}\n" for n in ("path", *names)))
    urls = [f"file://{source}/{name}" for name in names]
    (tmp_path / "urls.csv").write_text("".join(f"{n}\n" for n in ("path", *urls)))
    packed = tmp_path / "packed"
    words = ["--source", str(source), "--output", str(packed), "--quiet"]
    expected = None
    for number, given in enumerate(
        [
            *([str(source / "rocket"), str(source / "teapot")], [f"{source}/l.txt"]),
            *([f"{source}/l.csv"], [str(tmp_path / "urls.csv")], [str(packed)]),
            [f"file://{source}/l.txt"],
        ]
    ):
        if given == [str(packed)]:
            for extra in ("l.txt", "l.csv"):
                (source / extra).rename(tmp_path / extra)
            assert cli.main(pack, PackSettings, words) == 0
            for extra in ("l.txt", "l.csv"):
                (tmp_path / extra).rename(source / extra)
        out = tmp_path / f"out{number}"
        assert start(*given, *PLAIN, "--output", str(out)) == 0
        vectors = np.load(out / "shard-000000.npy")
        expected = vectors if expected is None else expected
        assert len(vectors) == 4 and (vectors == expected).all(), given


def test_features_behind_a_url_have_the_bytes_of_local_ones(
    far: str, folder: Path, tmp_path: Path
) -> None:
    words = [str(folder), *PLAIN, "--shard_images", "3", "--output"]
    assert start(*words, str(tmp_path / "out")) == 0
    assert start(*words, far, "--part", "1", "--parts", "2") == 0
    assert start(*words, far) == 0
    for name, data in files(tmp_path / "out").items():
        assert stores.Place(f"{far}/{name}").read_bytes() == data


def test_another_network_does_not_go_on_with_the_shards(
    small_run: Trained, folder: Path, tmp_path: Path, capsys
) -> None:
    out = ["--output", str(tmp_path / "out")]
    assert start(str(folder), "--run", str(small_run.path), *out) == 0
    before = files(tmp_path / "out")
    assert start(str(folder), *PLAIN, *out) == 2
    assert "network" in capsys.readouterr().err
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["--output", "{out}", "--dtype", "int8"], "--dtype"),
        (["--output", "{out}", "--format", "csv"], "--format"),
        (["--output", "{out}", "--backbone", "MobileNetV7"], "MobileNetV7"),
        (["--output", "{out}", "--part", "3"], "--part"),
        (["--output", "{out}", "--workers", "2", "--part", "1", "--parts", "2"], "--w"),
        (["--output", "{out}", "--shard_images", "0"], "--shard_images"),
        (["--output", "{out}", "--resize", "stretch"], "--resize"),
        (["--output", "{out}", "--range", "auto"], "--range"),
        (["--output", "{out}", "--run", "nowhere", "--alpha", "1"], "--"),
        ([], "--output"),
    ],
)
def test_what_cannot_be_embedded_is_refused_and_leaves_nothing(
    words: list[str], flag: str, folder: Path, tmp_path: Path, capsys
) -> None:
    given = [word.format(out=tmp_path / "out") for word in words]
    assert start(str(folder), *given) == 2
    assert flag in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
