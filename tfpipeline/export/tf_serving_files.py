"""What the official server is told: versions and their labels, batching, a command."""

import importlib.metadata
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfpipeline.core import file_io, result_dir
from tfpipeline.export import versions

BATCHING, COMPOSE = "batching.config", "compose.yaml"

REST_PORT, GRPC_PORT = 8501, 8500

# Versions that are yet to come and are named to the server already.
_AHEAD = 8

# How each of the server's files begins.
_BEGINNINGS = {
    BATCHING: "# Of a request; the server refuses larger ones whole.\n",
    COMPOSE: "services:\n  classifier:\n    image: tensorflow/serving:",
    versions.MODELS_CONFIG: "model_config_list {\n  config {\n    name: ",
}
WRITTEN = tuple(_BEGINNINGS)


def write(
    base: Path,
    name: str,
    labels: Mapping[str, int],
    sizes: Sequence[int],
    most: int = 0,
) -> None:
    """Write the server's files beside the versions; `most` is images a request."""
    file_io.write_text(base / BATCHING, batching(sizes, most))
    file_io.write_text(base / COMPOSE, _compose(name))
    # Last: the server reads this one again and again.
    _write_models(base, name, labels)


def check(base: Path) -> None:
    """Refuse a folder in which other files have the names of the server's."""
    for name in WRITTEN:
        result_dir.check_file("--output", base / name, _is_own)


def _is_own(file: Path) -> bool:
    return file.read_bytes().startswith(_BEGINNINGS[file.name].encode())


def relabel(base: Path, labels: Mapping[str, int]) -> None:
    """Tell the server of moved labels, and of nothing else."""
    _write_models(base, versions.read_name(base) or "classifier", labels)


def _write_models(base: Path, name: str, labels: Mapping[str, int]) -> None:
    loaded = "\n".join(f"        versions: {n}" for n in _named(base, labels))
    lines = "\n".join(
        f'    version_labels {{ key: "{label}" value: {number} }}'
        for label, number in sorted(labels.items())
    )
    text = (
        "model_config_list {\n  config {\n"
        f'    name: "{name}"\n    base_path: "/models/{name}"\n'
        '    model_platform: "tensorflow"\n'
        f"    model_version_policy {{\n      specific {{\n{loaded}\n      }}\n    }}\n"
        f"{lines}\n  }}\n}}\n"
    )
    file_io.write_text(base / versions.MODELS_CONFIG, text)


def _named(base: Path, labels: Mapping[str, int]) -> list[int]:
    """Return the versions that the server is told to hold, in rising order.

    The official server moves a label only to a version that it holds already, and
    takes a file that moves one elsewhere not at all, versions included. So a version is
    named before it gets a label: those that have one, those that have just lost theirs
    (to go back to), and the next ones, which the server loads when they come.
    """
    before, there = versions.read_labels(base), versions.versions(base)
    held = set(before.values()) if before != labels else set(versions.read_named(base))
    kept = held.intersection(there) | set(labels.values())
    newest = max([0, *there, *labels.values()])
    return sorted(kept | set(range(newest + 1, newest + 1 + _AHEAD)))


def batching(sizes: Sequence[int], most: int = 0) -> str:
    """Return how single requests are answered together.

    A batch is filled up to one of the sizes, so that the network sees few shapes, and
    all of them were warmed up; a request of more than the largest is divided.
    """
    allowed = "".join(f"allowed_batch_sizes: {size}\n" for size in sizes)
    return (
        f"{_BEGINNINGS[BATCHING]}"
        f"max_batch_size {{ value: {max(most, sizes[-1])} }}\n"
        f"max_execution_batch_size {{ value: {sizes[-1]} }}\n"
        "# How long the first image of a batch waits for others.\n"
        "batch_timeout_micros { value: 2000 }\n"
        "max_enqueued_batches { value: 100 }\n"
        "enable_large_batch_splitting { value: true }\n"
        f"num_batch_threads {{ value: 2 }}\n{allowed}"
    )


def _image() -> str:
    """Return the official server's image of the TensorFlow that wrote the model."""
    major, minor = importlib.metadata.version("tensorflow").split(".")[:2]
    return f"tensorflow/serving:{major}.{minor}.0"


def _compose(name: str) -> str:
    """Return a compose file for the official server."""
    arguments = "".join(f"      - {word}\n" for word in _arguments(name))
    return (
        "services:\n  classifier:\n"
        f"    image: {_image()}\n"
        f'    ports: ["{REST_PORT}:{REST_PORT}", "{GRPC_PORT}:{GRPC_PORT}"]\n'
        f'    volumes: [".:/models/{name}:ro"]\n'
        f"    command:\n{arguments}"
        "    restart: unless-stopped\n"
    )


def command(base: Path, name: str) -> str:
    """Return the command that serves a folder of versions by the official server."""
    return (
        f"docker run --rm -p {REST_PORT}:{REST_PORT} -p {GRPC_PORT}:{GRPC_PORT} "
        f"-v {shlex.quote(f'{base.absolute()}:/models/{name}:ro')} {_image()} "
        + " ".join(_arguments(name))
    )


def local_command(base: Path, name: str) -> str:
    """Return the command that serves a folder of versions without Docker."""
    where = shlex.quote(str(base))
    return f"python -m tfpipeline.serve --base {where} --name {name}"


def _arguments(name: str) -> list[str]:
    where = f"/models/{name}"
    return [
        f"--model_config_file={where}/{versions.MODELS_CONFIG}",
        "--model_config_file_poll_wait_seconds=10",
        # At its start the server knows labels before it has loaded anything.
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        f"--batching_parameters_file={where}/{BATCHING}",
    ]
