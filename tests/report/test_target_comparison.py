"""Runs of several labels, or of a number, side by side: who is ahead, or nobody."""

from pathlib import Path

import numpy as np
import pytest

from tests.report import made
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics import target_metrics
from tfpipeline.metrics.decision import Decision
from tfpipeline.report import comparison_page, run_data, target_report
from tfpipeline.report.__main__ import make

LABELS = ("a", "b", "c")
KIND = {
    "multi": Decision("multi", LABELS, (0.5,) * 3),
    "number": Decision("number", ("age",), mean=50.0, deviation=9.0),
}


def run(path: Path, target: str, noise: float, seed: int = 0) -> RunFolder:
    """Write a run whose test images are the same whatever the noise of its answers."""
    folder, one = made.run(path, ["a", "b"]), KIND[target]
    rng, n = np.random.default_rng(1), 90
    values = (rng.random((n, 3)) < 0.4).astype(np.float32)
    if target == "number":
        values = (50 + 9 * rng.normal(size=(n, 1))).astype(np.float32)
    rng = np.random.default_rng(seed)
    outputs = 4 * values - 2 if target == "multi" else values
    outputs = outputs + noise * rng.normal(size=values.shape)
    file_io.write_json(folder.decision, one.to_json())
    metrics = target_metrics.measure(one, outputs, values)
    file_io.write_json(folder.metrics, {"test": metrics, "seconds": {"total": 1.0}})
    more = target_report._errors(one, outputs, values)[1]
    said = one.said(outputs)
    true = one.said(values if target == "number" else 9 * values - 4)
    rows = [
        (f"{i}.png", "test", true[i], said[i], *cells) for i, cells in enumerate(more)
    ]
    file_io.write_csv(folder.predictions, target_report.header(one), rows)
    return folder


@pytest.mark.parametrize("target, name", [("multi", "mAP"), ("number", "MAE")])
def test_a_difference_is_said_where_one_is_shown(
    tmp_path: Path, target: str, name: str
) -> None:
    first = run(tmp_path / "r0", target, 3.0)
    same = run(tmp_path / "r1", target, 3.0, seed=1)
    better = run(tmp_path / "r2", target, 0.5)
    content = comparison_page._target_content(
        [run_data.read(one) for one in (first, same, better)]
    )
    assert content["story"].headline.startswith(f"{name} of r2 is better by")
    assert "1 of 2 runs is shown" in content["story"].headline
    rows = content["rows"]
    difference = rows[2]["figure"] - rows[0]["figure"]
    assert rows[2]["against"]["difference"] == pytest.approx(difference, abs=1e-5)
    assert (difference > 0) == (target == "multi")
    assert not rows[1]["against"]["shown"] and rows[1]["against"]["n"] == 90
    assert content["same_images"]
    text = make([first.path, same.path], tmp_path / "c.html").read_text()
    assert "No difference shown between r0 and r1" in text and f"<h2>{name}" in text
    assert f'href="#accuracy">{name}<' in text


def test_groups_are_drawn_whole(tmp_path: Path) -> None:
    runs = [run(tmp_path / f"r{i}", "number", i + 1.0) for i in range(2)]
    found = []
    for groups in ("", "ab"):
        rows = [(f"{i}.png", groups and groups[i % 2]) for i in range(90)]
        file_io.write_csv(runs[0].splits, ("id", "group"), rows)
        files = [run_data.read(one) for one in runs]
        rows = comparison_page._target_content(files)["rows"]
        found.append(rows[1]["against"]["p"])
    # Of two groups no signs can tell anything.
    assert found[0] < 0.05 and found[1] >= 0.5


def test_labels_in_another_order_are_the_same_and_others_are_named(
    tmp_path: Path,
) -> None:
    runs = [run(tmp_path / f"r{i}", "multi", i + 1.0) for i in range(2)]
    rows = file_io.read_csv(runs[1].predictions)
    several = [row for row in rows if "|" in row["label"]]
    for row in several:
        row["label"] = "|".join(row["label"].split("|")[::-1])
    several[0]["label"] = ""
    file_io.write_csv(
        runs[1].predictions, tuple(rows[0]), (row.values() for row in rows)
    )
    files = [run_data.read(one) for one in runs]
    against = comparison_page._target_content(files)["rows"][1]["against"]
    assert against["n"] == 89
    assert against["relabelled"] == {"n": 1, "first": several[0]["id"]}
    text = make([one.path for one in runs], tmp_path / "c.html").read_text()
    assert "1 image with another label" in text and "whatever its weight" in text


def test_one_group_has_no_interval(tmp_path: Path) -> None:
    for target in KIND:
        runs = [run(tmp_path / f"{target}{i}", target, i + 1.0) for i in range(2)]
        rows = [(f"{i}.png", "a") for i in range(90)]
        file_io.write_csv(runs[0].splits, ("id", "group"), rows)
        files = [run_data.read(one) for one in runs]
        against = comparison_page._target_content(files)["rows"][1]["against"]
        assert against["interval"] is None and against["p"] == 1
        page = make([one.path for one in runs], tmp_path / "c.html").read_text()
        assert "no interval of one group" in page


def test_what_has_no_figure_in_common_is_refused(tmp_path: Path) -> None:
    several, number = (run(tmp_path / t, t, 1.0) for t in ("multi", "number"))
    single = made.run(tmp_path / "single", ["a", "b"])
    for one, other in ((several, number), (several, single), (single, number)):
        with pytest.raises(UserError, match=f"{other.path.name}: expected --data.targ"):
            make([one.path, other.path], tmp_path / "c.html")
    others = run(tmp_path / "others", "number", 1.0)
    file_io.write_json(others.decision, Decision("number", ("height",)).to_json())
    with pytest.raises(UserError, match="others: expected the classes or the number"):
        make([number.path, others.path], tmp_path / "c.html")
