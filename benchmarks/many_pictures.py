"""What shards cost: bookkeeping of many pictures, memory, killed commands, processes.

python benchmarks/many_pictures.py bookkeeping [--images 100000000] [--parts 1000]
python benchmarks/many_pictures.py memory [--few 1000] [--many 100000]
python benchmarks/many_pictures.py kills [--images 10000] [--times 20]
python benchmarks/many_pictures.py workers [--few 2000] [--many 10000] [--rounds 2]
python benchmarks/many_pictures.py embed --photographs FOLDER [--few 512] [--many 2048]
python benchmarks/many_pictures.py training [--few 100000] [--many 1000000]
python benchmarks/many_pictures.py train_workers [--images 2000000] [--parts 1000]
python benchmarks/many_pictures.py findings [--images 100000]

`bookkeeping`: generates the lists of one part of a plan of so many pictures, gives that
part to a process that computes nothing, and says what it held in memory. `memory`: the
largest resident memory of `embed` and of `predict` into a file and into shards, on few
and on many pictures of 24 x 24 pixels. `kills`: `predict` into shards is killed at
random moments and given again; its rows are compared with those of one undisturbed.
`workers`: images a second of `embed` by two processes of one core against one process
of one core, and by Beam's two against ours where Beam is installed, in turns: of the
whole command on many pictures, and without its start, by the difference to few.
`embed`: photographs a second of `embed` by MobileNetV2 1.0 at 224 pixels, by each
engine, without its start, against the network's bare forward pass under TensorFlow on
one batch in memory, in turns.
`training`: the largest resident memory, and the seconds, of `train` on generated
features of few and of many rows (1,280 in float16). `train_workers`: what each of many
workers does to know its part of an epoch of so many rows, all of them in this process;
and what a row takes in the memory of each.
`findings`: the last step of an audit in shards, on generated rows of which each is
another picture: its seconds, its memory, and the bytes of its shards.
Each takes [--output FILE.json].
"""

import argparse
import base64
import csv
import hashlib
import importlib.util
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import copies
import numpy as np
from PIL import Image
from results import spread, spreads, tell

from tfpipeline.audit import rows
from tfpipeline.config import AuditSettings, DataSettings
from tfpipeline.core import file_io
from tfpipeline.data import dataset, review, sampling, splits
from tfpipeline.data.dataset import Examples
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.models.engines.names import LITERT, TENSORFLOW
from tfpipeline.shards import plan as plans
from tfpipeline.shards import reading, work
from tfpipeline.shards.labels import Labels

SHARD = 2000
SMALL = ("--model.backbone", "PlainCNN", "--model.weights", "none")
SMALL += ("--model.image_size", "32")
TWO = "--direct_num_workers=2 --direct_running_mode=multi_processing"


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bookkeeping(images: int, parts: int, folder: Path) -> dict[str, Any]:
    """Measure one of many parts of a plan, of which its own lists alone are there."""
    shards = -(-images // SHARD)
    request = {"command": "embed", "width": 1280}
    listed = 0
    for number in range(0, shards, parts):
        names = (Picture(f"/shared/{number:06d}/{n:012d}.jpg") for n in range(SHARD))
        file = folder / "plan" / f"{number // 1000:03d}" / f"{number:06d}.txt"
        file_io.write_lines(file, (picture.dump() for picture in names))
        listed += file.stat().st_size
    content = {"shards": shards, "count": images, "request": request}
    file_io.write_json(folder / plans.PLAN, content)
    plan = plans.read(folder)
    for number in range(shards):
        if number % parts:
            done = {"images": SHARD, "errors": 0, "sha256": {"csv": "0" * 64}}
            done["request"] = plan.digest
            path = folder / f"shard-{number:06d}.done.json"
            path.write_text(json.dumps(done))
    before, begin = peak_mb(), time.perf_counter()

    def compute(shard: list[Picture]) -> work.Content:
        rows = [(p.id, "0" * 64, n, "") for n, p in enumerate(shard)]
        return work.Content(("id", "sha256", "row", "error"), rows, 0)

    work.compute_all(plan, compute, (0, parts))
    computed = time.perf_counter()
    result = work.end(plan)
    ended = time.perf_counter()
    own = len(range(0, shards, parts))
    assert result["images"] == shards * SHARD and not result["missing"]
    return {
        "images": images,
        "parts": parts,
        "shards": shards,
        "own_images": own * SHARD,
        "peak_mb": peak_mb(),
        "peak_mb_before": before,
        "seconds_of_a_part": computed - begin,
        "seconds_of_the_end": ended - computed,
        "list_bytes_an_image": listed / (own * SHARD),
        "index_mb": (folder / plans.INDEX).stat().st_size / 1e6,
    }


def planning(folder: Path, count: int = 200_000) -> dict[str, float]:
    """Measure how long one process takes to list pictures in a plan."""
    with open(folder / "all.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path",))
        table.writerows((f"/shared/data/{n:012d}.jpg",) for n in range(count))
    begin = time.perf_counter()
    plans.settle(folder / "plan", [str(folder / "all.csv")], SHARD, {})
    seconds = time.perf_counter() - begin
    return {"planning_microseconds_an_image": seconds / count * 1e6}


