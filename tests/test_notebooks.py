"""Notebooks are kept plain, say what can be changed, and run from top to bottom."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

import tfpipeline

ROOT = Path(tfpipeline.__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHANGED = "# The one cell to change"

spec = importlib.util.spec_from_file_location("tidy", ROOT / "notebooks" / "tidy.py")
assert spec is not None and spec.loader is not None
tidy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tidy)

each = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)


def cells(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_text(encoding="utf-8"))["cells"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def changed(text: str) -> str:
    """Return the cell as it is after its one change: the other settings apply."""
    _, other = text.split("\n\n", 1)
    lines = [line.removeprefix("# ") for line in other.splitlines()[1:]]
    return "\n".join(lines)


def test_there_are_four() -> None:
    assert [file.stem for file in NOTEBOOKS] == [
        *("adversarial", "ideal_images", "train_and_serve", "transfer_study")
    ]


@each
def test_a_notebook_is_valid_and_kept_without_outputs(file: Path) -> None:
    nbformat.validate(nbformat.read(file, as_version=4))
    text = file.read_text(encoding="utf-8")
    assert text == tidy.tidied(file), f"python {ROOT.name}/notebooks/tidy.py"
    assert not any(cell.get("outputs") for cell in cells(file))


def test_tidying_takes_outputs_away_and_sets_the_address(tmp_path: Path) -> None:
    file = tmp_path / "n.ipynb"
    dirty = [
        {"cell_type": "markdown", "source": "[![Open in Colab]()]()\n\nx\n"},
        {
            "cell_type": "code",
            "source": ['%pip install "git+https://other/x"\n', "1"],
            "execution_count": 4,
            "metadata": {"scrolled": True},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}],
        },
    ]
    file.write_text(json.dumps({"cells": dirty, "metadata": {"a": 1}}))
    found = json.loads(tidy.tidied(file))
    assert found["cells"][1]["outputs"] == [] and found["metadata"] == tidy.METADATA
    assert source(found["cells"][1]) == (f'%pip install "git+{tidy.repository()}"\n1')
    assert source(found["cells"][0]) == f"{tidy.badge('n.ipynb')}\n\nx"


@each
def test_a_notebook_opens_in_colab_and_installs_the_package_first(file: Path) -> None:
    found = cells(file)
    assert f"/blob/main/notebooks/{file.name})" in source(found[0])
    code = [cell for cell in found if cell["cell_type"] == "code"]
    assert f'%pip install --quiet "tfpipeline @ git+{tidy.repository()}' in source(
        code[0]
    )


@each
def test_one_cell_says_that_it_can_be_changed(file: Path) -> None:
    (cell,) = [one for one in cells(file) if source(one).startswith(CHANGED)]
    text = source(cell)
    names: dict[str, Any] = {}
    exec(text, names)
    offline, other = names["SETTINGS"], dict[str, Any]()
    exec(changed(text), other)
    assert "demo" in str(offline) and "tfds:cats_vs_dogs" in str(other["SETTINGS"])
    used = [one for one in cells(file) if "SETTINGS" in source(one)]
    assert len(used) == 2  # Where it is said, and where it is used.


@each
def test_a_notebook_calls_what_there_is(file: Path) -> None:
    for name in re.findall(r"tfpipeline\.(\w+)\(", "".join(map(source, cells(file)))):
        assert callable(getattr(tfpipeline, name))


def run(file: Path, folder: Path, monkeypatch, images: Path | None) -> list[Any]:
    """Run a notebook in a folder and return its cells with their outputs."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    # No package can be fetched: what runs is what is here.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("MPLBACKEND", raising=False)
    from nbclient import NotebookClient

    notebook = nbformat.read(file, as_version=4)
    if images is not None:
        for cell in notebook.cells:
            if cell.source.startswith(CHANGED):
                text = changed(cell.source)
                assert "tfds:cats_vs_dogs" in text
                cell.source = text.replace("tfds:cats_vs_dogs", str(images))
    for cell in notebook.cells:
        # As many steps show that it runs.
        cell.source = cell.source.replace('"steps": 128', '"steps": 16')
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, resources=where).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def check_outputs(found: list[Any]) -> None:
    """Every cell whose last line is a value shows it, and nothing is complained of."""
    kinds: set[str] = set()
    for cell in found:
        shown = [o for o in cell.outputs if o.output_type == "execute_result"]
        for output in shown:
            kinds |= set(output.data)
        told = "".join(o.text for o in cell.outputs if o.output_type == "stream")
        # What users cannot mend, TensorFlow's own words among it, is not shown to them.
        assert not re.search("warning|traceback|E0000", told, re.IGNORECASE), told
        last = cell.source.splitlines()[-1]
        if not last.startswith("print(") and re.fullmatch(
            r"[\w.]+(\(.*\))?(\[.*\])?", last
        ):
            assert shown, cell.source
    assert kinds & {"image/png", "text/html"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """Where all notebooks keep the features of the same pictures, as a user's do."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@each
def test_a_notebook_runs_from_top_to_bottom_offline(
    file: Path, tmp_path: Path, monkeypatch, cache: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    check_outputs(run(file, tmp_path, monkeypatch, images=None))


@pytest.mark.slow
@pytest.mark.assets
def test_a_notebook_runs_on_photographs_with_one_changed_cell(
    tmp_path: Path, monkeypatch, assets: Path, imagenet
) -> None:
    (file,) = (file for file in NOTEBOOKS if file.stem == "train_and_serve")
    images = tmp_path / "cats_vs_dogs"
    for kind, most in (("train", 80), ("test", 30)):
        for label in sorted((assets / "images" / "cats_vs_dogs" / kind).iterdir()):
            (images / kind / label.name).mkdir(parents=True)
            for one in sorted(label.iterdir())[:most]:
                (images / kind / label.name / one.name).symlink_to(one)
    found = run(file, tmp_path, monkeypatch, images)
    check_outputs(found)
    told = "".join(o.get("text", "") for cell in found for o in cell.outputs)
    accuracy = re.search(r"Test accuracy (\S+)", told)
    assert accuracy is not None and float(accuracy[1]) >= 0.93
