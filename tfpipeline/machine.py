"""GROUND: what this machine has, and how this process treats it."""

import contextlib
import ctypes
import os
import platform
import sys
from pathlib import Path


def keep_freed() -> bool:
    """Let this process keep the memory of freed tensors for the next ones.

    The C library gives every large block back to the system, and each step of a network
    on a CPU then waits for the same pages to be mapped and zeroed again: a forward pass
    of MobileNetV2 was measured to be 1.3 to 2 times as fast without that. What the user
    has set by `MALLOC_...` or `GLIBC_TUNABLES` stands.

    Returns:
        Whether it is in force: on Linux with glibc only.
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


def _container_memory() -> int:
    """Return what a container's limit leaves; a very large number without a limit."""
    group = Path("/sys/fs/cgroup")
    try:
        most = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        told = (group / "memory.stat").read_text().splitlines()
        # Copies of files, which go where room is wanted, count as used.
        kept = next(line for line in told if line.startswith("inactive_file "))
        return most - used + int(kept.split()[1])
    except (OSError, ValueError, StopIteration):  # No limit is the word max.
        return 1 << 62


def resident() -> int:
    """Return the bytes of memory that this process holds now; 0 where none says so."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def cores() -> int:
    """Return the number of CPU cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> int:
    """Return the bytes of memory that this machine has."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


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
