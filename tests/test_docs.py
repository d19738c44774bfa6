"""What the docs say in Python is run."""

import ast
import dataclasses
import importlib.util
import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

import tfpipeline
from tfpipeline import cli, config
from tfpipeline.attack.command import attack
from tfpipeline.attack.engine.registry import ATTACKS
from tfpipeline.config import attack as attack_config
from tfpipeline.config import synthesis as synthesis_config
from tfpipeline.data.sources import opening
from tfpipeline.data.sources.opening import SCHEMES
from tfpipeline.export import converters, gate, model_metadata
from tfpipeline.models.registry import BACKBONES
from tfpipeline.synthesize.command import synthesize
from tfpipeline.synthesize.objectives import OBJECTIVES, Seen
from tfpipeline.synthesize.presets import CLASS_OBJECTIVES, PRESETS

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TABLES = (BACKBONES, SCHEMES, OBJECTIVES, CLASS_OBJECTIVES, PRESETS, ATTACKS)


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
    code = "\n".join(snippets("attacks.md"))
    names: dict[str, Any] = {}
    exec(code.replace("runs/demo", str(demo_run.path)), names)
    found = names["found"]
    assert found.image.shape == (4, 96, 96, 3) and found.success.any()
    assert (names["same"].image == found.image).all()


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
    code, *_ = snippets("serving.md")
    code = code.replace("served/1", str(exported.base / "1"))
    exec(code.replace("drawn/rocket", str(exported.pictures[0].parent)), {})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and said[-1] == "() () expected JPEG, PNG, GIF or BMP"


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")
def test_a_phones_file_can_be_asked_as_the_page_on_serving_says(
    exported, tmp_path: Path, monkeypatch, capsys
) -> None:
    import keras
    import tensorflow as tf
    from PIL import Image

    _, by_interpreter, compiled = snippets("serving.md")
    keras.utils.set_random_seed(0)
    pixels = keras.Input((24, 20, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(pixels)
    model = keras.Model(pixels, keras.layers.Dense(3)(pooled))
    content = converters.TARGETS["litert_float16"].convert(
        model,
        converters.Answering(),
        np.zeros((0, 24, 20, 3), np.float32),
        "float16",
    )
    about = model_metadata.Description("p", ["a", "b", "c"], (24, 20), "squash")
    file = Path("served/1/also/model_float16.tflite")
    monkeypatch.chdir(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_bytes(model_metadata.describe(content, file.name, about))
    Image.open(exported.pictures[0]).save("photograph.jpg")
    here = importlib.util.find_spec("ai_edge_litert") is not None
    names: dict[str, Any] = {"Interpreter": tf.lite.Interpreter}
    if not here:
        by_interpreter = re.sub(r"from ai_edge_litert.*", "", by_interpreter)
    exec(by_interpreter, names)
    expected = tf.nn.softmax(model(names["images"]))[0].numpy()
    np.testing.assert_allclose(names["chance"], expected, atol=2e-3)
    ast.parse(compiled)
    if here:
        exec(compiled, names)
        assert capsys.readouterr().out.splitlines()[-1] == str(names["chance"])


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


@pytest.mark.slow
def test_the_page_on_adding_parts_can_be_followed(tmp_path, monkeypatch) -> None:
    before = [set(table) for table in TABLES]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: dict[str, Any] = {"__name__": "page"}
    try:
        for code in snippets("extending.md"):
            exec(code, names)
        _check_added_parts(tmp_path)
    finally:
        for table, known in zip(TABLES, before):
            for name in set(table) - known:
                del table[name]


def _check_added_parts(folder: Path) -> None:
    """Make sure that commands know what the page has added."""
    metrics = json.loads((folder / "runs" / "two" / "metrics.json").read_text())
    assert metrics["test"]["n"] > 0
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (12, 40, 40, 3), dtype=np.uint8)
    np.savez(folder / "some.npz", images=pictures, labels=np.arange(12) % 2)
    source = opening.open_source(
        config.DataSettings("npz:some.npz"), folder / "cache", lambda cache: cache
    )
    assert source.labels == ("0", "1") and len(source) == 12
    argv = [
        "--run",
        "runs/two",
        "--images",
        str(source.paths[0]),
        "--epsilon",
        "8/255",
        "--output",
        "attacked",
    ]
    argv += ["--adversary.attack", "random_noise"]
    assert cli.main(attack, attack_config.AttackSettings, argv) == 0
    (found,) = json.loads((folder / "attacked" / "attack.json").read_text())["images"]
    assert found["linf"] <= 8 / 255 + 1e-6
    flags = "--run runs/two --classes 0 --synthesis.steps 2 --output ideal"
    argv = [*flags.split(), "--synthesis.objective", "smooth_logit"]
    argv += ["--preset", "jitter"]
    settings = synthesis_config.SynthesizeSettings
    assert cli.main(synthesize, settings, argv) == 0
    objective = OBJECTIVES["sparsity"]("maps")
    maps = np.zeros((2, 3, 3, 4), np.float32)
    maps[0, ..., 1], maps[1] = 5, 5
    seen = Seen(np.zeros((2, 6, 6, 3)), {"maps": maps}, np.arange(2))
    np.testing.assert_allclose(objective(seen), [1, 0.5], rtol=1e-5)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in PAGES)])
def test_every_picture_and_page_that_is_linked_exists(page: str) -> None:
    file = DOCS.parent / page
    links = re.findall(r"\]\(([^)#]+)", file.read_text())
    assert all((file.parent / link).is_file() for link in links if ":" not in link)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_flag_that_a_page_names_exists(page: Path) -> None:
    """Of any command: pages name flags beside the words that explain them."""
    from tfpipeline.config import benchmark as benchmark_config
    from tfpipeline.config import serving as serving_config
    from tfpipeline.config import study as study_config

    known = set()
    for settings in (
        *(config.RunSettings, config.EvaluateSettings, config.PredictSettings),
        *(config.AuditSettings, config.PackSettings),
        *(synthesis_config.SynthesizeSettings, synthesis_config.FeaturesSettings),
        *(attack_config.AttackSettings, serving_config.ExportSettings),
        *(study_config.StudySettings, benchmark_config.BenchmarkSettings),
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
        if dict[str, float] in get_args(hints[entry.name]):
            found |= {f"{name}.{key}" for key in gate.tolerances()}
    return found


def _said() -> str:
    """Return every text of the package that is no docstring, in one."""
    texts = []
    for file in Path(tfpipeline.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text())
        alone = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in alone:
                texts.append(str(node.value))
    return "\n".join(texts)


def test_every_error_that_the_page_on_troubles_explains_is_one() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    quoted = [" ".join(q.split()) for q in re.findall(r"\*\*`([^`]+)`", page)]
    said = _said()
    assert len(quoted) > 15
    assert [words for words in quoted if words not in said] == []
