"""`import tfpipeline` is light, and its commands can be called in any order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tfpipeline

ROOT = Path(tfpipeline.__file__).parent.parent

VERBS = sorted(tfpipeline.COMMANDS)

ORDERS = {
    "the package alone": "import tfpipeline",
    "the module first": "import tfpipeline.train, tfpipeline.predict",
    "under another name": "import tfpipeline.train as t; refused(t)",
    "from the package": "from tfpipeline import train; refused(train)",
    "from the module": "from tfpipeline.train.command import train; import tfpipeline",
    "by the machinery": (
        "import importlib, tfpipeline; m = importlib.import_module('tfpipeline.train')"
    ),
    "again": ("import importlib, tfpipeline.train\nimportlib.reload(tfpipeline.train)"),
    "all at once": "import tfpipeline\nfrom tfpipeline import *\nrefused(train)",
    "run before": (
        "import runpy, sys, tfpipeline; sys.argv = ['train', '--print_config']\n"
        "try: runpy.run_module('tfpipeline.train', run_name='__main__')\n"
        "except SystemExit: pass"
    ),
}


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("order", ORDERS)
def test_a_command_is_module_and_function_in_every_order(order: str) -> None:
    # Calls end at a setting that there is not, before anything is done.
    code = (
        "import sys\n"
        "def refused(verb):\n"
        "    from tfpipeline.core.errors import UserError\n"
        "    try: verb(no_such=1)\n"
        "    except UserError as error: assert 'no_such' in str(error)\n"
        "    else: raise AssertionError\n"
        f"{ORDERS[order]}\n"
        "import tfpipeline\n"
        "refused(tfpipeline.train)\n"
        "assert tfpipeline.train is sys.modules['tfpipeline.train']\n"
        "from tfpipeline.train.command import train as verb\n"
        "assert verb is tfpipeline.train.command.train\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
    )
    done = python(code, "-W", "error")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_can_be_called(verb: str) -> None:
    with pytest.raises(tfpipeline.UserError, match="no such setting of " + verb):
        getattr(tfpipeline, verb)(no_such_setting=1)


def test_every_command_has_a_function() -> None:
    commands = [file.parent.name for file in (ROOT / "tfpipeline").glob("*/command.py")]
    assert sorted(commands) == VERBS


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import tfpipeline\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "assert new <= set(sys.stdlib_module_names) | {'tfpipeline'}, new\n"
        "assert 'train' in dir(tfpipeline) and 'Run' in dir(tfpipeline)\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="trian"):
        getattr(tfpipeline, "trian")


USER = """
import numpy as np
import tfpipeline
import tfpipeline.train
from tfpipeline import Run, predict
from tfpipeline.config import RunSettings
from tfpipeline.train.command import train as verb

run: Run = tfpipeline.train({"data.source": "demo"}, seed=3)
label: str = run.predict(np.zeros((1, 2, 2, 3)))[0].label
labels: list[str] = predict(model="run", images="a.png").labels
run.show_curves().savefig("curves.png")
success = tfpipeline.attack(images="a.png", run=run.path)["summary"]
number: int | None = run.export("served").version
told: dict[str, object] = verb(RunSettings())
wrong: int = tfpipeline.train()
"""


@pytest.mark.slow
def test_a_user_has_types(tmp_path: Path) -> None:
    file = tmp_path / "user.py"
    file.write_text(USER)
    words = ("--strict", "--follow-imports=silent", "--ignore-missing-imports")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, "--config-file=", str(file)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    assert len(errors) == 1 and 'type "Run", variable has type "int"' in errors[0], (
        done.stdout + done.stderr
    )
