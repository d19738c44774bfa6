"""What the system says of memory and of cores, and what containers leave of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfpipeline.core import hardware


def test_the_system_knows_how_much_memory_is_free() -> None:
    assert hardware.free() > 10**7


def test_what_a_process_holds_grows_with_what_it_fills() -> None:
    """In a process of its own: this one may keep what it has freed."""
    program = (
        "import numpy as np\n"
        "from tfpipeline.core import hardware as machine\n"
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
        "from tfpipeline.core import hardware as machine\n"
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
    found = hardware.about()
    assert found["cores"] == hardware.cores()
    assert (
        hardware.free()
        < hardware.memory()
        == pytest.approx(float(found["memory_gb"]) * 2**30, rel=0.02)
    )
    assert found["processor"] and found["system"]


def groups(folder: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """Write control groups as a system shows them; return their root, and whose."""
    for name, text in files.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "own").write_text(own)
    return folder / "cgroup", folder / "own"


NO_LIMIT = float(sys.maxsize)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, NO_LIMIT),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "5 10"}, 0.5),
        ("0::/a/b\n", {"a/b/cpu.max": "30 10", "a/cpu.max": "80 10"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "80 10", "cpu.max": "30 10"}, 3),
        ("0::/not/shown\n", {"cpu.max": "20 10"}, 2),
        ("0::/../other\n", {"cpu.max": "20 10", "other/cpu.max": "10 10"}, 2),
        ("1:name=systemd:/\n0::/a\n", {"unified/a/cpu.max": "20 10"}, 2),
        (
            "4:memory:/a\n3:cpu,cpuacct:/a/b\n",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "250000",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000",
                "memory/a/cpu.max": "1 1",
            },
            2.5,
        ),
        (
            "3:cpu:/docker/x\n",
            {"cpu/cpu.cfs_quota_us": "40", "cpu/cpu.cfs_period_us": "10"},
            4,
        ),
        ("0::/\n", {"cpu.max": "10 0"}, NO_LIMIT),
        ("0::/\n", {"cpu.max": "rubbish"}, NO_LIMIT),
        ("", {}, NO_LIMIT),
    ],
)
def test_the_tightest_quota_of_all_groups_counts(
    tmp_path: Path, own: str, files: dict[str, str], expected: float
) -> None:
    assert hardware.cpu_quota(*groups(tmp_path, own, files)) == expected


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert hardware.cpu_quota(tmp_path / "none", tmp_path / "nor") == NO_LIMIT


@pytest.mark.parametrize(
    ("quota", "visible", "cores"),
    [(1.5, 64, 2), (0.1, 64, 1), (2.0, 64, 2), (NO_LIMIT, 64, 64), (8.0, 2, 2)],
)
def test_a_part_of_a_core_counts_as_one(
    monkeypatch: pytest.MonkeyPatch, quota: float, visible: int, cores: int
) -> None:
    monkeypatch.setattr(hardware, "cpu_quota", lambda: quota)
    monkeypatch.setattr(hardware, "_visible_cores", lambda: visible)
    assert hardware.cores() == cores


@pytest.mark.parametrize(("quota", "told"), [(3.0, "3"), (NO_LIMIT, None)])
def test_tensorflow_is_told_of_a_quota_unless_the_user_has_chosen(
    monkeypatch: pytest.MonkeyPatch, quota: float, told: str | None
) -> None:
    monkeypatch.setattr(hardware, "cpu_quota", lambda: quota)
    monkeypatch.setattr(hardware, "_visible_cores", lambda: 64)
    monkeypatch.setattr(os, "environ", {"TF_NUM_INTEROP_THREADS": "5"})
    hardware.limit_threads()
    assert os.environ.get("TF_NUM_INTRAOP_THREADS") == told
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "5"


@pytest.mark.slow
def test_tensorflow_starts_as_many_threads_as_it_is_told() -> None:
    program = (
        "import os, tensorflow as tf\n"
        "x = tf.random.normal((500, 500)); tf.function(tf.linalg.matmul)(x, x)\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    counts = []
    for threads in ("2", "20"):
        told = {f"TF_NUM_{kind}OP_THREADS": threads for kind in ("INTRA", "INTER")}
        environment = {**os.environ, **told}
        words = [sys.executable, "-c", program]
        done = subprocess.run(words, env=environment, stdout=subprocess.PIPE)
        counts.append(int(done.stdout))
    assert counts[1] - counts[0] == 2 * (20 - 2)


@pytest.mark.parametrize(
    ("own", "names", "expected"),
    [
        ("0::/\n", ("memory.max", "memory.current", "inactive_file"), 700),
        ("0::/a/b\n", ("a/memory.max", "a/memory.current", "inactive_file"), 700),
        (
            "4:memory:/x\n",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            700,
        ),
    ],
)
def test_copies_of_files_do_not_fill_a_container(
    tmp_path: Path, own: str, names: tuple[str, str, str], expected: int
) -> None:
    most, used, kept = names
    below = "memory/" if "limit" in most else ""
    stat = str(Path(most).parent / "memory.stat")
    files = {most: "1000\n", used: "900\n", stat: f"anon 200\n{kept} 600\n"}
    files = {below + name: text for name, text in files.items()}
    where = groups(tmp_path, own, files)
    assert hardware._container_memory(*where) == expected
    (tmp_path / "cgroup" / below / most).write_text("max\n")
    assert hardware._container_memory(*where) == 1 << 62
