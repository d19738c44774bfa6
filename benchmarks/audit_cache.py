"""An audit of a few files beside what was found out about very many others.

python benchmarks/audit_cache.py [--files 300] [--foreign 1000000] [--rounds 5]
                                 [--output FILE.json]

Each audit is a process of its own, and cold: one with an empty cache, one with a cache
that holds so many rows of other files, alternately. `first` opens the files, `again`
finds them in the cache. Told are the ratios of their seconds, and of the peak memory.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from growth import write_pictures
from results import spread, tell

from tfpipeline.core import image_formats
from tfpipeline.data import scan
from tfpipeline.data.scan_cache import Ledger, Row

# Files of a source: a part of the cache each.
_SOURCE = 100_000

_AUDIT = """
import json, resource, sys, time
from pathlib import Path
from tfpipeline.data import scan as audit
found, paths = {}, sorted(Path(sys.argv[1]).rglob("*.jpg"))
for name in ("first", "again"):
    started = time.perf_counter()
    assert len(audit.audit(paths, cache=Path(sys.argv[2]))) == len(paths)
    found[name] = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(found | {"peak_mb": peak / 1024}))
"""


def keep_others(cache: Path, count: int) -> None:
    """Keep rows of so many files that are not there, of several sources."""
    ledger = Ledger(cache / f"audit-{scan.RULES}-{image_formats.MAX_PIXELS}")
    for first in range(0, count, _SOURCE):
        ledger.add(
            [
                Row(
                    *(f"/others/{first}/{number:08d}.jpg", 45_000, 1, 1),
                    *(f"{number:064x}", "jpeg", 375, 500, "RGB"),
                    thumbnail=f"{number:0864x}",
                )
                for number in range(first, min(first + _SOURCE, count))
            ]
        )


def audited(pictures: Path, cache: Path) -> dict[str, float]:
    """Return seconds and peak memory of a process that audits some files twice."""
    words = [sys.executable, "-c", _AUDIT, str(pictures), str(cache)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--foreign", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    rows: list[tuple[dict[str, float], dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        keep_others(scratch / "full", given.foreign)
        for number in range(given.rounds):
            # Other files each time: neither cache knows them.
            pictures = scratch / f"pictures{number}"
            write_pictures(pictures, given.files, 2)
            empty = audited(pictures, scratch / f"empty{number}")
            rows.append((empty, audited(pictures, scratch / "full")))
        size = sum(part.stat().st_size for part in (scratch / "full").rglob("*.sqlite"))
    result: dict[str, Any] = {
        "files": given.files,
        "foreign": given.foreign,
        "cache_mb": size / 1e6,
    }
    for name in rows[0][0]:
        result |= spread(name, [full[name] for _, full in rows])
        ratios = [full[name] / empty[name] for empty, full in rows]
        result |= spread(f"{name}_to_empty", ratios)
    tell(result, given.output)


if __name__ == "__main__":
    main()
