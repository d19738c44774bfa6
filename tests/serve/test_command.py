"""A real server in a process of its own, asked over REST and gRPC."""

import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tensorflow as tf

from tests.conftest import Exported
from tests.serve import running
from tests.serve.running import Served
from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.config.serving import ServerSettings, ServeSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.export import protocol, tf_serving_files
from tfpipeline.predict import client
from tfpipeline.predict.command import predict
from tfpipeline.serve.command import serve

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(exported: Exported, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    base = folder / "base"
    shutil.copytree(exported.base, base)
    with running.serving(base, folder / "log", "--grpc_port", "0") as server:
        yield server


def predicted(model: str, images: list[Path], output: Path) -> list[dict[str, str]]:
    words = ["--model", model, "--images", *map(str, images), "--output", str(output)]
    assert cli.main(predict, PredictSettings, words) == 0
    return file_io.read_csv(output)


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
                assert one["accepted"] == two["accepted"] == ""
                assert one["accepted_reason"] == two["accepted_reason"]
                assert (one["accepted_reason"] == "") == (one["error"] != "")
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


def test_wrong_grpc_requests_are_told_by_their_code(served: Served) -> None:
    import grpc
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
        regression_pb2,
    )

    where = served.grpc.removeprefix("grpc://").split("/")[0]
    with grpc.insecure_channel(where) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        status = model_service_pb2_grpc.ModelServiceStub(channel)

        def code(call, request, name: str = "classifier", version: int | None = None):
            request.model_spec.name = name
            if version is not None:
                request.model_spec.version.value = version
            with pytest.raises(grpc.RpcError) as caught:
                call(request, timeout=30)
            return caught.value.code()

        missing, wrong = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT
        asks = get_model_status_pb2.GetModelStatusRequest
        tells = get_model_metadata_pb2.GetModelMetadataRequest
        for call, kind in (
            (status.GetModelStatus, asks),
            (stub.GetModelMetadata, tells),
            (stub.Regress, regression_pb2.RegressionRequest),
        ):
            assert code(call, kind(), "nobody") == missing
            assert code(call, kind(), version=9) == missing
        assert code(stub.GetModelMetadata, tells()) == wrong
        assert code(stub.Regress, regression_pb2.RegressionRequest()) == wrong
        torn = predict_pb2.PredictRequest()
        torn.inputs["image_bytes"].dtype = 1
        torn.inputs["image_bytes"].tensor_content = b"abc"
        torn.inputs["image_bytes"].tensor_shape.dim.add().size = 2
        assert code(stub.Predict, torn) == wrong
        other = predict_pb2.PredictRequest()
        other.inputs["pictures"].CopyFrom(tf.make_tensor_proto([b"x"]))
        assert code(stub.Predict, other) == wrong
        number = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
        features = tf.train.Features(feature={"image/encoded": number})
        bad = classification_pb2.ClassificationRequest()
        bad.input.example_list.examples.add().features.CopyFrom(features)
        assert code(stub.Classify, bad) == wrong

        found = asks()
        found.model_spec.name = "classifier"
        states = status.GetModelStatus(found, timeout=30).model_version_status
        assert [one.version for one in states] == [1, 2]
        request = tells(metadata_field=["signature_def"])
        request.model_spec.name = "classifier"
        reply = stub.GetModelMetadata(request, timeout=30)
        told = get_model_metadata_pb2.SignatureDefMap()
        assert reply.metadata["signature_def"].Unpack(told)
        assert set(told.signature_def) == {
            *("serving_default", "pixels", "features", "classify", "probabilities")
        }


