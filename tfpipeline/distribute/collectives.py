"""Each worker and replica its part of a global batch, and the parts together again."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core.errors import TemporaryError


def workers(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Return which worker this process is, from 0, and how many there are."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    spec = resolver.cluster_spec()
    count = sum(spec.num_tasks(job) for job in spec.jobs)
    # Where there is a chief, it comes before the first worker.
    after = int("chief" in spec.jobs and resolver.task_type != "chief")
    return int(resolver.task_id) + after, count


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Tell whether this process is the one that writes."""
    return workers(strategy)[0] == 0


def _local_replicas(strategy: tf.distribute.Strategy) -> int:
    return int(strategy.num_replicas_in_sync) // workers(strategy)[1]


def sum_over_workers(strategy: tf.distribute.Strategy, value: Any) -> Any:
    """Return a tensor of the same shape in every worker, summed over all of them."""
    if workers(strategy)[1] == 1:
        return value
    local = _local_replicas(strategy)

    def once(value: Any) -> Any:
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group % local, 0)
        return tf.where(first, value, tf.zeros_like(value))

    each = strategy.run(once, args=(value,))
    return strategy.reduce("SUM", each, axis=None)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Wait until every worker is here."""
    if workers(strategy)[1] > 1:
        gather_all(strategy, tf.ones([1]))


@contextlib.contextmanager
def losing_nobody(
    strategy: tf.distribute.Strategy,
    consequence: str = "it resumes from the last checkpoint",
) -> Iterator[None]:
    """Turn the loss of another worker in the block into a `TemporaryError`.

    It says as a `consequence` what happens when all are started again.
    """
    index, count = workers(strategy)
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if count == 1:
            raise
        lines = error.message.strip().splitlines() or ["no answer"]
        reason = next((line for line in lines if "aborted" in line), lines[-1])
        raise TemporaryError(
            f"Worker {index} of {count}: another worker has gone, so no step can be "
            f"made any more ({reason.strip()}). Start all workers again with the same "
            f"command: {consequence}."
        ) from None


def replica_multiple(batch_size: int, strategy: tf.distribute.Strategy) -> int:
    """Return the size of a global batch, rounded up to a multiple of the replicas."""
    replicas = int(strategy.num_replicas_in_sync)
    return -(-batch_size // replicas) * replicas


def split(
    strategy: tf.distribute.Strategy, batch: Sequence[Any], *, axis: int = 0
) -> tuple[Any, ...]:
    """Give each replica an equal part of this worker's part of a global batch.

    The size of each array along `axis`, the batch axis, is a multiple of the number of
    replicas that the worker has. Returns one value an array, for `strategy.run`.
    """
    if int(strategy.num_replicas_in_sync) == 1:
        return tuple(tf.convert_to_tensor(array) for array in batch)
    local = _local_replicas(strategy)

    def distributed(array: Any) -> Any:
        parts = tf.split(array, local, axis=axis)
        return strategy.experimental_distribute_values_from_function(
            lambda context: parts[int(context.replica_id_in_sync_group) % local]
        )

    return tuple(map(distributed, batch))


def own_part(strategy: tf.distribute.Strategy, rows: np.ndarray) -> np.ndarray:
    """Return this worker's part of rows, a multiple of the number of workers."""
    index, count = workers(strategy)
    return np.split(rows, count)[index]


def gather_all(strategy: tf.distribute.Strategy, value: Any) -> np.ndarray:
    """Join the results of all workers' replicas, in the order of the global batch."""
    if workers(strategy)[1] == 1:
        return gather(strategy, value)
    return np.asarray(_gather_function(strategy)(value))


@functools.lru_cache(maxsize=None)
def _gather_function(strategy: tf.distribute.Strategy) -> Any:
    return tf.function(
        lambda value: strategy.gather(strategy.run(tf.identity, args=(value,)), axis=0),
        autograph=False,
        reduce_retracing=True,
    )


def gather(strategy: tf.distribute.Strategy, value: Any) -> np.ndarray:
    """Join the results of this worker's replicas, in the order of its batch."""
    local = strategy.experimental_local_results(value)
    if len(local) == 1:
        return np.asarray(local[0])
    return np.concatenate([np.asarray(part) for part in local])
