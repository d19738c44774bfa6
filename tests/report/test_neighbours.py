"""Beside errors and suspects stand the training pictures that are most like them."""

import json

import numpy as np

from tests.conftest import Trained
from tfpipeline.core import file_io, image_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models import reference
from tfpipeline.report import neighbours, run_data, run_page


def test_each_error_of_a_run_has_its_nearest_training_pictures_beside_it(
    small_run: Trained,
) -> None:
    run = RunFolder(small_run.path)
    told = json.loads(run.diagnosis.read_text())
    kept = reference.read(run)
    assert kept is not None and told["top_losses"]
    splits = {row["id"]: row for row in file_io.read_csv(run.splits)}
    trained, names = kept.rows("train"), np.array(kept.id)
    unit = kept.features / np.linalg.norm(kept.features, axis=1, keepdims=True)
    for row in [*told["top_losses"], *told["suspected"]]:
        (own,) = np.flatnonzero(names == row["id"])
        far = 1 - unit[trained] @ unit[own]
        far[names[trained] == row["id"]] = np.inf
        found = row["neighbours"]
        assert len(found) == neighbours.COUNT
        np.testing.assert_allclose(
            [one["distance"] for one in found], np.sort(far)[: len(found)], atol=1e-5
        )
        for one in found:
            known = splits[one["id"]]
            assert (known["split"], known["label"]) == ("train", one["label"])
            picture = image_io.decode(run.path / one["picture"])
            assert picture.shape == (neighbours.PIXELS, neighbours.PIXELS, 3)


def test_the_page_shows_them_and_does_without(small_run: Trained) -> None:
    shown = run_page.content(run_data.read(RunFolder(small_run.path)))["losses"]
    assert all(len(row["near"]) == neighbours.COUNT for row in shown)
    page = (small_run.path / "report.html").read_text()
    assert page.count('<div class="neighbours">') >= len(shown)