def pictures(folder: Path, count: int) -> Path:
    """Write a list of small pictures, each with other bytes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 24, 3), np.uint8)
    for number in range(count):
        file = folder / f"{number // 1000:04d}" / f"{number:07d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels[0, 0] = np.frombuffer(number.to_bytes(3, "little"), np.uint8)
        Image.fromarray(pixels).save(file)
    return folder


def run(words: Sequence[str]) -> tuple[float, float]:
    """Run a command; return its seconds and its largest memory in MB."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", *words, "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (words, status)
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def model_of(folder: Path) -> str:
    """Train the smallest network on drawn pictures, and return its run."""
    words = ["--data.demo_per_class", "12", "--train.epochs", "1", *SMALL]
    where = ["--workdir", f"{folder}/run", "--cache_dir", f"{folder}/cache"]
    run(["tfpipeline.train", *words, *where])
    return f"{folder}/run"


def memory(few: int, many: int, folder: Path) -> dict[str, Any]:
    """Measure how memory grows with pictures."""
    model, peaks = model_of(folder), dict[str, dict[int, float]]()
    for count in (few, many):
        source = str(pictures(folder / f"in{count}", count))
        for name, words in {
            "embed": ["tfpipeline.embed", source, "--run", model],
            "predict shards": ["tfpipeline.predict", source, "--model", model],
            "predict csv": ["tfpipeline.predict", source, "--model", model],
        }.items():
            ending = ".csv" if name.endswith("csv") else ""
            target = f"{folder}/{name.replace(' ', '_')}{count}{ending}"
            _, peak = run([*words, "--output", target])
            peaks.setdefault(name, {})[count] = peak
    grown = {name: mb[many] / mb[few] - 1 for name, mb in peaks.items()}
    return {"few": few, "many": many, "peak_mb": peaks, "grown": grown}


