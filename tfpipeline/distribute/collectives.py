"""Each worker and replica its part of a global batch, and the parts together again."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core.errors import TemporaryError


def workers(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Return which worker this process is, from 0, and how many there are.

    Args:
        strategy: Where the steps run.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    spec = resolver.cluster_spec()
    count = sum(spec.num_tasks(job) for job in spec.jobs)
    # Where there is a chief, it comes before the first worker.
    after = int("chief" in spec.jobs and resolver.task_type != "chief")
    return int(resolver.task_id) + after, count


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether this process is the one that writes.

    Args:
        strategy: Where the steps run.
    """
    return workers(strategy)[0] == 0


def sum_over_workers(strategy: tf.distribute.Strategy, value: Any) -> Any:
    """Return a tensor of each worker summed over all of them.

    Args:
        strategy: Where the steps run.
        value: A tensor of the same shape in every worker.
    """
    if workers(strategy)[1] == 1:
        return value
    local = _local_replicas(strategy)

    def once(value: Any) -> Any:
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group % local, 0)
        return tf.where(first, value, tf.zeros_like(value))

    each = strategy.run(once, args=(value,))
    return strategy.reduce("SUM", each, axis=None)


@functools.lru_cache(maxsize=None)
def _adding(strategy: tf.distribute.Strategy) -> Any:
    return tf.function(lambda value: sum_over_workers(strategy, value), autograph=False)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Wait until every worker is here.

    Args:
        strategy: Where the steps run.
    """
    if workers(strategy)[1] > 1:
        np.asarray(_adding(strategy)(tf.ones([])))


@contextlib.contextmanager
def losing_nobody(
    strategy: tf.distribute.Strategy, what: str = "it goes on from the last checkpoint"
) -> Iterator[None]:
    """Say what to do where another worker disappears in the block.

    Args:
        strategy: Where the steps run.
        what: Happens when all are started again.

    Raises:
        TemporaryError: It has.
    """
    index, count = workers(strategy)
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if count == 1:
            raise
        first = (error.message.strip().splitlines() or ["no answer"])[-1]
        reason = next((n for n in error.message.splitlines() if "aborted" in n), first)
        raise TemporaryError(
            f"Worker {index} of {count}: another worker has gone, so no step can be "
            f"made any more ({reason.strip()}). Start all workers again with the same "
            f"command: {what}."
        ) from None


def _local_replicas(strategy: tf.distribute.Strategy) -> int:
    return int(strategy.num_replicas_in_sync) // workers(strategy)[1]


def _place(context: Any, local: int) -> int:
    """Return which of this process' replicas one is."""
    return int(context.replica_id_in_sync_group) % local


def replica_multiple(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """Return the batch size, raised until every replica gets equally many images.

    Args:
        batch_size: Images a global batch.
        strategy: Where the steps run.
    """
    replicas = int(strategy.num_replicas_in_sync)
    return -(-batch_size // replicas) * replicas


def split(
    strategy: tf.distribute.Strategy, batch: Sequence[Any], *, axis: int = 0
) -> tuple[Any, ...]:
    """Give each replica an equal part of every array of a global batch.

    Args:
        strategy: Where the steps run.
        batch: This worker's part of each array; its size along `axis` is a multiple of
            the number of replicas that the worker has.
        axis: The batch axis.

    Returns:
        One value an array, to be handed to `strategy.run`.
    """
    local = _local_replicas(strategy)
    if int(strategy.num_replicas_in_sync) == 1:
        return tuple(tf.convert_to_tensor(array) for array in batch)
    parts = [tf.split(array, local, axis=axis) for array in batch]
    return tuple(
        strategy.experimental_distribute_values_from_function(
            lambda context, part=part: part[_place(context, local)]
        )
        for part in parts
    )


def own_part(strategy: tf.distribute.Strategy, rows: np.ndarray) -> np.ndarray:
    """Return this worker's part of some rows.

    Args:
        strategy: Where the steps run.
        rows: As many as a multiple of the number of workers.
    """
    index, count = workers(strategy)
    return np.split(rows, count)[index]


def gather_all(strategy: tf.distribute.Strategy, value: Any) -> np.ndarray:
    """Join the results of all workers' replicas, in the order of the global batch.

    Args:
        strategy: Where the steps ran.
        value: What `strategy.run` returned, one tensor a replica.
    """
    if workers(strategy)[1] == 1:
        return gather(strategy, value)
    return np.asarray(_joining(strategy)(value))


@functools.lru_cache(maxsize=None)
def _joining(strategy: tf.distribute.Strategy) -> Any:
    return tf.function(
        lambda value: strategy.gather(strategy.run(tf.identity, args=(value,)), axis=0),
        autograph=False,
        reduce_retracing=True,
    )


def gather(strategy: tf.distribute.Strategy, value: Any) -> np.ndarray:
    """Join this worker's replicas' results again, in the order of its batch.

    Args:
        strategy: Where the steps ran.
        value: What `strategy.run` returned, one tensor a replica.

    Returns:
        Array whose first axis is the worker's part of the global batch.
    """
    local = strategy.experimental_local_results(value)
    if len(local) == 1:
        return np.asarray(local[0])
    return np.concatenate([np.asarray(part) for part in local])
