"""Who the workers of a training are: TF_CONFIG, written or found."""

import json
import os
import re
from typing import Any

from tfpipeline.core.errors import UserError


def named() -> bool:
    """Tell whether the environment names several workers."""
    return len(_workers(_config())) > 1


# Ports of SLURM's workers: the job's number picks them, below those that Linux lends.
_PORTS = range(20000, 30000)


def announce(workers: str | None, index: int | None) -> None:
    """Tell TensorFlow who the workers are, by TF_CONFIG.

    Args:
        workers: `host:port,host:port`; None asks TF_CONFIG, then SLURM.
        index: Which of them this process is, from 0.

    Raises:
        UserError: An address or the index is wrong, or nothing names the workers.
    """
    if workers is None:
        if index is not None:
            raise UserError("--distribute.index: expected with --distribute.workers.")
        if _config():
            return _check_config()
        if "SLURM_STEP_NODELIST" in os.environ:
            return _write(*_slurm())
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
    _write(addresses, index)


def _write(addresses: list[str], index: int) -> None:
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
    )


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
            "The workers that SLURM names: expected that it fills node after node. "
            "Give srun --distribution=block."
        )
    return [f"{host}:{first + i}" for host, i in places], rank


def _hosts(text: str) -> list[str]:
    """Expand a list of hosts as SLURM writes it: `m5,n[1-2,07-11]`."""
    hosts = []
    for part in re.findall(r"[^,\[\]]+(?:\[[^\]]*\][^,\[\]]*)*", text):
        before, bracket, rest = part.partition("[")
        inside, _, after = rest.partition("]")
        if not bracket:
            hosts.append(part)
        for some in inside.split(",") if bracket else []:
            low, _, high = some.partition("-")
            for number in range(int(low), int(high or low) + 1):
                name = f"{before}{number:0{len(low)}d}{after}"
                hosts += _hosts(name) if "[" in after else [name]
    return hosts


def _tasks(text: str) -> list[int]:
    """Expand the tasks of each node as SLURM writes them: `2(x3),1`."""
    counts: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            raise ValueError(f"SLURM_STEP_TASKS_PER_NODE {text!r}")
        counts += [int(found[1])] * int(found[2] or 1)
    return counts


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
