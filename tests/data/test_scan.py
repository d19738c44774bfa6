"""Every file is opened once, judged, remembered; too many bad ones stop the work."""

import dataclasses
import io
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ASSETS
from tfpipeline.core import hardware, image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import scan
from tfpipeline.data.inspect_file import DECODED, FLAT, examine
from tfpipeline.data.quality import Scores
from tfpipeline.data.scan_cache import Row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    rng = np.random.default_rng(0)
    for i in range(6):
        noise = rng.integers(0, 256, (20, 30, 3), np.uint8)
        image_io.save_png(root / f"{i}.png", noise)
    return root


def noting(opened: list[Path]) -> Callable[..., Row]:
    """Look at files, and note which."""

    def look(path: Path, *more) -> Row:
        opened.append(path)
        return examine(path, *more)

    return look


def test_rows_come_in_order_with_true_formats(folder: Path) -> None:
    os.rename(folder / "3.png", folder / "3.jpg")
    (folder / "text.jpg").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "x.jpg").mkdir()
    paths = sorted(folder.iterdir())
    rows = scan.audit(paths, cache=None)
    by_name = {Path(row.path).name: row for row in rows}
    assert [row.path for row in rows] == [str(path) for path in paths]
    assert by_name["3.jpg"].format == "png" and "png called" in by_name["3.jpg"].warning
    assert (by_name["1.png"].height, by_name["1.png"].width) == (20, 30)
    assert "text" in by_name["text.jpg"].reason
    assert by_name["empty.jpg"].reason == "empty file"
    assert by_name["x.jpg"].reason == "not a file"


def test_missing_files_links_and_permissions_are_reasons(folder: Path) -> None:
    os.symlink(folder / "gone.png", folder / "link.png")
    rows = scan.audit([folder / "link.png", folder / "none.png"], cache=None)
    assert all(row.reason == "no such file" for row in rows)