def post(address: str, body: bytes) -> tuple[int, dict]:
    """Send a body as `curl -d` does, without a word on what it is."""
    try:
        with urllib.request.urlopen(address, body, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_rest_answers_what_is_sent_as_curl_does_and_says_what_is_wrong(
    served: Served, exported: Exported
) -> None:
    def ask(body: object) -> tuple[int, dict]:
        return post(f"{served.rest}:predict", json.dumps(body).encode())

    good = {"instances": protocol.instances(exported.contents[:1])}
    code, told = ask(good)
    assert code == 200 and told["predictions"][0]["valid"]
    code, told = ask({**good, "signature_name": "probabilities"})
    assert code == 200 and len(told["predictions"][0]["probabilities"]) == 6
    wrong = {
        "a list `instances`": [{"instances": []}, {"instances": "x"}, [1], {}],
        "expected a signature of": [
            {**good, "signature_name": name} for name in ("other", "serving")
        ],
        "must be a string": [
            {**good, "signature_name": name}
            for name in ([], {}, ["pixels"], {"a": 1}, 0)
        ],
    }
    for words, bodies in wrong.items():
        for body in bodies:
            code, told = ask(body)
            assert code == 400 and words in told["error"], (body, told)
    code, told = post(f"{served.rest}:predict", b"nonsense")
    assert code == 400 and "expected JSON" in told["error"]
    with urllib.request.urlopen(f"{served.rest}/labels/stable", timeout=30) as reply:
        told = json.load(reply)
    assert [one["version"] for one in told["model_version_status"]] == ["1"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{served.rest}/versions/9", timeout=30)


def test_no_shape_of_input_ends_the_server(served: Served) -> None:
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    def ask(body: object) -> int:
        return post(f"{served.rest}:predict", json.dumps(body).encode())[0]

    pixels = {"signature_name": "pixels"}
    for rows in ([[1, 2]], [1.0], [[[[1.0]]]], [[[1.0, 2.0, 3.0]]], ["x"], [[], [1]]):
        assert ask({**pixels, "instances": rows}) == 400
    for rows in ([["a", "b"]], [1], [None], [{"b64": "???"}], [{}]):
        assert ask({"instances": rows}) == 400
    where = served.grpc.removeprefix("grpc://").split("/")[0]
    with grpc.insecure_channel(where) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for name, key, value in (
            ("pixels", "images", tf.zeros((2, 3))),
            ("pixels", "images", tf.zeros((0, 32, 32, 3))),
            ("pixels", "images", tf.zeros((1, 5, 5, 3))),
            ("serving_default", "image_bytes", tf.constant(b"x")),
            ("serving_default", "image_bytes", tf.constant([[b"x"]])),
            ("serving_default", "image_bytes", tf.constant([], tf.string)),
            ("features", "image_bytes", tf.constant([1.0])),
            ("classify", "inputs", tf.constant([[b"x"]])),
        ):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "classifier"
            request.model_spec.signature_name = name
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            with pytest.raises(grpc.RpcError) as caught:
                stub.Predict(request, timeout=60)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "Graph execution" not in caught.value.details()
    assert served.process.poll() is None


def test_a_request_of_too_many_bytes_is_refused_by_either_protocol(
    served: Served,
) -> None:
    # What a client says of its length is enough; nothing is sent.
    host, port = served.rest.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=30) as link:
        path = "/v1/models/classifier:predict"
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n"
        link.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n")
        assert link.recv(4096).startswith(b"HTTP/1.1 413")
    settings = ServerSettings(retries=0)
    send = client.open_server(served.grpc, settings)
    with pytest.raises(UserError, match="(?i)larger than max"):
        send([bytes(client.MAX_MESSAGE_BYTES)])


def test_what_was_answered_is_written_though_the_server_goes(
    exported: Exported, tmp_path: Path, capsys
) -> None:
    """A real server that lets two requests through, and is gone then."""
    from concurrent import futures

    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    count = []

    class Leaving(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            count.append(1)
            if len(count) > 2:
                context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            reply = predict_pb2.PredictResponse()
            told = {"labels": [["a"]], "probabilities": [[1.0]]}
            told |= {"valid": [True], "error": [b""]}
            for key, value in told.items():
                reply.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return reply

    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Leaving(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    output = tmp_path / "found.csv"
    words = ["--model", f"grpc://127.0.0.1:{port}/a", "--output", str(output)]
    words += ["--server.batch_size", "1", "--server.parallel", "1"]
    words += ["--server.retries", "0", "--images", *map(str, exported.pictures)]
    try:
        assert cli.main(predict, PredictSettings, words) == 2
    finally:
        server.stop(0).wait()
    said = capsys.readouterr()
    assert "2 of 6 images predicted" in said.out and "cannot be reached" in said.err
    rows = file_io.read_csv(output)
    assert [row["label"] for row in rows] == ["a"] * 2 + [""] * 4
    assert rows[2]["error"].startswith("not answered: ")
    assert all(row["error"].startswith("not asked: ") for row in rows[3:])


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
            tf_serving_files.relabel(served.base, {"stable": 2 - swaps % 2})
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
    tf_serving_files.relabel(served.base, {"stable": 1, "canary": 2})


def test_without_being_asked_for_there_is_no_page(served: Served, capsys) -> None:
    assert served.ui == ""
    server = served.rest.split("/v1")[0]
    for path in ("/ui", "/ui/grad_cam"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server}{path}", timeout=30)
        with refused.value as error:
            assert error.code == 404
    words = ["--base", str(served.base), "--run", "runs/a"]
    assert cli.main(serve, ServeSettings, words) == 2
    assert "--run runs/a: " in capsys.readouterr().err


def test_a_port_that_is_taken_and_a_folder_without_versions_are_told(
    served: Served, tmp_path: Path, capsys
) -> None:
    port = served.rest.split(":")[2].split("/")[0]
    words = ["--base", str(served.base), "--rest_port", port, "--grpc_port", "null"]
    assert cli.main(serve, ServeSettings, words) == 2
    assert f"--rest_port {port}: " in capsys.readouterr().err
    port = served.grpc.split(":")[2].split("/")[0]
    words = ["--base", str(served.base), "--rest_port", "0", "--grpc_port", port]
    assert cli.main(serve, ServeSettings, words) == 2
    said = capsys.readouterr().err
    assert f"--grpc_port {port}: " in said and "GRPC_VERBOSITY" not in said
    assert cli.main(serve, ServeSettings, ["--base", str(served.base / "1")]) == 2
    assert "this is a version itself" in " ".join(capsys.readouterr().err.split())
    assert cli.main(serve, ServeSettings, ["--base", str(tmp_path)]) == 2
    assert "found none" in " ".join(capsys.readouterr().err.split())
    assert os.listdir(tmp_path) == []
