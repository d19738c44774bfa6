"""GROUND: who the workers of a training are: TF_CONFIG, written or found."""

import json
import os
from typing import Any

from tfpipeline.errors import UserError


def named() -> bool:
    """Tell whether the environment names several workers."""
    return len(_workers(_config())) > 1


def announce(workers: str | None, index: int | None) -> bool:
    """Tell TensorFlow who the workers are, by TF_CONFIG.

    Args:
        workers: `host:port,host:port`; None leaves TF_CONFIG as it is.
        index: Which of them this process is, from 0.

    Returns:
        Whether TF_CONFIG names the workers; else SLURM has to.

    Raises:
        UserError: An address or the index is wrong, or nothing names the workers.
    """
    if workers is None:
        if index is not None:
            raise UserError("--distribute.index: expected with --distribute.workers.")
        if _config():
            _check_config()
            return True
        if "SLURM_PROCID" in os.environ:
            return False
        raise UserError(
            "--distribute.strategy multi_worker: nothing names the workers. Give "
            "--distribute.workers host:port,host:port and --distribute.index i to each "
            "of them, set TF_CONFIG, or start them with srun."
        )
    addresses = [address.strip() for address in workers.split(",")]
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
            raise UserError(
                "--distribute.workers: expected host:port,host:port. Received: "
                f"{address!r} in {workers!r}."
            )
    if len(set(addresses)) < len(addresses):
        raise UserError(
            f"--distribute.workers: each address once, please. Received: {workers}."
        )
    if index is None or not 0 <= index < len(addresses):
        raise UserError(
            f"--distribute.index: expected 0 to {len(addresses) - 1}, another one for "
            f"each worker. Received: {'nothing' if index is None else index}."
        )
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
    )
    return True


def _config() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"TF_CONFIG: expected JSON, but {error}.") from None
    return found if isinstance(found, dict) else {}


def _workers(config: dict[str, Any]) -> list[str]:
    cluster = config.get("cluster") or {}
    return [*cluster.get("chief", []), *cluster.get("worker", [])]


def _check_config() -> None:
    config = _config()
    task = config.get("task") or {}
    known = config.get("cluster") or {}
    kind, index = task.get("type"), task.get("index")
    if kind not in ("chief", "worker"):
        raise UserError(
            "TF_CONFIG: expected a task of type worker or chief; there is no part for "
            f"others in this training. Received: {kind!r}."
        )
    if not isinstance(index, int) or not 0 <= index < len(known.get(kind, [])):
        raise UserError(
            f"TF_CONFIG: expected the index of one of the {len(known.get(kind, []))} "
            f"tasks of type {kind}. Received: {index!r}."
        )
    if "ps" in known:
        raise UserError(
            "TF_CONFIG: it names parameter servers, with which Keras 3 cannot train. "
            "Name workers only."
        )