def test_unchanged_files_are_not_opened_again(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    paths = sorted(folder.iterdir())
    first = scan.audit(paths, cache=tmp_path)
    opened: list[Path] = []
    monkeypatch.setattr(f"{scan.__name__}.examine", noting(opened))
    assert scan.audit(paths, cache=tmp_path) == first and not opened
    os.utime(paths[0], ns=(1, 1))
    scan.audit(paths, cache=tmp_path)
    assert opened == [paths[0]]


def test_a_file_of_the_same_size_and_time_with_other_content_is_seen(
    folder: Path, tmp_path: Path
) -> None:
    """As archives unpack them: every file with one and the same time."""
    paths = sorted(folder.iterdir())
    scan.audit(paths, cache=tmp_path)
    state = os.stat(paths[0])
    paths[0].write_bytes(b"x" * state.st_size)
    os.utime(paths[0], ns=(state.st_atime_ns, state.st_mtime_ns))
    assert scan.audit(paths, cache=tmp_path)[0].reason


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[[1]]", b"\xff", b'{"a": 1}'])
def test_a_damaged_memory_is_as_good_as_none(folder, tmp_path, rubbish) -> None:
    paths = sorted(folder.iterdir())
    first = scan.audit(paths, cache=tmp_path)
    store = next(tmp_path.glob("audit-*/*.sqlite"))
    store.write_bytes(rubbish)
    assert scan.audit(paths, cache=tmp_path) == first


def test_bad_files_are_set_aside_up_to_a_share(folder: Path) -> None:
    (folder / "z.png").write_text("no image")
    rows = scan.audit(sorted(folder.iterdir()), cache=None)
    names = [Path(row.path).name for row in rows]
    good, bad = scan.quarantine(rows, names, 0.2)
    assert good.tolist() == list(range(6)) and [name for name, _ in bad] == ["z.png"]
    with pytest.raises(UserError, match="--data.max_bad_fraction"):
        scan.quarantine(rows, names, 0.1)


def test_the_share_may_be_everything_but_not_all_files(folder: Path) -> None:
    rows = scan.audit([folder / "none.png"], cache=None)
    with pytest.raises(UserError, match="1 of 1 files"):
        scan.quarantine(rows, ["none.png"], 1.0)


def test_a_few_files_have_a_core_each(folder: Path, monkeypatch) -> None:
    both = threading.Barrier(2, timeout=20)

    def look(path: Path, *more) -> Row:
        both.wait()
        return examine(path, *more)

    monkeypatch.setattr(scan.hardware, "cores", lambda: 2)
    monkeypatch.setattr(f"{scan.__name__}.examine", look)
    paths = sorted(folder.iterdir())
    assert [row.path for row in scan.audit(paths, cache=None)] == list(map(str, paths))


def test_an_interrupted_audit_keeps_what_it_has_found(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    paths = sorted(folder.iterdir())

    def until_the_last(path: Path, *more) -> Row:
        if path == paths[-1]:
            raise KeyboardInterrupt
        return examine(path, *more)

    monkeypatch.setattr(f"{scan.__name__}.examine", until_the_last)
    with pytest.raises(KeyboardInterrupt):
        scan.audit(paths, cache=tmp_path)
    opened: list[Path] = []
    monkeypatch.setattr(f"{scan.__name__}.examine", noting(opened))
    scan.audit(paths, cache=tmp_path)
    assert opened == [paths[-1]]


# What no network should be trained on, and why.
UNUSABLE = {
    "badwidth.bmp": "more than",
    "broken.png": "damaged png",
    "broken_data_stream.png": "damaged png",
    "decompression_bomb.gif": "more than",
    "decompression_bomb.ico": "more than",
    "pngtest_bad.png.bin": "not an image",
    "truncated_image.png": "truncated",
    "truncated_jpeg.jpg": "truncated",
    "zero_width.gif": "damaged gif",
}
ANIMATED = {
    *("dispose_bgnd.gif", "no_palette.gif"),
    *("mode_16bit.png", "mode_grayscale_alpha.png", "mode_palette.png"),
}


@pytest.mark.assets
def test_every_odd_file_is_used_or_rightly_set_aside(assets: Path) -> None:
    paths = sorted((assets / "images" / "odd").iterdir())
    assert len(paths) == 38
    for row in scan.audit(paths, cache=None):
        name = Path(row.path).name
        if name in UNUSABLE:
            assert UNUSABLE[name] in row.reason
            with pytest.raises(image_io.ImageError):
                image_io.decode(Path(row.path))
        else:
            assert not row.reason, name
            assert image_io.decode(Path(row.path)).shape[2] == 3
            assert ("animated" in row.warning) == (name in ANIMATED), name


@pytest.mark.assets
def test_one_portrait_is_the_same_in_every_format(assets: Path) -> None:
    odd = assets / "images" / "odd"
    portrait = image_io.decode(odd / "hopper.png").astype(int)
    limits = {"hopper.bmp": 0.01, "hopper.tif": 0.01, "hopper.jpg": 6}
    limits |= {"hopper.webp": 10, "hopper.avif": 8, "hopper.gif": 12}
    limits |= {f"hopper_orientation_{k}.jpg": 8 for k in (2, 6)}
    for name, limit in limits.items():
        found = image_io.decode(odd / name).astype(int)
        assert np.abs(found - portrait).mean() < limit, name
    grey = image_io.decode(odd / "hopper_16bit.pgm").astype(int)
    assert np.abs(grey.mean(2) - portrait.mean(2)).mean() < 8


def _seeds(extra: Path) -> list[bytes]:
    """Return small valid files of every format, and odd ones where there are any."""
    noise = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    found = []
    for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO"):
        out = io.BytesIO()
        Image.fromarray(noise).save(out, form)
        found.append(out.getvalue())
    odd = sorted(extra.glob("*")) if extra.is_dir() else []
    return found + [f.read_bytes() for f in odd if f.stat().st_size < 30_000]


@pytest.mark.slow
def test_ten_thousand_mutated_files_are_judged_without_crash_hang_or_leak(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    seeds = _seeds(ASSETS / "images" / "odd")
    file, limit = tmp_path / "x", 1_000_000
    usable, peaks, slowest = 0, [], 0.0
    for number in range(10_000):
        data = bytearray(seeds[number % len(seeds)])
        kind = rng.integers(4)
        if kind == 0:
            data = data[: rng.integers(len(data))]
        elif kind == 1:
            place = int(rng.integers(len(data)))
            data[place:place] = rng.bytes(int(rng.integers(1, 40)))
        else:
            # Headers are where the harm is done.
            reach = len(data) if kind == 2 else min(len(data), 64)
            for place in rng.integers(0, reach, rng.integers(1, 8)):
                data[place] = rng.integers(256)
        file.write_bytes(data)
        started = time.perf_counter()
        row = examine(file, limit)
        slowest = max(slowest, time.perf_counter() - started)
        usable += not row.reason
        if not row.reason:
            assert image_io.decode(file, max_pixels=limit).shape[2] == 3
        if number in (2_000, 9_999):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    assert 500 < usable < 9_500
    assert slowest < 20, "no file keeps the audit for long"
    assert peaks[1] - peaks[0] < 150, "memory in MB does not grow with the files"


def test_without_its_measures_a_file_is_judged_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    seeds, file, reasons = _seeds(tmp_path), tmp_path / "x", set()
    for number in range(400):
        data = bytearray(seeds[number % len(seeds)])
        if number >= len(seeds):
            data = data[: rng.integers(len(data) // 2, len(data))]
            data[int(rng.integers(len(data)))] = rng.integers(256)
        file.write_bytes(data)
        whole, short = examine(file), examine(file, look=DECODED)
        reasons.add(bool(whole.reason))
        measured = ("thumbnail", "warning", *Scores._fields)
        same = {name: getattr(short, name) for name in measured}
        assert dataclasses.replace(whole, **same) == short
        assert not short.thumbnail or short.samples
    assert reasons == {False, True}


def test_a_file_that_is_damaged_has_its_reason_and_no_warning_beside(
    tmp_path: Path,
) -> None:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    (tmp_path / "a.png").write_bytes(stream.getvalue()[:-900])
    (row,) = scan.audit([tmp_path / "a.png"], cache=None)
    assert row.reason and not row.warning and not row.height


def drawn(name: str) -> Image.Image:
    """Return a picture of one colour, or one that only looks like it when small."""
    shape = np.zeros((32, 40, 1), np.uint8)
    shape[5:9] = 128
    white, black = (np.full((32, 40, 3), shade, np.uint8) for shade in (255, 0))
    halves = black.copy()
    halves[:, :20], halves[:, 20:] = (150, 0, 0), (0, 76, 0)
    pictures = {
        "white": white,
        "icon": np.dstack([white, shape]),
        "nothing": np.dstack([white, 0 * shape]),
        "opaque": np.dstack([black, 0 * shape + 255]),
        "stripes": np.where(np.arange(40)[None, :, None] % 2, white, black),
        "red": black + np.uint8([200, 0, 0]),
        "halves": halves,
    }
    return Image.fromarray(pictures[name])


@pytest.mark.parametrize(
    ("name", "form", "said"),
    [
        ("white", "png", "#ffffff"),
        ("icon", "png", "#ffffff, drawn in white on transparent"),
        ("nothing", "png", "#ffffff, transparent everywhere"),
        ("opaque", "png", "#000000"),
        ("red", "png", "#c80000"),
        ("red", "jpeg", "#c80000"),
        ("stripes", "jpeg", None),
        ("halves", "jpeg", None),
        ("halves", "png", None),
    ],
)
def test_pictures_of_one_colour_are_told_and_no_others(
    tmp_path: Path, name: str, form: str, said: str | None
) -> None:
    drawn(name).save(tmp_path / f"a.{form}", quality=100)
    (row,) = scan.audit([tmp_path / f"a.{form}"], cache=None)
    assert not row.reason
    assert row.warning == ("" if said is None else f"{FLAT}: {said}")


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_of_several_pictures_is_no_animation(tmp_path: Path, mode: str) -> None:
    """Phones and stereo cameras write them; the first picture is the photograph."""
    pixels = np.full((3, 48, 64, 3), 40, np.uint8)
    pixels[1:], pixels[:, :8, :8] = 160, 250
    first, *others = (Image.fromarray(image).convert(mode) for image in pixels)
    file = tmp_path / "phone.jpg"
    first.save(file, "MPO", save_all=True, append_images=others)
    with Image.open(file) as picture:
        assert picture.format == "MPO" and picture.n_frames == 3
    row = examine(file)
    assert (row.format, row.reason) == ("jpeg", "") and "animated" not in row.warning
    image = image_io.decode(file).astype(int)
    assert abs(image[20:, 20:] - 40).max() <= 2
    small = image_io.read(file, 8, 8, "squash").astype(int)
    assert abs(small[4:, 4:] - 40).max() <= 2


def test_a_clear_picture_above_the_limit_of_pillow_is_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGBA", (30, 30), (255, 255, 255, 0)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    row = examine(tmp_path / "a.png")
    assert not row.reason and "transparent" in row.warning
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_picture_that_memory_does_not_hold_is_refused_for_now_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, cache = sorted(folder.iterdir()), tmp_path / "cache"
    monkeypatch.setattr(image_io, "LARGE", 20 * 30 - 1)
    with monkeypatch.context() as little:
        little.setattr(hardware, "free", lambda: 20 * 30)
        for row in scan.audit(paths, cache=cache):
            assert "20x30" in row.reason and "GB" in row.reason and row.sha256
    assert not any(row.reason for row in scan.audit(paths, cache=cache))
