"""What is in configs/cluster for servers and images is read by those whom it is for."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.conftest import Exported
from tests.test_cluster_files import FOLDER, Stage, documents
from tfpipeline import cli
from tfpipeline.config import PredictSettings
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.shards import work

ROOT = FOLDER.parent.parent
NAMES = (
    *("predict_job.yaml", "embed_spot.yaml", "Dockerfile", "kserve.yaml"),
    *("monitoring.config", "request_logging.config", "config.pbtxt"),
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Programs that stand for those of a cluster."""
    return Stage(tmp_path)


@pytest.mark.parametrize("name", [*NAMES, "predict_slurm.sh"])
def test_a_file_says_how_it_is_used_and_what_to_change(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert re.search(rf"# Command:[^#]*(#\s+[^#]*)*{re.escape(name)}|# Command:", text)
    assert "# Needs: " in text and "Change:" in text


def predicted(words: list[str]) -> PredictSettings:
    assert words[:2] == ["-m", "tfpipeline.predict"]
    return cli.parse(PredictSettings, words[2:], prog="predict", description="")


def test_pods_that_predict_take_shares_that_make_up_the_whole() -> None:
    spec = documents(FOLDER / "predict_job.yaml")["Job"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    found = predicted(container["command"][1:])
    assert found.model == "/shared/runs/first" and found.output == "/shared/predictions"
    count = spec["completions"]
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] <= count
    shares = {
        work.share(found.part, found.parts, {"JOB_COMPLETION_INDEX": str(n)})
        for n in range(count)
    }
    assert shares == {(n, count) for n in range(count)}


def test_tasks_that_predict_take_shares_that_make_up_the_whole(stage: Stage) -> None:
    file = FOLDER / "predict_slurm.sh"
    (last,) = re.findall(r"#SBATCH --array=0-(\d+)", file.read_text())
    assert stage.run(["bash", str(file)], SHARED="/shared") == 0
    found = predicted(stage.told("python"))
    assert found.images == ["/shared/data"]
    array = {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": str(int(last) + 1)}
    task = {"SLURM_ARRAY_TASK_ID": last, **array}
    assert work.share(found.part, found.parts, task) == (int(last), int(last) + 1)


def test_spot_machines_take_shares_by_their_rank(stage: Stage) -> None:
    task = yaml.safe_load((FOLDER / "embed_spot.yaml").read_text())
    assert set(task) == {"name", "workdir", "resources", "file_mounts", "setup", "run"}
    assert task["resources"]["use_spot"] is True
    assert task["resources"]["job_recovery"]["strategy"] == "EAGER_NEXT_REGION"
    (mount,) = task["file_mounts"]
    stage.add("pip", '#!/bin/sh\nprintf "%s\\0" "$@" >> "$SEEN/pip"\n')
    assert stage.run(["bash", "-eu", "-c", task["setup"]]) == 0
    assert stage.told("pip") == ["install", "."]
    known = {"SKYPILOT_JOB_RANK": "3", "SKYPILOT_NUM_JOBS": "16"}
    assert stage.run(["bash", "-eu", "-c", task["run"]], **known) == 0
    words = stage.told("python")
    assert words[:2] == ["-m", "tfpipeline.embed"]
    found = cli.parse(EmbedSettings, words[2:], prog="embed", description="")
    assert work.share(found.part, found.parts, {}) == (3, 16)
    assert (found.output or "").startswith(mount)


def test_the_image_is_made_of_files_that_there_are_and_extras_that_exist() -> None:
    text = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    steps = [line.partition(" ")[::2] for line in lines]
    known = {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "CMD"}
    assert {word for word, _ in steps} == known and steps[0][0] == "FROM"
    for _, rest in (step for step in steps if step[0] == "COPY"):
        *sources, _ = shlex.split(rest)
        assert all((ROOT / source).exists() for source in sources)
    setup = (ROOT / "setup.cfg").read_text()
    named = [*re.findall(r"EXTRAS=(\w+(?:,\w+)*)", text)]
    for extra in {each for words in named for each in words.split(",")}:
        assert re.search(rf"^{extra} =$", setup, re.MULTILINE), extra
    (image,) = re.findall(r"-t (\S+)", text)
    for name in ("predict_job.yaml", "embed_job.yaml", "kubernetes.yaml"):
        assert f"image: {image}:latest" in (FOLDER / name).read_text()


def test_kserve_reads_its_file_with_its_own_classes() -> None:
    kserve = pytest.importorskip("kserve", reason="kserve is not installed: [server]")
    content = documents(FOLDER / "kserve.yaml")["InferenceService"]
    assert content["apiVersion"] == "serving.kserve.io/v1beta1"

    def fits(value: object, kind: type) -> object:
        """Refuse a field that a class of KServe does not know."""
        names = {there: here for here, there in kind.attribute_map.items()}
        assert isinstance(value, dict) and set(value) <= set(names), (value, kind)
        return {key: kind.openapi_types[names[key]] for key in value}

    spec = content["spec"]
    assert fits(spec, kserve.V1beta1InferenceServiceSpec) == {
        "predictor": "V1beta1PredictorSpec"
    }
    kinds = fits(spec["predictor"], kserve.V1beta1PredictorSpec)
    assert kinds == {"minReplicas": "int", "model": "V1beta1ModelSpec"}
    fits(spec["predictor"]["model"], kserve.V1beta1ModelSpec)
    fits(spec["predictor"]["model"]["modelFormat"], kserve.V1beta1ModelFormat)


def test_tf_serving_knows_the_configuration_of_its_logs() -> None:
    proto = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2",
        reason="tensorflow-serving-api is not installed: [serving]",
    )
    from google.protobuf import text_format

    text = (FOLDER / "request_logging.config").read_text()
    config = text_format.Parse(text, proto.ModelConfig())
    assert 0 < config.logging_config.sampling_config.sampling_rate < 1
    assert config.logging_config.log_collector_config.filename_prefix


def message(name: str, **fields: tuple[str, bool]) -> "object":
    """Return a class of messages: by field its type, and whether it is repeated."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", syntax="proto3")
    for kind, parts in fields.items():
        one = file.message_type.add(name=kind)
        for number, (field, (what, many)) in enumerate(parts.items(), 1):
            label = 3 if many else 1
            plain = {"string": 9, "int64": 3, "bool": 8, "int32": 5, "enum": 9}
            added = one.field.add(name=field, number=number, label=label)
            if what in plain:
                added.type = plain[what]
            else:
                added.type, added.type_name = 11, f".{what}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def test_monitoring_has_the_fields_of_tf_serving() -> None:
    from google.protobuf import text_format

    # Source: tensorflow_serving/config/monitoring_config.proto, which the package of
    # the API leaves out.
    kind = message(
        "MonitoringConfig",
        PrometheusConfig={"enable": ("bool", False), "path": ("string", False)},
        MonitoringConfig={"prometheus_config": ("PrometheusConfig", False)},
    )
    text = (FOLDER / "monitoring.config").read_text()
    config = text_format.Parse(text, kind())
    assert config.prometheus_config.enable
    assert config.prometheus_config.path == "/monitoring/prometheus/metrics"


def triton_config() -> object:
    from google.protobuf import text_format

    # Source: model_config.proto of Triton, the fields that are used here; words of an
    # enum are read as texts.
    tensor = {"name": ("string", False), "data_type": ("string", False)}
    kind = message(
        "ModelConfig",
        Tensor={**tensor, "dims": ("int64", True), "label_filename": ("string", False)},
        Batching={
            "preferred_batch_size": ("int32", True),
            "max_queue_delay_microseconds": ("int64", False),
        },
        Group={"count": ("int32", False), "kind": ("string", False)},
        ModelConfig={
            **{"name": ("string", False), "backend": ("string", False)},
            **{"max_batch_size": ("int32", False), "input": ("Tensor", True)},
            **{"output": ("Tensor", True), "dynamic_batching": ("Batching", False)},
            "instance_group": ("Group", True),
        },
    )
    text = (FOLDER / "config.pbtxt").read_text()
    return text_format.Parse(re.sub(r": ((TYPE|KIND)_\w+)", r': "\1"', text), kind())


@pytest.mark.slow
def test_triton_is_told_the_tensors_that_an_onnx_file_has() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: extra [onnx]")
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed: extra [onnx]")
    import keras

    from tfpipeline.export import converters

    config = triton_config()
    (sent,), (answered,) = config.input, config.output
    image = keras.Input(tuple(sent.dims))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(*answered.dims)(pooled))
    empty = np.zeros((0, *sent.dims), np.float32)
    data = converters.TARGETS["onnx"].convert(
        model, converters.Answering(), empty, "float32"
    )
    graph = onnx.load_from_string(data).graph
    for told, there in ((sent, graph.input), (answered, graph.output)):
        (tensor,) = there
        shape = [part.dim_value for part in tensor.type.tensor_type.shape.dim]
        # The first one is the batch, whose size is open and is not told.
        assert (told.name, shape) == (tensor.name, [0, *told.dims])
        assert tensor.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert told.data_type == "TYPE_FP32"
    assert config.backend == "onnxruntime" and config.max_batch_size >= 1
    assert max(config.dynamic_batching.preferred_batch_size) <= config.max_batch_size


def test_kserve_and_triton_name_the_model_as_an_export_does(exported: Exported) -> None:
    config = triton_config()
    name = documents(FOLDER / "kserve.yaml")["InferenceService"]["metadata"]["name"]
    text = (exported.base / "models.config").read_text()
    assert f'name: "{name}"' in text and config.name == name
