"""A training that is killed again and again ends as if nothing had been.

python benchmarks/interruptions.py [--kills 20] [--seed 0] [--output FILE]

One training of head and backbone on the embedded default runs in peace. Another one, by
the same command, is ended by SIGKILL at random moments and started again each time,
then left to finish. Compared: every byte of the weights, and `history.csv`.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from results import tell

# Of fine-tuning: enough for all kills to fall into the training.
EPOCHS = "60"

COMMAND = [
    *(sys.executable, "-m", "tfpipeline.train", "--train.epochs", "6"),
    *("--fine_tune.epochs", EPOCHS, "--fine_tune.unfreeze", "0.5"),
    *("--fine_tune.gradual_epochs", "1", "--fine_tune.patience", "null"),
    *("--train.averaging", "swa", "--train.clip_norm", "1"),
    *("--data.demo_per_class", "40", "--checkpoint.every_steps", "3"),
]


def weights_of(run: Path, scratch: Path) -> dict[str, np.ndarray]:
    """Return every array of a run's model."""
    import zipfile

    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(run / "model.keras") as archive:
        archive.extract("model.weights.h5", scratch)

    def take(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.array(item)

    with h5py.File(scratch / "model.weights.h5") as file:
        file.visititems(take)
    return found


def start(workdir: Path, cache: Path) -> subprocess.Popen[bytes]:
    """Start the training."""
    words = [*COMMAND, "--workdir", str(workdir), "--cache_dir", str(cache)]
    log = open(workdir.with_suffix(".log"), "ab")
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=log)


def killed(workdir: Path, cache: Path, kills: int) -> list[str]:
    """Train with interruptions; return the last checkpoint that each one left."""
    reached: list[str] = []

    def last() -> str:
        there = sorted((workdir / "checkpoints").glob("[0-9]*.npz"))
        return there[-1].name if there else "none"

    while len(reached) < kills:
        before, process = last(), start(workdir, cache)
        # One in five while it starts, the others once it has got on.
        early = random.random() < 0.2
        while not early and process.poll() is None and last() == before:
            time.sleep(0.005)
        try:
            process.wait(timeout=random.uniform(0, 6 if early else 1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            reached.append(last())
            continue
        if process.returncode:
            told = workdir.with_suffix(".log").read_text()[-1000:]
            raise SystemExit(f"ended with {process.returncode}: {told}")
        raise SystemExit(f"it was over after {len(reached)} kills: raise EPOCHS")
    if start(workdir, cache).wait():
        raise SystemExit("the last training failed")
    return reached


def main() -> None:
    """Print what was found; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--keep", type=Path, help="folder for both runs")
    given = parser.parse_args()
    random.seed(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if start(root / "peace", root / "cache").wait():
            raise SystemExit("the training in peace failed")
        reached = killed(root / "war", root / "cache", given.kills)
        one, two = (weights_of(root / name, root) for name in ("peace", "war"))
        same = one.keys() == two.keys() and all(
            np.array_equal(one[name], two[name]) for name in one
        )
        if given.keep:
            for name in ("peace", "war"):
                shutil.copytree(root / name, given.keep / name)
        texts = [(root / n / "history.csv").read_bytes() for n in ("peace", "war")]
        result = {
            "kills": len(reached),
            "checkpoints": reached,
            "weights_equal": same,
            "history_equal": texts[0] == texts[1],
        }
    tell(result, given.output)
    raise SystemExit(0 if same and result["history_equal"] else 1)


if __name__ == "__main__":
    main()
