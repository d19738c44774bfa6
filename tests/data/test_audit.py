"""Every file is opened once, judged, remembered; too many bad ones stop the work."""

import os
from pathlib import Path

import numpy as np
import pytest

from tfpipeline import images
from tfpipeline.data import audit
from tfpipeline.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    rng = np.random.default_rng(0)
    for i in range(6):
        noise = rng.integers(0, 256, (20, 30, 3), np.uint8)
        images.save_png(root / f"{i}.png", noise)
    return root


def test_rows_come_in_order_with_true_formats(folder: Path) -> None:
    os.rename(folder / "3.png", folder / "3.jpg")
    (folder / "text.jpg").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "x.jpg").mkdir()
    paths = sorted(folder.iterdir())
    rows = audit.audit(paths, cache=None)
    by_name = {Path(row.path).name: row for row in rows}
    assert [row.path for row in rows] == [str(path) for path in paths]
    assert by_name["3.jpg"].format == "png" and "png called" in by_name["3.jpg"].warning
    assert (by_name["1.png"].height, by_name["1.png"].width) == (20, 30)
    assert "text" in by_name["text.jpg"].reason
    assert by_name["empty.jpg"].reason == "empty file"
    assert by_name["x.jpg"].reason == "not a file"


def test_missing_files_links_and_permissions_are_reasons(folder: Path) -> None:
    os.symlink(folder / "gone.png", folder / "link.png")
    rows = audit.audit([folder / "link.png", folder / "none.png"], cache=None)
    assert all(row.reason == "no such file" for row in rows)


def test_unchanged_files_are_not_opened_again(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    paths = sorted(folder.iterdir())
    first = audit.audit(paths, cache=tmp_path)
    opened = []
    real = audit.examine
    monkeypatch.setattr(
        audit, "examine", lambda *a: opened.append(a[0]) or real(*a)  # type: ignore
    )
    assert audit.audit(paths, cache=tmp_path) == first and not opened
    os.utime(paths[0], ns=(1, 1))
    audit.audit(paths, cache=tmp_path)
    assert opened == [paths[0]]


def test_a_file_of_the_same_size_and_time_with_other_content_is_seen(
    folder: Path, tmp_path: Path
) -> None:
    """As archives unpack them: every file with one and the same time."""
    paths = sorted(folder.iterdir())
    audit.audit(paths, cache=tmp_path)
    state = os.stat(paths[0])
    paths[0].write_bytes(b"x" * state.st_size)
    os.utime(paths[0], ns=(state.st_atime_ns, state.st_mtime_ns))
    assert audit.audit(paths, cache=tmp_path)[0].reason


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[[1]]", b"\xff", b'{"a": 1}'])
def test_a_damaged_memory_is_as_good_as_none(folder, tmp_path, rubbish) -> None:
    paths = sorted(folder.iterdir())
    first = audit.audit(paths, cache=tmp_path)
    store = next(tmp_path.glob("audit-*.json"))
    store.write_bytes(rubbish)
    assert audit.audit(paths, cache=tmp_path) == first


def test_bad_files_are_set_aside_up_to_a_share(folder: Path) -> None:
    (folder / "z.png").write_text("no image")
    rows = audit.audit(sorted(folder.iterdir()), cache=None)
    names = [Path(row.path).name for row in rows]
    good, bad = audit.quarantine(rows, names, 0.2)
    assert good.tolist() == list(range(6)) and [name for name, _ in bad] == ["z.png"]
    with pytest.raises(UserError, match="--data.max_bad_fraction"):
        audit.quarantine(rows, names, 0.1)


def test_the_share_may_be_everything_but_not_all_files(folder: Path) -> None:
    rows = audit.audit([folder / "none.png"], cache=None)
    with pytest.raises(UserError, match="1 of 1 files"):
        audit.quarantine(rows, ["none.png"], 1.0)


@pytest.mark.assets
def test_every_odd_file_is_judged_as_it_decodes(assets: Path) -> None:
    paths = sorted((assets / "images" / "odd").iterdir())
    for row in audit.audit(paths, cache=None):
        try:
            images.decode(Path(row.path))
            readable = True
        except images.ImageError:
            readable = False
        assert readable == (not row.reason), row
