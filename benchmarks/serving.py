"""What serving costs: bytes against pixels, a server against a call, and swaps.

python benchmarks/serving.py RUN IMAGES... [--rounds 9] [--requests 10000] [--output F]

- Throughput: the signature for encoded images in batches of 32, against the bare
  forward pass of the same network on 32 images in memory. In turn; medians.
- Latency: one image a request, by the call in this process, and by `serve` (KServe's
  REST server and gRPC) in a process of its own on this machine.
- Swaps: so many single requests, half of them REST and half gRPC, from 4 threads, while
  the label that they ask for moves between two versions again and again: the one that
  loses it is let go, and loaded anew later. Each answer has to be that of one of them.
"""

import argparse
import itertools
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from results import spread, tell

BATCH = 32


def throughput(
    base: Path, run: Path, contents: list[bytes], rounds: int
) -> dict[str, Any]:
    """Return images a second from bytes and from pixels in memory."""
    import tensorflow as tf

    from tfpipeline.export.signatures import Loaded
    from tfpipeline.models import saving

    model, _ = saving.load_classifier(run / "model.keras")
    loaded = Loaded(base / "1")
    batch = list(itertools.islice(itertools.cycle(contents), BATCH))
    pixels = tf.random.uniform((BATCH, *model.input_shape[1:]))
    bare = tf.function(lambda images: model(images, training=False))
    work: dict[str, Callable[[], Any]] = {
        "bytes": lambda: loaded(batch),
        "bare": lambda: bare(pixels).numpy(),
    }
    found: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 2):
        for name, call in work.items():
            since = time.perf_counter()
            call()
            if number > 1:
                found[name].append(BATCH / (time.perf_counter() - since))
    rates = {name: statistics.median(values) for name, values in found.items()}
    ratios = [ours / bare for ours, bare in zip(found["bytes"], found["bare"])]
    return rates | spread("bytes_of_bare", ratios)


@contextmanager
def server(base: Path) -> Iterator[tuple[str, str]]:
    """Give the REST and gRPC addresses of `serve` in a process of its own."""
    argv = [sys.executable, "-m", "tfpipeline.serve", "--base", str(base)]
    argv += ["--rest_port", "0", "--grpc_port", "0", "--poll_seconds", "0.5"]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(3)]
        yield lines[1], lines[2]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def latency(
    send: Callable[[list[bytes]], Any], contents: list[bytes], count: int
) -> dict[str, float]:
    """Return milliseconds of single requests, one after the other."""
    found = []
    for number in range(count + 10):
        content = contents[number % len(contents)]
        since = time.perf_counter()
        send([content])
        if number >= 10:
            found.append(1000 * (time.perf_counter() - since))
    return {
        "p50_milliseconds": float(np.percentile(found, 50)),
        "p99_milliseconds": float(np.percentile(found, 99)),
    }


def swaps(
    base: Path, addresses: tuple[str, str], content: bytes, requests: int
) -> dict[str, int]:
    """Return how many requests were lost, and how many had a mixed answer."""
    from tfpipeline.config.serving import ServerSettings
    from tfpipeline.export import tf_serving_files
    from tfpipeline.predict import client

    settings = ServerSettings()

    def asking(address: str) -> client.Send:
        return client.open_server(address, settings)

    def label(number: int) -> None:
        # Only one has a name then: the other is let go, and has to be loaded anew.
        tf_serving_files.write(base, "classifier", {"stable": number}, [1])

    known = [asking(f"{addresses[1]}/versions/{n}")([content])[0] for n in (1, 2)]
    sends = [asking(f"{address}/labels/stable") for address in addresses]
    ended, count = threading.Event(), [0]

    def move() -> None:
        while not ended.wait(4.0):
            count[0] += 1
            label(1 + count[0] % 2)

    mover = threading.Thread(target=move)
    mover.start()

    def one(number: int) -> int:
        try:
            (answer,) = sends[number % 2]([content])
        except Exception:
            return -1
        for version, expected in enumerate(known, 1):
            same = list(answer.labels) == list(expected.labels)
            if same and np.allclose(answer.probabilities, expected.probabilities, 1e-4):
                return version
        return 0

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(requests)))
    ended.set()
    mover.join()
    return {
        "requests": requests,
        "lost": found.count(-1),
        "neither_version": found.count(0),
        "version_1": found.count(1),
        "version_2": found.count(2),
        "swaps": count[0],
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--output", type=Path)
    words = parser.parse_args()

    from tfpipeline import cli
    from tfpipeline.config.serving import ExportSettings, ServerSettings
    from tfpipeline.data.sources import listing
    from tfpipeline.export import signatures
    from tfpipeline.export.command import export
    from tfpipeline.predict import client

    files = listing.named_files([str(path) for path in words.images])
    contents = [file.read_bytes() for file in files[:BATCH]]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        argv = ["--run", str(words.run), "--output", str(base), "--images"]
        argv += [str(file) for file in files[:BATCH]]
        for top_k in ("5", "1"):
            assert cli.main(export, ExportSettings, [*argv, "--top_k", top_k]) == 0
        result: dict[str, Any] = {
            "throughput": throughput(base, words.run, contents, words.rounds)
        }
        loaded = signatures.Loaded(base / "1")
        with server(base) as addresses:
            singles = min(200, words.requests)
            times = {"in_process": latency(loaded.answer, contents, singles)}
            for name, address in zip(("rest", "grpc"), addresses):
                send = client.open_server(f"{address}/versions/1", ServerSettings())
                times[name] = latency(send, contents, singles)
            result["latency"] = times
            result["swaps"] = swaps(base, addresses, contents[0], words.requests)
    tell(result, words.output)


if __name__ == "__main__":
    main()
