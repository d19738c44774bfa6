"""The house stands: packages in one order, no circles, no junk drawers."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tfpipeline

ROOT = Path(tfpipeline.__file__).parent
# A package imports those before it, and none behind it.
ORDER = (
    *("core", "config", "cli", "distribute", "metrics", "demo", "data", "shards"),
    *("models", "report", "attack.engine", "train", "synthesize", "features", "attack"),
    *("evaluate", "study", "combine", "export", "predict", "embed", "merge"),
    *("similar", "monitor"),
    *("serve", "audit", "pack", "benchmark", "api"),
)
COMMANDS = sorted(tfpipeline.COMMANDS)
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "matplotlib"}
FILES = sorted(ROOT.rglob("*.py"))
MODULES = {
    ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    ): file
    for file in FILES
}


def names(tree: ast.AST) -> set[str]:
    """Return every module or name that a piece of code imports, by its full name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(tree: ast.AST) -> set[str]:
    """Return the modules of this package that a piece of code imports."""
    inside = {n for n in names(tree) if n.startswith("tfpipeline.")}
    found = {n if n in MODULES else n.rpartition(".")[0] for n in inside}
    assert found <= set(MODULES)
    return found - {"tfpipeline"}


def package(module: str) -> str:
    """Return which package of the order a module belongs to."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[:2] == ["attack", "engine"] else parts[0]


def tree_of(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(MODULES[module].read_text())


INSIDE = sorted(set(MODULES) - {"tfpipeline", "tfpipeline.__main__"})


def test_every_package_has_its_place_in_the_order() -> None:
    assert {package(module) for module in INSIDE} == set(ORDER)
    for name in {name.partition(".")[0] for name in ORDER}:
        assert f"`{name}`" in (tfpipeline.__doc__ or ""), name


@pytest.mark.parametrize("module", INSIDE)
def test_imports_point_down_the_order_only(module: str) -> None:
    here = ORDER.index(package(module))
    above = {m for m in own(tree_of(module)) if ORDER.index(package(m)) > here}
    assert not above


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: own(tree_of(module)) - {module} for module in INSIDE}
    # Raises where there is a circle, and names it.
    assert list(TopologicalSorter(graph).static_order())


LIGHT = [
    module
    for module in MODULES
    if module.split(".")[1:2] in (["core"], ["config"], ["cli"])
    or module.endswith((".command", ".__main__"))
    or module.removeprefix("tfpipeline.") in COMMANDS
]


def at_once(tree: ast.Module) -> ast.Module:
    """Return what is imported with the module itself, not when it is called."""
    imports = (ast.Import, ast.ImportFrom)
    return ast.Module([node for node in tree.body if isinstance(node, imports)], [])


@pytest.mark.parametrize("module", sorted(LIGHT))
def test_what_answers_help_imports_nothing_heavy_at_once(module: str) -> None:
    seen, waiting = set(), [module]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        tree = at_once(tree_of(here))
        assert not {n.split(".")[0] for n in names(tree)} & HEAVY, here
        waiting += own(tree)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_and_functions_stay_small(module: str) -> None:
    text = MODULES[module].read_text()
    assert len(text.splitlines()) <= 330
    assert MODULES[module].stem not in {"utils", "common", "misc", "helpers"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            count = len(node.args.args) + len(node.args.kwonlyargs)
            has_self = bool(node.args.args) and node.args.args[0].arg == "self"
            assert count - has_self <= 6, node.name


def test_no_folder_is_so_flat_that_nothing_is_found_in_it() -> None:
    for folder in {file.parent for file in FILES}:
        assert len(list(folder.glob("*.py"))) <= 25, folder


def test_only_the_console_speaks_to_the_terminal() -> None:
    for module in MODULES:
        if module in ("tfpipeline.core.console", "tfpipeline.core.progress"):
            continue
        if module.startswith("tfpipeline.demo."):
            continue
        nodes = ast.walk(tree_of(module))
        called = {getattr(n.func, "id", "") for n in nodes if isinstance(n, ast.Call)}
        assert "print" not in called, module


def test_every_public_name_is_explained() -> None:
    for module in MODULES:
        for node in tree_of(module).body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if public and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{module}: {node.name}"


def test_tests_mirror_the_package() -> None:
    tests = Path(__file__).parent
    for file in (f for f in tests.rglob("test_*.py") if f.parent != tests):
        twin = ROOT / file.parent.relative_to(tests) / file.name[len("test_") :]
        assert twin.is_file() or twin.with_suffix("").is_dir(), file


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_is_unpickled_and_no_archive_is_unpacked(module: str) -> None:
    tree = tree_of(module)
    unsafe = {"pickle", "dill", "joblib"}
    assert not {n.split(".")[0] for n in names(tree)} & unsafe
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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_package_of_one_form(name: str) -> None:
    for file in ("__init__.py", "__main__.py", "command.py"):
        assert (ROOT / name / file).is_file(), file