def kills(images: int, times: int, folder: Path) -> dict[str, Any]:
    """Kill a command at random moments, and compare what it has written in the end."""
    model, source = model_of(folder), str(pictures(folder / "in", images))
    size = max(1, images // (2 * times))
    words = ["tfpipeline.predict", source, "--model", model, "--engine", "tensorflow"]
    words += ["--shard_images", str(size)]
    begin = time.perf_counter()
    whole = Watched(folder / "whole", words)
    whole.wait_until_it_writes()
    start = time.perf_counter() - begin
    assert whole.process.wait() == 0
    a_shard = (time.perf_counter() - begin - start) / -(-images // size)
    expected, draw = merged(f"{folder}/whole"), random.Random(0)
    moments, torn, finished, number = dict[str, int](), 0, 0, 0
    while (killed := sum(moments.values())) < times:
        command = Watched(folder / str(finished), words)
        # Of ten kills, one is in the start, and three are where a shard gets its files.
        moment = {0: "start", 3: "files", 6: "files", 9: "files"}.get(number % 10, "")
        number += 1
        if moment == "start":
            command.wait(draw.uniform(0, start))
        elif command.wait_until_it_writes():
            if moment == "files":
                command.wait_until_a_file_is_there()
            else:
                command.wait(draw.uniform(0, 2 * a_shard))
        if command.kill():
            moments[moment or "any"] = moments.get(moment or "any", 0) + 1
            torn += bool(command.torn())
        else:
            assert command.process.returncode == 0
            assert merged(str(command.folder)) == expected, "rows differ"
            finished += 1
    run([*words, "--output", f"{folder}/{finished}"])
    assert merged(f"{folder}/{finished}") == expected, "rows differ"
    ids = [row["id"] for row in file_io.read_csv(folder / f"{finished}.csv")]
    return {
        "images": images,
        "seconds": time.perf_counter() - begin,
        "killed": killed,
        "moments": moments,
        "shards_half_written": torn,
        "finished": finished + 1,
        "lost": images - len(set(ids)),
        "twice": len(ids) - len(set(ids)),
    }


class Watched:
    """A command that writes shards into a folder, and is looked at meanwhile."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.folder, self._before = folder, self._files(folder)
        self._torn = self.torn()
        command = [sys.executable, "-m", *words, "--quiet", "--output", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    @staticmethod
    def _files(folder: Path) -> set[str]:
        names = os.listdir(folder) if folder.is_dir() else []
        return {name for name in names if "shard-" in name}

    def wait(self, seconds: float) -> None:
        """Wait so long, or until it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def wait_until_it_writes(self) -> bool:
        """Wait for the first change of a shard; tell whether it has not ended."""
        while self.process.poll() is None:
            if self._files(self.folder) != self._before:
                return True
            time.sleep(0.001)
        return False

    def wait_until_a_file_is_there(self) -> None:
        """Wait until a shard has one of its files and is not whole, or for the end."""
        while not self.torn() - self._torn and self.process.poll() is None:
            pass

    def torn(self) -> set[str]:
        """Return the files of shards that are not whole, some under other names."""
        names = self._files(self.folder)
        done = {n.partition(".")[0] for n in names if n.endswith(".done.json")}
        own = {n for n in names if not n.endswith(".lock")}
        return {n for n in own if n[0] == "." or n.partition(".")[0] not in done}

    def kill(self) -> bool:
        """End it by SIGKILL; tell whether it was still there."""
        self.process.kill()
        return self.process.wait() == -signal.SIGKILL


def merged(folder: str) -> bytes:
    """Return the rows of a folder of shards as `merge` writes them."""
    file = Path(f"{folder}.csv")
    file.unlink(missing_ok=True)
    run(["tfpipeline.merge", folder, "--output", str(file)])
    return file.read_bytes()


def workers(counts: tuple[int, int], rounds: int, folder: Path) -> dict[str, Any]:
    """Compare two processes of one core with one, and Beam's two with ours."""
    sources = {n: str(pictures(folder / f"in{n}", n)) for n in counts}
    words = ["--model.backbone", "MobileNetV2", "--model.weights", "none"]
    words += ["--model.image_size", "96", "--shard_images", "250"]
    words += ["--engine", "tensorflow"]
    cores = sorted(os.sched_getaffinity(0))[:2]
    ways = {"one": ["--workers", "1"], "two": ["--workers", "2"]}
    if importlib.util.find_spec("apache_beam"):
        ways["beam"] = ["--runner", "beam", f"--beam.options={TWO}"]
    whole = {name: list[float]() for name in ways}
    started = {name: list[float]() for name in ways}
    for turn in range(rounds):
        for name, more in ways.items():
            os.sched_setaffinity(0, cores[:1] if name == "one" else cores)
            seconds = [
                run(
                    ["tfpipeline.embed", sources[n], *words, *more]
                    + ["--output", f"{folder}/{name}{turn}.{n}"]
                )[0]
                for n in counts
            ]
            whole[name].append(seconds[1])
            started[name].append(seconds[1] - seconds[0])
    os.sched_setaffinity(0, cores)
    result: dict[str, Any] = {"images": counts, "seconds": whole, "of_these": started}
    for what, took in (("whole", whole), ("after_start", started)):
        pairs = {"two_to_one": ("one", "two"), "beam_to_two": ("two", "beam")}
        for key, (slow, fast) in pairs.items():
            if fast in took:
                ratios = [a / b for a, b in zip(took[slow], took[fast])]
                result |= spread(f"{key}_{what}", ratios)
    return result


# A traced call with constant weights, as `embed` has them where TensorFlow computes.
_BARE = """
import time
from tfpipeline.core import hardware, startup
hardware.keep_freed()
with startup.quiet_start():
    import keras, tensorflow as tf
    from tfpipeline.models.constant_weights import Frozen
    size = (224, 224, 3)
    model = keras.applications.MobileNetV2(
        include_top=False, pooling="avg", weights=None, input_shape=size
    )
call, batch = tf.function(Frozen(model), autograph=False), tf.zeros((32, *size))
call(batch)
begin = time.perf_counter()
for _ in range(32):
    call(batch).numpy()
print((time.perf_counter() - begin) / 32 / 32)
"""


def embedding(
    root: Path, counts: tuple[int, int], rounds: int, folder: Path
) -> dict[str, Any]:
    """Compare what `embed` takes for a photograph with the bare pass."""
    files = copies.jpeg_files(root)
    for count in counts:
        for number in range(count):
            target = folder / f"in{count}" / f"{number:06d}.jpg"
            target.parent.mkdir(exist_ok=True)
            data = files[number % len(files)].read_bytes()
            target.write_bytes(data + number.to_bytes(4, "big"))
    words = ["--model.backbone", "MobileNetV2", "--model.weights", "none"]
    bare, ours = list[float](), {name: list[float]() for name in (TENSORFLOW, LITERT)}

    def embed(count: int, name: str, turn: int) -> float:
        own = [f"{folder}/in{count}", *words, "--engine", name]
        return run(
            ["tfpipeline.embed", *own, "--output", f"{folder}/{name}{count}.{turn}"]
        )[0]

    embed(counts[0], LITERT, -1)  # Converts the network.
    for turn in range(rounds):
        text = subprocess.run(
            [sys.executable, "-c", _BARE], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        bare.append(float(text.split()[-1]))
        for name, took in ours.items():
            few, many = (embed(count, name, turn) for count in counts)
            took.append((many - few) / (counts[1] - counts[0]))
    result: dict[str, Any] = {"images": counts, "bare": bare, "embed": ours}
    ratios = {n: [a / b for a, b in zip(bare, took)] for n, took in ours.items()}
    return result | spreads("embed_to_bare", ratios)


def held(folder: Path, count: int, request: dict[str, Any], named: Any = None) -> Path:
    """Write shards of generated features, as `embed` would, of ten classes in turn."""
    rng = np.random.default_rng(0)
    width, dtype = int(request["width"]), request["dtype"]
    noise = rng.normal(size=(SHARD, width)).astype(dtype)
    centres = rng.normal(size=(10, width)).astype(dtype) / 4
    folder.mkdir(parents=True)
    with open(folder / "all.csv", "w", encoding="utf-8") as file:
        file.write("path\n")
        for n in range(count):
            file.write(f"/shared/data/train/class{10 * n // count}/{n:08d}.jpg\n")
    words = [str(folder / "all.csv")]
    plan = plans.settle(folder / "features", words, SHARD, request, named=named)

    def compute(shard: list[Picture]) -> work.Content:
        rows = [
            (p.id, hashlib.sha256(p.id.encode()).hexdigest(), n, "")
            for n, p in enumerate(shard)
        ]
        label = [int(p.id.rpartition("/")[0][-1]) for p in shard]
        start = int(rng.integers(width))
        vectors = np.roll(noise[: len(shard)], start, axis=1) + centres[label]
        return work.Content(("id", "sha256", "row", "error"), rows, 0, vectors)

    work.compute_all(plan, compute)
    work.end(plan)
    return plan.folder


def training(few: int, many: int, folder: Path) -> dict[str, Any]:
    """Measure how the memory of a training grows with rows of features."""
    words = ["tfpipeline.embed", str(pictures(folder / "in", 3)), "--dtype", "float16"]
    words += ["--model.backbone", "MobileNetV2", "--model.weights", "demo"]
    run([*words, "--output", f"{folder}/real"])
    real = plans.read(folder / "real")
    request = dict(real.request)
    for name in ("images", "shard_images", "working_folder"):
        request.pop(name, None)
    result: dict[str, Any] = {"width": request["width"], "rows": {}}
    for count in (few, many):
        begin = time.perf_counter()
        features = held(folder / str(count), count, request, real.named)
        written = time.perf_counter() - begin
        words = ["tfpipeline.train", "--data.features", str(features)]
        words += ["--data.batch_size", "256", "--train.epochs", "2"]
        words += ["--workdir", f"{folder}/run{count}", "--cache_dir", f"{folder}/cache"]
        seconds, peak = run(words)
        phases = json.loads(Path(f"{folder}/run{count}/metrics.json").read_text())
        result["rows"][count] = {
            "peak_mb": peak,
            "seconds": seconds,
            "features_mb": count * request["width"] * 2 / 1e6,
            "seconds_to_generate": written,
            "phases": phases["seconds"],
            "test_accuracy": phases["test"]["accuracy"],
        }
    mb = [result["rows"][count]["peak_mb"] for count in (few, many)]
    result["bytes_a_row"] = (mb[1] - mb[0]) / (many - few) * 2**20
    return result


def train_workers(images: int, workers: int) -> dict[str, Any]:
    """Divide an epoch among workers, and count what each of them reads."""
    shard = (np.arange(images) // SHARD).astype(np.int32)
    blocks = sampling.Blocks(shard, 104, workers)
    begin = time.perf_counter()
    order = blocks.sort(sampling.epoch_order(images, 0, 0), 0, 0)
    sorted_at = time.perf_counter()
    owned, steps, shards = 0, set[int](), list[int]()
    for worker in range(workers):
        indices, weights = blocks.padded(order, worker, 32)
        own = indices[weights > 0]
        read = np.unique(shard[own])
        assert (read % workers == worker).all()
        owned += len(own)
        steps.add(len(indices))
        shards.append(len(read))
    ended = time.perf_counter()
    assert owned == images and len(steps) == 1 and sum(shards) == shard[-1] + 1
    full = -(-images // (workers * 32))
    return {
        "images": images,
        "workers": workers,
        "steps": steps.pop(),
        "steps_if_even": full,
        "shards_a_worker": [min(shards), max(shards)],
        "order_microseconds_a_row": (sorted_at - begin) / images * 1e6,
        "part_microseconds_a_row": (ended - sorted_at) / images / workers * 1e6,
        "arrays_peak_bytes_a_row": peak_mb() * 2**20 / images,
    }


def row_bytes(folder: Path, count: int = 100_000) -> dict[str, float]:
    """Measure what a row of features takes in each worker before it trains."""
    request = {"command": "embed", "network": "", "width": 1, "dtype": "float16"}
    features = held(folder, count, request | {"size": [8, 8]})

    def prepare() -> Examples:
        plan = reading.open_plan(features)
        data = DataSettings(features=str(features))
        labels = Labels.of(plan, reading.rows(plan), data)
        source, rows = labels.open(folder, lambda cache: cache)
        given = labels.data, 0, folder, lambda cache: cache
        examples = dataset.prepare(*given, source, rows)
        examples.review(review.Opened(), 0.2)
        file, keys = folder / "splits.csv", examples.keys
        splits.write(file, examples.source, examples.split, keys)
        return examples

    tracemalloc.start()
    examples = prepare()
    now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(examples.source) == count
    begin = time.process_time()
    prepare()
    seconds = time.process_time() - begin
    return {
        "row_bytes": now / count,
        "row_peak_bytes": most / count,
        "row_microseconds": seconds / count * 1e6,
    }


def findings(images: int, folder: Path) -> dict[str, Any]:
    """Measure what follows once the rows of all shards are there."""
    draw = np.random.default_rng(0)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "one.png")
    (folder / "list.txt").write_text(f"{folder}/one.png\n" * images)
    words = ["--source", f"{folder}/list.txt", "--output", f"{folder}/audit"]
    settings = AuditSettings(words[1], words[3], SHARD)
    job = rows.open_job(settings)
    plan = plans.settle(
        *(folder / "audit" / rows.FOLDER, job.words or [], SHARD, job.about),
        listed=job.listed,
    )

    def compute(shard: list[Picture]) -> work.Content:
        coarse = draw.integers(0, 256, (len(shard), 6, 6), np.uint8)
        grey = coarse.repeat(4, axis=1).repeat(4, axis=2).reshape(len(shard), -1)
        colour = np.full((len(shard), 72), 128, np.uint8)
        small = np.concatenate([grey, colour], axis=1)
        cells = []
        for picture, thumbnail in zip(shard, small):
            digest = draw.bytes(32).hex()
            text = base64.b64encode(thumbnail.tobytes()).decode()
            row = Row(picture.path, 9999, 0, 0, digest, "jpeg", 375, 500, "RGB")
            scores = {"shadows": 20, "highlights": 230, "contrast": 60, "colour": 40}
            row = replace(row, sharpness=120, thumbnail=text, **scores)
            cells.append(rows.cells(picture, row))
        return work.Content(rows.HEADER, cells, 0)

    begin = time.perf_counter()
    work.compute_all(plan, compute)
    size = sum(plan.file(n, "csv").stat().st_size for n in range(plan.shards))
    print(f"rows of {images} pictures in {time.perf_counter() - begin:.0f} s")
    more = ["--shard_images", str(SHARD)]
    seconds, peak = run(["tfpipeline.audit", *words, *more])
    return {
        "images": images,
        "seconds": seconds,
        "peak_mb": peak,
        "bytes_a_row": size / images,
    }


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    ways = ("bookkeeping", "memory", "kills", "workers", "findings")
    ways += ("embed", "training", "train_workers")
    parser.add_argument("what", choices=ways)
    parser.add_argument("--images", type=int)
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--few", type=int)
    parser.add_argument("--many", type=int)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.what == "bookkeeping":
            (folder / "shards").mkdir()
            images = given.images or 100_000_000
            result = bookkeeping(images, given.parts, folder / "shards")
            result |= planning(folder)
        elif given.what == "memory":
            result = memory(given.few or 1000, given.many or 100_000, folder)
        elif given.what == "embed":
            counts = given.few or 512, given.many or 2048
            result = embedding(given.photographs, counts, given.rounds, folder)
        elif given.what == "training":
            counts = given.few or 100_000, given.many or 1_000_000
            result = training(*counts, folder)
        elif given.what == "train_workers":
            result = train_workers(given.images or 2_000_000, given.parts)
            result |= row_bytes(folder / "rows")
        elif given.what == "kills":
            result = kills(given.images or 10_000, given.times, folder)
        elif given.what == "findings":
            result = findings(given.images or 100_000, folder)
        else:
            counts = given.few or 2000, given.many or 10_000
            result = workers(counts, given.rounds, folder)
    tell(result, given.output)


if __name__ == "__main__":
    main()
