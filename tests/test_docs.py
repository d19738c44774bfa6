"""What the docs say in Python is run."""

import dataclasses
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def snippets(name: str) -> list[str]:
    """Return the Python of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


def test_the_page_on_ideal_images_can_be_followed(demo_run) -> None:
    (code,) = snippets("ideal_images.md")
    code = code.replace("runs/demo", str(demo_run.path))
    names: dict[str, Any] = {}
    exec(code.replace("steps=64", "steps=6"), names)
    found = names["found"]
    assert found.images.shape == (2, 96, 96, 3)
    assert (found.end_scores > found.start_scores).all()


def test_the_page_on_attacks_can_be_followed(demo_run) -> None:
    (code,) = snippets("attacks.md")
    names: dict[str, Any] = {}
    exec(code.replace("runs/demo", str(demo_run.path)), names)
    found = names["found"]
    assert found.image.shape == (4, 96, 96, 3) and found.success.any()


def test_the_page_on_reports_can_be_followed(tmp_path: Path, monkeypatch) -> None:
    (code,) = snippets("reports.md")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "Two backbones" in (tmp_path / "table.html").read_text()


def test_the_page_on_reports_names_the_columns_that_there_are(demo_run) -> None:
    text = (DOCS / "reports.md").read_text()
    for name in ("predictions.csv", "cleaning.csv"):
        for column in (demo_run.path / name).read_text().splitlines()[0].split(","):
            assert re.search(rf"^.*\b{column}\b", text, re.MULTILINE), column


def test_the_page_on_serving_can_be_followed(exported, capsys) -> None:
    (code,) = snippets("serving.md")
    code = code.replace("served/1", str(exported.base / "1"))
    exec(code.replace("drawn/rocket", str(exported.pictures[0].parent)), {})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and said[-1] == "() () expected JPEG, PNG, GIF or BMP"


@pytest.mark.slow
def test_the_page_on_python_can_be_followed(
    demo_run, tmp_path: Path, monkeypatch, capsys
) -> None:
    first, second, third = snippets("python.md")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(first, names)
    trained = names["run"]
    assert len(trained.history) == 10 and len(names["pictures"]) == 4
    exec(second.replace("runs/demo", str(demo_run.path)), names)
    assert (tmp_path / "curves.png").is_file() and names["run"] is not trained
    exec(third, names)
    assert (tmp_path / "attack" / "given").is_dir()
    assert "(6, 96, 96, 3)" in capsys.readouterr().out


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in PAGES)])
def test_every_picture_and_page_that_is_linked_exists(page: str) -> None:
    file = DOCS.parent / page
    links = re.findall(r"\]\(([^)#]+)", file.read_text())
    assert all((file.parent / link).is_file() for link in links if ":" not in link)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_flag_that_a_page_names_exists(page: Path) -> None:
    """Of any command: pages name flags beside the words that explain them."""
    from tfpipeline import (
        config,
        config_attack,
        config_serving,
        config_study,
        config_synthesis,
    )

    known = set()
    for settings in (
        *(config.RunSettings, config.EvaluateSettings, config.PredictSettings),
        *(config.AuditSettings, config.PackSettings),
        *(config_synthesis.SynthesizeSettings, config_synthesis.FeaturesSettings),
        *(config_attack.AttackSettings, config_serving.ExportSettings),
        config_study.StudySettings,
    ):
        known |= _flags(settings)
    # Those without a dot may be of a benchmark, or of another program.
    named = set(re.findall(r"(?<![\w-])--[a-z]\w*\.\w+", page.read_text()))
    assert not named - known


def _flags(settings: Any, prefix: str = "--") -> set[str]:
    found, hints = set(), get_type_hints(settings)
    for entry in dataclasses.fields(settings):
        name = f"{prefix}{entry.name}"
        found.add(name)
        if dataclasses.is_dataclass(hints[entry.name]):
            found |= _flags(hints[entry.name], f"{name}.")
    return found
