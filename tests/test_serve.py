"""A real server in a process of its own, asked over REST and gRPC."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import tensorflow as tf

from tests.conftest import Exported
from tfpipeline import atomic, cli
from tfpipeline.config import PredictSettings
from tfpipeline.config_serving import ServerSettings, ServeSettings
from tfpipeline.predict import predict
from tfpipeline.serve import serve
from tfpipeline.serving import client, server_files

pytestmark = pytest.mark.slow


class Served(NamedTuple):
    """A running server, its two addresses, and the folder that it watches."""

    process: subprocess.Popen
    rest: str
    grpc: str
    base: Path


@pytest.fixture(scope="module")
def served(exported: Exported, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    base = folder / "base"
    shutil.copytree(exported.base, base)
    argv = [sys.executable, "-m", "tfpipeline.serve", "--base", str(base)]
    argv += ["--rest_port", "0", "--grpc_port", "0", "--poll_seconds", "0.2"]
    log = folder / "log"
    with open(log, "w") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 120
        while "grpc://" not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        words = log.read_text().split()
        rest, grpc = (
            next(word for word in words if word.startswith(kind))
            for kind in ("http://", "grpc://")
        )
        yield Served(process, rest, grpc, base)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            process.kill()
    assert "Stopped" in log.read_text() and "Traceback" not in log.read_text()
    assert process.returncode == 0


def predicted(model: str, images: list[Path], output: Path) -> list[dict[str, str]]:
    words = ["--model", model, "--images", *map(str, images), "--output", str(output)]
    assert cli.main(predict, PredictSettings, words) == 0
    return atomic.read_csv(output)


def test_every_way_to_ask_gives_the_same_rows(
    served: Served, exported: Exported, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no image")
    webp = tmp_path / "p.webp"
    from PIL import Image

    Image.open(exported.pictures[0]).save(webp, lossless=True)
    pictures = [*exported.pictures, broken, webp]
    here = predicted(str(served.base / "1"), pictures, tmp_path / "a.csv")
    assert [row["error"] != "" for row in here[-2:]] == [True, False]
    for number, kind in enumerate((served.rest, served.grpc)):
        for where in ("versions/1", "labels/stable"):
            address = f"{kind}/{where}"
            there = predicted(address, pictures, tmp_path / f"{number}.csv")
            for one, two in zip(here, there):
                assert (one["id"], one["label"]) == (two["id"], two["label"])
                assert one["error"] == two["error"]
                assert one["accepted"] == two["accepted"]
                if not one["error"]:
                    chance = float(two["probability"])
                    assert chance == pytest.approx(float(one["probability"]), abs=1e-5)


def test_golden_requests_have_their_answers(served: Served) -> None:
    golden = json.loads((served.base / "1" / "golden_requests.json").read_text())
    request = urllib.request.Request(
        f"{served.rest}/versions/1:predict",
        json.dumps(golden["request"]).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.headers["x-model-version"] == "1"
        found = json.load(reply)["predictions"]
    for one, two in zip(found, golden["predictions"], strict=True):
        assert one["labels"] == two["labels"] and one["valid"] and two["valid"]
        assert one["probabilities"] == pytest.approx(two["probabilities"], abs=1e-5)


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_what_is_not_served_is_refused_in_words(
    served: Served, exported: Exported, kind: str, capsys
) -> None:
    for where in ("versions/9", "labels/nightly"):
        words = ["--model", f"{getattr(served, kind)}/{where}"]
        words += ["--images", str(exported.pictures[0])]
        assert cli.main(predict, PredictSettings, words) == 2
        assert "Received: " in capsys.readouterr().err


def test_the_real_stubs_classify_examples(served: Served, exported: Exported) -> None:
    import grpc
    from tensorflow_serving.apis import (
        classification_pb2,
        prediction_service_pb2_grpc,
    )

    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "classifier"
    request.model_spec.version_label = "stable"
    for content in exported.contents[:2]:
        value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
        features = tf.train.Features(feature={"image/encoded": value})
        request.input.example_list.examples.add().CopyFrom(
            tf.train.Example(features=features)
        )
    where = served.grpc.removeprefix("grpc://").split("/")[0]
    with grpc.insecure_channel(where) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        reply = stub.Classify(request, timeout=30)
    send = client.open_server(f"{served.grpc}/labels/stable", ServerSettings())
    for row, answer in zip(
        reply.result.classifications, send(exported.contents[:2]), strict=True
    ):
        assert [c.label for c in row.classes] == list(answer.labels)


def test_no_request_is_lost_or_half_answered_while_versions_change(
    served: Served, exported: Exported
) -> None:
    """The second version names two classes and the first five; both are asked for."""
    content = exported.contents[0]
    known = {}
    for number in (1, 2):
        send = client.open_server(f"{served.grpc}/versions/{number}", ServerSettings())
        (known[number],) = send([content])
    sends = [
        client.open_server(f"{kind}/labels/stable", ServerSettings())
        for kind in (served.rest, served.grpc)
    ]
    requests, found = 1200, []

    def one(number: int) -> None:
        (answer,) = sends[number % 2]([content])
        found.append(answer)

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(one, number) for number in range(requests)]
        swaps = 0
        while not all(job.done() for job in done):
            # Only one version has a name: the other is let go, and loaded anew.
            server_files.relabel(served.base, {"stable": 2 - swaps % 2})
            swaps += 1
            time.sleep(1.5)
        for job in done:
            job.result()
    counts = {number: 0 for number in known}
    for answer in found:
        number = {5: 1, 2: 2}[len(answer.labels)]
        expected = known[number]
        assert list(answer.labels) == list(expected.labels)
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
        counts[number] += 1
    assert len(found) == requests and min(counts.values()) > 0 and swaps >= 2
    server_files.relabel(served.base, {"stable": 1, "canary": 2})


def test_a_port_that_is_taken_and_a_folder_without_versions_are_told(
    served: Served, tmp_path: Path, capsys
) -> None:
    port = served.rest.split(":")[2].split("/")[0]
    words = ["--base", str(served.base), "--rest_port", port, "--grpc_port", "null"]
    assert cli.main(serve, ServeSettings, words) == 2
    assert "--rest_port" in capsys.readouterr().err
    assert cli.main(serve, ServeSettings, ["--base", str(tmp_path)]) == 2
    assert "found none" in " ".join(capsys.readouterr().err.split())
    assert os.listdir(tmp_path) == []
