"""Pictures of examples are written as the network is shown them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from tests.data.sources.test_targets import prepare, written
from tfpipeline.core import image_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics.calibration import Calibration
from tfpipeline.report import gallery
from tfpipeline.report.diagnosis import Measured


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
