"""What the official server is told: versions and their labels, batching, a command."""

import importlib.metadata
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfpipeline.core import file_io, result_dir
from tfpipeline.export import versions

BATCHING, COMPOSE = "batching.config", "compose.yaml"
WRITTEN = (BATCHING, COMPOSE, versions.MODELS_CONFIG)

REST_PORT, GRPC_PORT = 8501, 8500

# Versions that are yet to come and are named to the server already.
_AHEAD = 8


def write(
    base: Path,
    name: str,
    labels: Mapping[str, int],
    sizes: Sequence[int],
    most: int = 0,
) -> None:
    """Write the server's files beside the versions.

    Args:
        base: The folder that the server watches.
        name: Of the served model.
        labels: Which version is called what.
        sizes: Images a batch, in rising order.
        most: Images a request; more than the largest batch are divided.
    """
    file_io.write_text(base / BATCHING, batching(sizes, most))
    file_io.write_text(base / COMPOSE, compose(base, name))
    # Last: the server reads this one again and again.
    _tell(base, name, labels)


# How each of the server's files begins.
_BEGINNINGS = {
    BATCHING: "# Of a request; the server refuses larger ones whole.\n",
    COMPOSE: "services:\n  classifier:\n    image: tensorflow/serving:",
    versions.MODELS_CONFIG: "model_config_list {\n  config {\n    name: ",
}


def check(base: Path) -> None:
    """Refuse a folder in which other files have the names of the server's.

    Args:
        base: The folder that the server watches.

    Raises:
        UserError: One of them is of somebody else's.
    """
    for name, begins in _BEGINNINGS.items():

        def is_own(file: Path, begins: str = begins) -> bool:
            return file.read_bytes().startswith(begins.encode())

        result_dir.check_file("--output", base / name, is_own)


def relabel(base: Path, labels: Mapping[str, int]) -> None:
    """Tell the server of moved labels, and of nothing else.

    Args:
        base: The folder that the server watches.
        labels: Which version is called what.
    """
    _tell(base, versions.read_name(base) or "classifier", labels)


def _tell(base: Path, name: str, labels: Mapping[str, int]) -> None:
    text = models(name, labels, named(base, labels))
    file_io.write_text(base / versions.MODELS_CONFIG, text)


def named(base: Path, labels: Mapping[str, int]) -> list[int]:
    """Return the versions that the server is told to hold, in rising order.

    The official server moves a label only to a version that it holds already, and
    takes a file that moves one elsewhere not at all, versions included. So a version is
    named before it gets a label: those that have one, those that have just lost theirs
    (to go back to), and the next ones, which the server loads when they come.

    Args:
        base: The folder that the server watches.
        labels: Which version is called what from now on.
    """
    before, there = versions.read_labels(base), versions.versions(base)
    held = set(before.values()) if before != labels else set(versions.read_named(base))
    kept = held.intersection(there) | set(labels.values())
    newest = max([0, *there, *labels.values()])
    return sorted(kept | set(range(newest + 1, newest + 1 + _AHEAD)))


def image() -> str:
    """Return the official server's image of the TensorFlow that wrote the model."""
    major, minor = importlib.metadata.version("tensorflow").split(".")[:2]
    return f"tensorflow/serving:{major}.{minor}.0"


def batching(sizes: Sequence[int], most: int = 0) -> str:
    """Return how single requests are answered together.

    Args:
        sizes: Images a batch, in rising order: a batch is filled up to one of them, so
            that the network sees few shapes, and all of them were warmed up.
        most: Images a request; one with more than the largest batch is divided.
    """
    allowed = "".join(f"allowed_batch_sizes: {size}\n" for size in sizes)
    return (
        "# Of a request; the server refuses larger ones whole.\n"
        f"max_batch_size {{ value: {max(most, sizes[-1])} }}\n"
        f"max_execution_batch_size {{ value: {sizes[-1]} }}\n"
        "# How long the first image of a batch waits for others.\n"
        "batch_timeout_micros { value: 2000 }\n"
        "max_enqueued_batches { value: 100 }\n"
        "enable_large_batch_splitting { value: true }\n"
        f"num_batch_threads {{ value: 2 }}\n{allowed}"
    )


def models(name: str, labels: Mapping[str, int], numbers: Sequence[int]) -> str:
    """Return which versions are loaded, and what they are called.

    Args:
        name: Of the served model.
        labels: Which version is called what.
        numbers: Of the versions that are loaded as soon as they are there.
    """
    loaded = "\n".join(f"        versions: {number}" for number in numbers)
    called = "\n".join(
        f'    version_labels {{ key: "{key}" value: {number} }}'
        for key, number in sorted(labels.items())
    )
    return (
        "model_config_list {\n  config {\n"
        f'    name: "{name}"\n    base_path: "/models/{name}"\n'
        '    model_platform: "tensorflow"\n'
        f"    model_version_policy {{\n      specific {{\n{loaded}\n      }}\n    }}\n"
        f"{called}\n  }}\n}}\n"
    )


def compose(base: Path, name: str) -> str:
    """Return a compose file for the official server.

    Args:
        base: The folder that the server watches.
        name: Of the served model.
    """
    arguments = "".join(f"      - {one}\n" for one in _arguments(name))
    return (
        "services:\n  classifier:\n"
        f"    image: {image()}\n"
        f'    ports: ["{REST_PORT}:{REST_PORT}", "{GRPC_PORT}:{GRPC_PORT}"]\n'
        f'    volumes: [".:/models/{name}:ro"]\n'
        f"    command:\n{arguments}"
        "    restart: unless-stopped\n"
    )


def command(base: Path, name: str) -> str:
    """Return the command that serves a folder of versions.

    Args:
        base: The folder that the server watches.
        name: Of the served model.
    """
    return (
        f"docker run --rm -p {REST_PORT}:{REST_PORT} -p {GRPC_PORT}:{GRPC_PORT} "
        f"-v {shlex.quote(f'{base.absolute()}:/models/{name}:ro')} {image()} "
        + " ".join(_arguments(name))
    )


def local_command(base: Path, name: str) -> str:
    """Return the command that serves a folder of versions without Docker.

    Args:
        base: The folder above the versions.
        name: Of the served model.
    """
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
