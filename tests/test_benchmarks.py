"""Benchmarks run, and make the rows of their table; what they measure is for them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ON_PHOTOGRAPHS = ("main_job", "extraction", "attacks", "serving", "abstention")
ON_ANYTHING = (
    *("ideal_images", "training_loop", "growth", "head_search"),
    "audit_cache",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_ANYTHING)
def test_a_benchmark_of_no_photograph_runs_and_fills_its_rows(
    name: str, tmp_path: Path
) -> None:
    runs_and_fills_its_rows(name, tmp_path, tmp_path, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_PHOTOGRAPHS)
def test_a_benchmark_runs_and_fills_its_rows(
    name: str, assets: Path, imagenet: None, tmp_path: Path
) -> None:
    """On a few photographs: what it costs grows with their number."""
    pictures = assets / "images" / "cats_vs_dogs"
    for part, count in (("train", 12), ("test", 6)):
        for of_class in (pictures / part).iterdir():
            own = tmp_path / "pictures" / part / of_class.name
            own.mkdir(parents=True)
            for file in sorted(of_class.iterdir())[:count]:
                (own / file.name).symlink_to(file)
    photographs = assets / "images" / "imagenet_sample"
    runs_and_fills_its_rows(name, tmp_path / "pictures", photographs, tmp_path)


def runs_and_fills_its_rows(
    name: str, pictures: Path, photographs: Path, tmp_path: Path
) -> None:
    words = [sys.executable, str(BENCHMARKS / "everything.py"), str(pictures)]
    words += ["--photographs", str(photographs)]
    words += ["--output", str(tmp_path), "--only", name, "--smoke"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / f"{name}.smoke.json").read_text())
    title, rule, *rows = (tmp_path / "table.smoke.md").read_text().splitlines()
    assert title == "| what | at least | measured |" and rule.startswith("|---")
    assert len([row for row in rows if row.startswith("| ")]) >= 1
    assert "tensorflow" in rows[-1]


def written(folder: Path, name: str, tensorflow: str, day: int) -> None:
    result = {
        "machine": {"processor": "slow", "cores": 2, "memory_gb": 8.0},
        "versions": {"tensorflow": tensorflow},
        "date": f"2000-01-0{day}",
        "times_as_fast": 1.5,
        "rows": [{"batch": 1, "bare_to_ours": 1.0, "bare_constants_to_ours": 0.8}],
    }
    (folder / name).write_text(json.dumps(result))


def test_a_table_is_of_the_machine_that_its_results_tell_and_of_one_alone(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import everything

    written(tmp_path, "workers.json", "2.0", 1)
    written(tmp_path, "ideal_images.json", "2.0", 3)
    written(tmp_path, "workers.smoke.json", "3.0", 5)
    table = everything.table(tmp_path).splitlines()
    assert len([row for row in table if row.endswith(" times |")]) == 3
    assert table[-1] == (
        "slow, 2 cores, 8 GB; tensorflow 2.0; 2000-01-01 to 2000-01-03."
    )
    written(tmp_path, "ideal_images.json", "2.1", 3)
    with pytest.raises(SystemExit, match="differ in versions"):
        everything.table(tmp_path)


def test_figures_of_a_smoke_run_are_not_for_the_docs(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import everything

    words = f"everything.py {tmp_path} --photographs {tmp_path} --output {tmp_path}/out"
    words += f" --smoke --docs {tmp_path}/page.md"
    monkeypatch.setattr("sys.argv", words.split())
    with pytest.raises(SystemExit):
        everything.main()
    assert "--docs" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_promise_is_judged_by_every_answer_of_the_population(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import abstention
    import rows

    words = f"_ --draws 3 --images 60 200 --targets 0.1 --output {tmp_path}/a.json"
    monkeypatch.setattr("sys.argv", words.split())
    abstention.main()
    found = json.loads((tmp_path / "a.json").read_text())
    assert len(rows.abstention(found)) == len(found["rows"]) == 6
    (draw,) = abstention.drawn("drawn, 10 classes", 1, 200)
    (((covered, risk), (_, other)),) = abstention.judged(draw, 200, [0.1])
    wrong = draw.logits.argmax(1) != draw.label
    assert 0 < covered < 1 and 0 < risk < other + wrong.mean()
    everything = abstention.empirical(np.array([0.5, 0.9]), np.array([True, True]), 0.0)
    assert everything == 0.5
    nothing = abstention.empirical(np.array([0.5, 0.9]), np.array([True, False]), 0.4)
    assert nothing == np.inf
    row = abstention.summed(np.array([[[0.5, 0.2], [1.0, 0.0]]] * 2), 60, 0.1)
    assert row["bound"]["broken"] == 1 and row["empirical"]["broken"] == 0
    capsys.readouterr()


@pytest.mark.parametrize("n", [7, 30])
@pytest.mark.parametrize("null", ["normal", "heavy_tails", "skewed", "mostly_equal"])
def test_of_two_equal_versions_none_is_called_better_too_often(
    null: str, n: int, monkeypatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import false_positives

    found = false_positives.rates(null, n, 600)
    # Of 600 draws at 5 %, more than 58 come in less than one of 10^6 cases.
    assert 600 * found["only_if_better"] <= 58
    assert found["only_if_better"] > 0 or null == "mostly_equal"


def test_copies_are_other_files_of_the_same_pictures(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import copies

    from tfpipeline.core import image_io
    from tfpipeline.demo import photo_like

    photo_like.write_folder(tmp_path / "root" / "train", 4, 0)
    (tmp_path / "root" / "test").mkdir()
    assert copies.write(tmp_path / "root", tmp_path / "new", 10) == 4
    files = sorted((tmp_path / "new" / "train").rglob("*.jpg"))
    assert len(files) == len({file.read_bytes() for file in files}) == 10
    shown = {image_io.decode(file).tobytes() for file in files}
    assert len(shown) == 4
    assert (tmp_path / "new" / "test").is_dir()


@pytest.mark.slow
def test_the_memory_of_neighbours_is_measured_in_processes_of_their_own(
    tmp_path: Path,
) -> None:
    words = [sys.executable, str(BENCHMARKS / "study_memory.py"), "--networks"]
    words += ["--asked", "10", "--examples", "2000", "--width", "512"]
    words += ["--output", str(tmp_path / "found.json")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert 4 < found["inputs"]["peak_mb"] <= found["neighbours"]["peak_mb"]


def test_probes_of_any_number_of_rows_are_those_of_rows_in_memory(
    tmp_path: Path,
) -> None:
    words = [sys.executable, str(BENCHMARKS / "large_probes.py"), "--width", "64"]
    words += ["--rows", "2000", "20000", "--classes", "5", "--compare", "800"]
    words += ["--output", str(tmp_path / "found.json")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert max(found["largest_difference"].values()) < 1e-6
    few, many = found["runs"]
    for name in ("ridge", "lda"):
        assert 0.3 < few[f"{name}_accuracy"] < many[f"{name}_accuracy"] + 0.05
