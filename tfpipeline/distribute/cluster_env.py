"""Who the workers of a training are: TF_CONFIG, written or found."""

import itertools
import json
import os
import re
from typing import Any

from tfpipeline.core.errors import UserError

# Ports of SLURM's workers: the job's number picks them, below those that Linux lends.
_PORTS = range(20000, 30000)


def has_workers() -> bool:
    """Tell whether TF_CONFIG names several workers."""
    cluster = _config().get("cluster") or {}
    return len([*cluster.get("chief", []), *cluster.get("worker", [])]) > 1


def announce(workers: str | None, index: int | None) -> None:
    """Tell TensorFlow who the workers are, by TF_CONFIG.

    They are `host:port,host:port`; None asks TF_CONFIG, then SLURM.
    """
    if workers is None:
        if _config():
            return _check_config()
        if "SLURM_STEP_NODELIST" in os.environ:
            return _write(*_slurm())
        raise UserError(
            "--distribute.strategy multi_worker: the workers are not named. Give "
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
            f"--distribute.workers: expected each address once. Received: {workers}."
        )
    if index is None or not 0 <= index < len(addresses):
        raise UserError(
            f"--distribute.index: expected 0 to {len(addresses) - 1}, a different one "
            f"for each worker. Received: {'nothing' if index is None else index}."
        )
    _write(addresses, index)


def _write(addresses: list[str], index: int) -> None:
    task = {"type": "worker", "index": index}
    config = {"cluster": {"worker": addresses}, "task": task}
    os.environ["TF_CONFIG"] = json.dumps(config)


def _slurm() -> tuple[list[str], int]:
    """Return the addresses of the tasks of a step of SLURM, and which one this is.

    TensorFlow's own `SlurmClusterResolver` needs a GPU a task, and sorts the hosts by
    name while SLURM numbers its tasks in the order of its list: n2 comes before n10.
    """
    try:
        hosts = _hosts(os.environ["SLURM_STEP_NODELIST"])
        tasks = _tasks(os.environ["SLURM_STEP_TASKS_PER_NODE"])
        rank, job = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_JOB_ID"])
        if len(hosts) != len(tasks) or not 0 <= rank < sum(tasks):
            raise ValueError(f"{sum(tasks)} tasks on {len(hosts)} nodes, rank {rank}")
    except (KeyError, ValueError) as error:
        raise UserError(
            f"The workers that SLURM names: {error} cannot be used. Start them with "
            "srun, or give --distribute.workers and --distribute.index."
        ) from None
    first = _PORTS[job % len(_PORTS)]
    places = [(host, i) for host, count in zip(hosts, tasks) for i in range(count)]
    own = os.environ.get("SLURM_LOCALID")
    if own is not None and int(own) != places[rank][1]:
        raise UserError(
            "The workers that SLURM names: expected tasks to fill one node after the "
            "other. Use srun --distribution=block."
        )
    return [f"{host}:{first + i}" for host, i in places], rank


def _hosts(text: str) -> list[str]:
    """Expand a list of hosts as SLURM writes it: `m5,n[1-2,07-11]`."""
    hosts: list[str] = []
    for pattern in re.findall(r"[^,\[\]]+(?:\[[^\]]*\][^,\[\]]*)*", text):
        # Every second part stood in brackets.
        parts = enumerate(re.split(r"\[([^\]]*)\]", pattern))
        choices = [_numbers(part) if i % 2 else [part] for i, part in parts]
        hosts += map("".join, itertools.product(*choices))
    return hosts


def _numbers(text: str) -> list[str]:
    ranges = (part.partition("-")[::2] for part in text.split(","))
    return [
        f"{number:0{len(low)}d}"
        for low, high in ranges
        for number in range(int(low), int(high or low) + 1)
    ]


def _tasks(text: str) -> list[int]:
    """Expand the tasks of each node as SLURM writes them: `2(x3),1`."""
    counts: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if match is None:
            raise ValueError(f"SLURM_STEP_TASKS_PER_NODE {text!r}")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _config() -> dict[str, Any]:
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
    except ValueError as error:
        raise UserError(f"TF_CONFIG: expected JSON, but {error}.") from None
    return config if isinstance(config, dict) else {}


def _check_config() -> None:
    task, cluster = (_config().get(name) or {} for name in ("task", "cluster"))
    kind, index = task.get("type"), task.get("index")
    if kind not in ("chief", "worker"):
        raise UserError(
            "TF_CONFIG: expected a task of type worker or chief; other types are not "
            f"used here. Received: {kind!r}."
        )
    count = len(cluster.get(kind, []))
    if not isinstance(index, int) or not 0 <= index < count:
        raise UserError(
            f"TF_CONFIG: expected the index of one of the {count} tasks of type "
            f"{kind}. Received: {index!r}."
        )
    if "ps" in cluster:
        raise UserError(
            "TF_CONFIG: it names parameter servers, which Keras 3 does not support. "
            "Name workers only."
        )
