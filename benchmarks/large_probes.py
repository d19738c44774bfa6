"""Probes of many examples whose features are drawn as they are read, never all at once.

python benchmarks/large_probes.py [--rows 100000 1000000] [--width 1280]
                                  [--classes 1000] [--compare 5000] [--output FILE.json]

For each number of rows a process of its own fits ridge and LDA from one Gram matrix,
with 10,000 more rows as a test. `peak_mb` is its largest resident memory, as the system
says; `read` the seconds in which the rows were drawn, which are in the others. With
`--compare` the same is fitted to so many rows in memory by scikit-learn where that is
installed, and by NumPy from the definition: the largest difference of a score, in
standard deviations of the scores.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import tell

from tfpipeline.study import gram, lda, probes

TEST, DRAWN = 10_000, 1024  # Rows of the test, and those that are drawn at a time.


class Drawn:
    """Features of Gaussian classes, drawn when they are read; the label is row modulo.

    Their covariance has a long tail, as that of networks' features.
    """

    def __init__(self, first: int, count: int, width: int, classes: int) -> None:
        self.first, self.shape, self.classes = first, (count, width), classes
        rng = np.random.default_rng(0)
        self.means = rng.standard_normal((classes, width), np.float32) / 8
        self.lengths = (1 / (1 + np.arange(width) / 50)).astype(np.float32)
        self.seconds = 0.0

    @property
    def label(self) -> np.ndarray:
        """The class of each."""
        return (self.first + np.arange(self.shape[0])) % self.classes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Any) -> np.ndarray:
        started = time.perf_counter()
        rows = self.first + np.arange(len(self))[chosen]
        out = np.empty((len(rows), self.shape[1]), np.float32)
        for number in np.unique(rows // DRAWN):
            rng = np.random.default_rng([1, number])
            block = rng.standard_normal((DRAWN, self.shape[1]), np.float32)
            own = rows // DRAWN == number
            out[own] = block[rows[own] % DRAWN]
        out = (out + self.means[rows % self.classes]) * self.lengths + 1
        self.seconds += time.perf_counter() - started
        return out


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call gives, and the seconds that it takes."""
    started = time.perf_counter()
    result = call()
    return result, time.perf_counter() - started


def measure(count: int, width: int, classes: int) -> dict[str, Any]:
    """Return seconds, accuracies and memory of one number of rows."""
    rows = Drawn(TEST, count, width, classes)
    test = Drawn(0, min(TEST, count), width, classes)
    label = rows.label
    moments, gathering = timed(lambda: gram.gather(rows, label, classes))
    fits = {
        "ridge": lambda: probes.fit_probe(rows, label, classes, gram=moments),
        "lda": lambda: lda.fit_lda(rows, label, moments),
    }
    found: dict[str, Any] = {"rows": count, "gram_seconds": gathering}
    for name, fit in fits.items():
        model, found[f"{name}_seconds"] = timed(fit)
        found[f"{name}_accuracy"] = probes.accuracy(
            model.scores, test, test.label, classes
        )
    found["read"] = rows.seconds
    found["features_mb"] = count * width * 4 / 2**20
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def compare(count: int, width: int, classes: int) -> dict[str, float]:
    """Return the largest differences from other fits of the same rows in memory."""
    rows = Drawn(TEST, count, width, classes)
    x, label = np.asarray(rows[:], np.float64), rows.label
    test = Drawn(0, 500, width, classes)[:]
    moments = gram.gather(rows, label, classes)
    ridge = probes.fit_probe(rows, label, classes, gram=moments)
    targets, centred = np.eye(classes)[label], x - x.mean(axis=0)
    alpha = ridge.ridge * float((centred**2).sum()) / count
    kernel = np.linalg.solve(
        centred.T @ centred + alpha * np.eye(width),
        centred.T @ (targets - targets.mean(axis=0)),
    )
    own = ridge.scores(test)
    scores = (test - x.mean(axis=0)) @ kernel + targets.mean(axis=0)
    found = {"ridge_numpy": float(np.abs(own - scores).max() / scores.std())}
    try:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.linear_model import Ridge
    except ImportError:
        return found
    other = Ridge(alpha).fit(x, targets).predict(test)
    found["ridge_scikit_learn"] = float(np.abs(own - other).max() / other.std())
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1).fit(x, label)
    theirs = model.predict_log_proba(test)
    ours = lda.fit_lda(rows, label, moments, 0.1).scores(test)
    ours -= np.log(np.exp(ours - ours.max(1, keepdims=True)).sum(1, keepdims=True))
    ours -= ours.max(axis=1, keepdims=True) - theirs.max(axis=1, keepdims=True)
    found["lda_scikit_learn"] = float(np.abs(ours - theirs).max() / theirs.std())
    return found


def main() -> None:
    """Print what each number of rows takes; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    for name, default in (("width", 1280), ("classes", 1000), ("compare", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    shape = (given.width, given.classes)
    if given.only:
        print(json.dumps(measure(given.rows[0], *shape)))
        return
    result: dict[str, Any] = {"width": given.width, "classes": given.classes}
    result["runs"] = []
    for count in given.rows:
        words = [sys.executable, __file__, "--only", "--rows", str(count)]
        words += ["--width", str(given.width), "--classes", str(given.classes)]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        result["runs"].append(json.loads(done.stdout.splitlines()[-1]))
    if given.compare:
        result["largest_difference"] = compare(given.compare, *shape)
    tell(result, given.output)


if __name__ == "__main__":
    main()
