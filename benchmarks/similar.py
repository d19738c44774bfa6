"""How long an exact search for the nearest of many training pictures takes.

python benchmarks/similar.py [--rows 100000 1000000] [--width 1280] [--queries 1 100]
    [--folder TMP] [--output FILE.json]

The rows are drawn numbers in a file of float32, mapped into memory as `similar` may
have them. Each search compares all of them, by the cosine, for the five nearest; the
first one reads the file as well as the system has kept it. `recall` is the share of
neighbours that a search in float64 finds as well, of the first 20,000 rows. The peak
of memory is the process's own, without the pages of the file.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from results import tell

from tfpipeline.metrics import nearest

COUNT = 5


def own_megabytes() -> float:
    """Return the memory that this process has for itself, without mapped files."""
    text = Path("/proc/self/status").read_text()
    (line,) = [row for row in text.splitlines() if row.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def drawn(file: Path, rows: int, width: int) -> np.ndarray:
    """Write rows, positive as pooled features are, and return them mapped."""
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(file, "w+", np.float32, (rows, width))
    for start in range(0, rows, 20_000):
        part = out[start : start + 20_000]
        part[:] = np.maximum(rng.standard_normal(part.shape, np.float32), 0)
    out.flush()
    del out
    return np.load(file, mmap_mode="r")


def recall(queries: np.ndarray, rows: np.ndarray) -> float:
    """Return the share of neighbours that a search in float64 finds too."""
    index, _ = nearest.nearest(queries, rows, COUNT)
    one, other = queries.astype(np.float64), rows.astype(np.float64)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    order = np.argsort(-(one @ other.T), axis=1)[:, :COUNT]
    same = [len(set(a) & set(b)) for a, b in zip(index.tolist(), order.tolist())]
    return sum(same) / order.size


def main() -> None:
    """Print the seconds of a search by numbers of rows and of queries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    result: list[dict[str, Any]] = []
    rng = np.random.default_rng(1)
    most = (max(given.queries), given.width)
    queries = np.maximum(rng.standard_normal(most, np.float32), 0)
    for count in given.rows:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            rows = drawn(Path(folder) / "rows.npy", count, given.width)
            for asked in given.queries:
                before, start = own_megabytes(), time.perf_counter()
                nearest.nearest(queries[:asked], rows, COUNT)
                seconds = time.perf_counter() - start
                row = {"rows": count, "queries": asked, "seconds": seconds}
                more = own_megabytes() - before
                result.append({**row, "megabytes_left_over": more})
            share = recall(queries, np.asarray(rows[:20_000]))
            result[-1]["recall_among_20000"] = share
            del rows
    tell({"width": given.width, "count": COUNT, "rows": result}, given.output)


if __name__ == "__main__":
    main()
