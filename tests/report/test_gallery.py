"""Pictures of examples are written as the network is shown them."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.data.sources.test_targets import prepare, written
from tfpipeline.core import image_io
from tfpipeline.core.brightness import WHOLE
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.data.pipeline import Batches, Reading
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.report import gallery
from tfpipeline.report.diagnosis import Measured
from tfpipeline.report.gallery import Picture


def test_what_is_gone_since_has_a_row_without_a_picture(tmp_path: Path) -> None:
    examples = prepare(written(tmp_path, ("label",), list("ab") * 30))
    model = SimpleNamespace(input_shape=(None, 8, 6, 3))
    measured = Measured(model, examples, {}, Calibration(), "squash")
    run = RunFolder(tmp_path / "run")
    examples.source.paths[5].unlink()
    rows = [{"id": examples.source.ids[i]} for i in (7, 5)]
    shown = gallery.pictured(run, measured, rows, np.array([7, 5]), "suspects")()
    assert shown[1] == rows[1]
    assert shown[0] == {**rows[0], "picture": "figures/suspects/01.png"}
    assert image_io.decode((run.path / shown[0]["picture"])).shape == (8, 6, 3)


def test_pictures_are_on_the_disk_when_they_have_been_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = prepare(written(tmp_path, ("label",), list("ab") * 30))
    synced: list[os.stat_result] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number)))
    files = [tmp_path / "new" / f"{k}.png" for k in range(5)]
    rows = examples.files
    given = [
        Picture(file, row, 8, 8, "squash", WHOLE) for file, row in zip(files, rows)
    ]
    assert gallery.draw(given) == [True] * 5 and gallery.draw([]) == []
    seen = {(status.st_ino, status.st_mtime_ns) for status in synced}
    for path in (*files, tmp_path / "new"):
        assert (path.stat().st_ino, path.stat().st_mtime_ns) in seen


def test_a_sheet_of_files_is_that_of_what_the_network_is_fed_with(
    tmp_path: Path,
) -> None:
    examples = prepare(written(tmp_path, ("label",), list("ab") * 30))
    reading = Reading(24, 24, "crop", 6)
    order = np.arange(6)
    batches = Batches(examples.files, examples.source.label, reading)
    images, targets, _ = next(iter(batches.plain(order)))
    files = [examples.files[i] for i in order]
    given = [Picture(Path(), row, 24, 24, "crop", WHOLE) for row in files]
    sheets = []
    for number, pictures in enumerate((image_io.to_uint8(np.asarray(images)), given)):
        file = tmp_path / f"{number}.png"
        gallery.draw_batch(file, pictures, np.asarray(targets), "ab", "single")
        sheets.append(image_io.decode(file).astype(int))
    assert np.ptp(sheets[0]) > 200
    # Both round to 8 bits, by the same rules.
    assert np.abs(sheets[0] - sheets[1]).max() <= 1


def test_a_picture_that_has_gone_bad_since_is_named(tmp_path: Path) -> None:
    examples = prepare(written(tmp_path, ("label",), list("ab") * 30))
    row = examples.files[7]
    Path(row.path).write_bytes(b"nothing")
    given = [Picture(Path(), row, 8, 8, "squash", WHOLE)]
    with pytest.raises(UserError, match=re.escape(row.path)):
        file = tmp_path / "sheet.png"
        gallery.draw_batch(file, given, np.zeros(1, int), "ab", "single")
