"""The house stands: face, verbs, rooms, ground; sizes in bounds, no junk drawers."""

import ast
from pathlib import Path

import pytest

import tfpipeline

ROOT = Path(tfpipeline.__file__).parent
GROUND = {
    *("atomic", "calling", "checks", "cli", "cluster", "config", "config_attack"),
    *("config_adversary", "config_benchmark", "config_serving", "config_study"),
    *("config_synthesis", "config_training", "disk", "errors", "flags", "formats"),
    *("images", "interruption", "machine", "manifest", "orientation", "progress"),
    *("results", "run_replacement", "runs", "sheets", "staging", "terminal"),
}
# Joins rooms for the verbs.
WORKFLOW = {"workflow"}
# What `import tfpipeline` gives; it stands above the verbs.
FACE = {"face"}
FOLDERS = {p.name for p in ROOT.iterdir() if (p / "__init__.py").is_file()}
ROOMS = FOLDERS - WORKFLOW - FACE
VERBS = {p.stem for p in ROOT.glob("*.py")} - GROUND - {"__init__"}
# What `distribution` does is asked for inside the training loop itself.
SHARED_ROOMS = {"distribution"}
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "matplotlib"}
FILES = sorted(ROOT.rglob("*.py"))


def part(file: Path) -> str:
    """Return the verb, room or ground file that a module belongs to."""
    return file.relative_to(ROOT).with_suffix("").parts[0]


def imports(tree: ast.AST) -> set[str]:
    """Return every module that a piece of code imports, by its full name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(names: set[str]) -> set[str]:
    """Return the parts of this package among imported names."""
    return {n.split(".")[1] for n in names if n.startswith("tfpipeline.")} - {
        "__version__"
    }


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_arrow_points_upwards(file: Path) -> None:
    here, used = part(file), own(imports(ast.parse(file.read_text())))
    if here in GROUND:
        assert used <= GROUND
    elif here in ROOMS:
        assert used <= GROUND | SHARED_ROOMS | {here}
    elif here in WORKFLOW:
        assert used <= GROUND | ROOMS | WORKFLOW
    elif here in VERBS:
        assert used <= GROUND | ROOMS | WORKFLOW
    else:
        assert here in FACE | {"__init__"}


@pytest.mark.parametrize("name", sorted(GROUND | VERBS | {"__init__"}))
def test_what_answers_help_imports_nothing_heavy_at_once(name: str) -> None:
    tree = ast.parse((ROOT / f"{name}.py").read_text())
    at_once = ast.Module(
        [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)],
        [],
    )
    names = imports(at_once)
    assert not {n.split(".")[0] for n in names} & HEAVY
    assert not own(names) & (ROOMS | WORKFLOW | FACE)


def test_every_part_of_the_house_is_known_to_the_map() -> None:
    for name in ROOMS | GROUND | WORKFLOW | FACE:
        assert f"`{name}`" in (tfpipeline.__doc__ or ""), name


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_modules_and_functions_stay_small(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 320
    assert file.stem not in {"utils", "common", "misc", "base", "helpers"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            count = len(node.args.args) + len(node.args.kwonlyargs)
            has_self = bool(node.args.args) and node.args.args[0].arg == "self"
            assert count - has_self <= 6, node.name


def test_only_the_ground_speaks_to_the_terminal() -> None:
    for file in FILES:
        if part(file) in ("terminal", "progress", "demo"):
            continue
        nodes = ast.walk(ast.parse(file.read_text()))
        names = {getattr(n.func, "id", "") for n in nodes if isinstance(n, ast.Call)}
        assert "print" not in names, file


def test_every_public_name_is_explained() -> None:
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if public and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{file.name}: {node.name}"


def test_tests_mirror_the_package() -> None:
    tests = Path(__file__).parent
    for file in (f for f in tests.rglob("test_*.py") if f.parent != tests):
        twin = ROOT / file.parent.relative_to(tests) / file.name[len("test_") :]
        assert twin.is_file(), file


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_nothing_is_unpickled_and_no_archive_is_unpacked(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert not {n.split(".")[0] for n in imports(tree)} & {"pickle", "dill", "joblib"}
    called = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert not called & {"extractall", "unpack_archive"}
    allowed = [
        k.value.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Call)
        for k in n.keywords
        if k.arg == "allow_pickle" and isinstance(k.value, ast.Constant)
    ]
    assert not any(allowed)
