"""What this machine has, and how this process treats it."""

import contextlib
import ctypes
import math
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

# Where the system shows control groups, and which of them this process is in.
_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def keep_freed() -> bool:
    """Let this process keep the memory of freed tensors, and return whether it does.

    The C library gives every large block back to the system, and each step of a network
    on a CPU then waits for the same pages to be mapped and zeroed again: a forward pass
    of MobileNetV2 was measured to be 1.3 to 2 times as fast without that. What the user
    has set by `MALLOC_...` or `GLIBC_TUNABLES` stands. On Linux with glibc only.
    """
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if chosen or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    # Numbers of malloc.h: M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD.
    options = ((-8, 1), (-4, 0), (-1, 2**31 - 1))
    return all([mallopt(option, value) == 1 for option, value in options])


def free() -> int:
    """Return the bytes of memory that a process can still take, as the system says."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            kib = next(n.split()[1] for n in lines if n.startswith("MemAvailable"))
        return min(int(kib) * 1024, _container_memory())
    except (OSError, StopIteration, ValueError):
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _groups(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Yield the control groups of this process, and all groups that they are in."""
    lines = []
    with contextlib.suppress(OSError):
        lines = own.read_text().splitlines()
    # A container may be shown its own group as the root, whatever it is called outside.
    for line in [*lines, "0::/", f"0:{controller}:/"]:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        # The first names are those of version 2.
        mounts = (
            (root / names, root / controller) if names else (root, root / "unified")
        )
        parts = Path(path).parts[1:]
        for mount in mounts:
            for depth in range(len(parts) * (".." not in parts), -1, -1):
                yield mount.joinpath(*parts[:depth])


def _container_memory(root: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Return what the limits of containers leave; a very large number without any."""
    left = [1 << 62]
    for group in _groups("memory", root, own):
        for most, used, files in (
            ("memory.max", "memory.current", "inactive_file "),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
        ):
            # No limit is the word max.
            with contextlib.suppress(OSError, ValueError, StopIteration):
                taken = int((group / used).read_text())
                stat = (group / "memory.stat").read_text().splitlines()
                # Copies of files, which go where room is wanted, count as used.
                kept = next(line for line in stat if line.startswith(files))
                limit = int((group / most).read_text())
                left.append(limit - taken + int(kept.split()[1]))
    return min(left)


def resident() -> int:
    """Return the bytes of memory that this process holds now; 0 where none says so."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def cores() -> int:
    """Return the number of CPU cores that this process may keep busy, at least 1.

    A container's quota counts as so many cores, and a part of one as a whole one.
    """
    return max(1, min(_visible_cores(), math.ceil(cpu_quota())))


def _visible_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> float:
    """Return the seconds of CPU time a second that containers leave to this process."""
    quotas = [float(sys.maxsize)]
    for group in _groups("cpu", root, own):
        # No quota is the word max, or a negative number.
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = map(int, (group / "cpu.max").read_text().split())
            quotas.append(quota / period)
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota = int((group / "cpu.cfs_quota_us").read_text())
            quotas.append(quota / int((group / "cpu.cfs_period_us").read_text()))
    return min(quota for quota in quotas if quota > 0)


def limit_threads() -> None:
    """Tell TensorFlow of a container's quota, at which it does not look itself.

    Else it starts threads for every core of the machine, and all of them are halted
    together once the quota is used up. What the user has set stands.
    """
    if cores() < _visible_cores():
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
            os.environ.setdefault(name, str(cores()))


def memory() -> int:
    """Return the bytes of memory that this machine has."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def processor_flags() -> frozenset[str]:
    """Return what the first core can do, as Linux names it; nothing elsewhere."""
    with contextlib.suppress(OSError, StopIteration):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            line = next(n for n in lines if n.startswith("flags"))
        return frozenset(line.partition(":")[2].split())
    return frozenset()


def about() -> dict[str, str | float]:
    """Return what others have to know of this machine to compare with it."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            line = next(n for n in lines if n.startswith("model name"))
        processor = line.partition(":")[2].strip()
    return {
        "processor": processor,
        "cores": cores(),
        "memory_gb": round(memory() / 2**30, 1),
        "system": platform.platform(terse=True),
    }
