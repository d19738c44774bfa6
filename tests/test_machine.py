"""What the system says of memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfpipeline import machine


def test_the_system_knows_how_much_memory_is_free() -> None:
    assert machine.free() > 10**7


def test_what_a_process_holds_grows_with_what_it_fills() -> None:
    """In a process of its own: this one may keep what it has freed."""
    program = (
        "import numpy as np\n"
        "from tfpipeline import machine\n"
        "before = machine.resident()\n"
        "block = np.ones(50_000_000, np.uint8)\n"
        "print(machine.resident() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert 40_000_000 < int(done.stdout) < 80_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_is_kept_unless_the_user_has_chosen() -> None:
    """Counted in page faults, in a process of its own: the setting cannot be undone."""
    program = (
        "import resource, numpy as np\n"
        "from tfpipeline import machine\n"
        "print(int(machine.keep_freed()))\n"
        "for warm in range(2):\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(20): np.ones(1 << 25, np.uint8)\n"
        "    after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "print(after - before)\n"
    )
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    found = {}
    for name, environment in (("kept", {}), ("chosen", {"MALLOC_TOP_PAD_": "0"})):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**plain, **environment},
            capture_output=True,
            text=True,
        )
        found[name] = [int(word) for word in done.stdout.split()]
    assert found["kept"][0] == 1 and found["chosen"][0] == 0
    assert found["kept"][1] < found["chosen"][1] / 10


def test_the_machine_is_told_in_figures_that_can_be() -> None:
    found = machine.about()
    assert found["cores"] == machine.cores()
    assert (
        machine.free()
        < machine.memory()
        == pytest.approx(float(found["memory_gb"]) * 2**30, rel=0.02)
    )
    assert found["processor"] and found["system"]


def test_copies_of_files_do_not_fill_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 200\nfile 700\ninactive_file 600\n")
    monkeypatch.setattr(machine, "Path", lambda name: tmp_path)
    assert machine._container_memory() == 700
    (tmp_path / "memory.max").write_text("max\n")
    assert machine._container_memory() == 1 << 62
