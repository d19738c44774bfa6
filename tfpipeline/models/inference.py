"""A forward pass over any number of batches, on every replica."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.core import progress
from tfpipeline.models.throughput import Meter


class Predictor:
    """A forward pass in inference mode, traced once and run on every replica.

    On one replica the trace holds for any number of examples.

    Args:
        forward: From inputs to outputs.
        strategy: Where it runs.
        meter: Counts how long it has waited for its input.
        shared: Whether inputs are this worker's parts of global batches: the outputs
            of all workers are then joined. Else each worker is on its own.
    """

    def __init__(
        self,
        forward: Callable[[Any], Any],
        strategy: tf.distribute.Strategy,
        meter: Meter | None = None,
        *,
        shared: bool = False,
    ) -> None:
        self.strategy = strategy
        self.meter = meter or Meter()
        self.joins = shared and distribute.workers(strategy)[1] > 1
        # A function that is traced already would be given all replicas' inputs as one.
        self._run = tf.function(
            lambda inputs: strategy.run(lambda own: forward(own), args=(inputs,)),
            autograph=False,
            reduce_retracing=True,
        )
        self._is_traced = strategy.num_replicas_in_sync > 1

    def trace(self, shape: Sequence[int | None], dtype: tf.DType = tf.float32) -> None:
        """Trace it now, for any number of inputs of a shape, where one trace holds."""
        if not self._is_traced:
            # Else each size of batch was traced, and had its weights folded, anew.
            self._run.get_concrete_function(tf.TensorSpec([None, *shape], dtype))
            self._is_traced = True

    def __call__(self, inputs: Any) -> np.ndarray:
        """Return the outputs of a batch, a multiple of the replicas, in order."""
        (parts,) = distribute.split(self.strategy, (inputs,))
        if not self._is_traced:
            self.trace(parts.shape[1:], parts.dtype)
        outputs = self._run(parts)
        if self.joins:
            return distribute.gather_all(self.strategy, outputs)
        return distribute.gather(self.strategy, outputs)

    def over(
        self,
        batches: Iterable[tuple[Any, Any, Any]],
        total: int,
        name: str | None,
        run: Callable[[Any], np.ndarray] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the outputs of many batches in order, without what pads the last one.

        Args:
            batches: `(inputs, labels, weights)`; where the weight is 0, it is padding.
            total: Number of examples, for the progress bar.
            name: Of the progress bar; None shows none.
            run: Another engine that computes the same, in this process.
        """
        with progress.bar(total, name, "image") as bar:
            for inputs, _, weights in self.meter.watch(batches):
                if run is not None:
                    outputs = run(inputs)
                else:
                    outputs = self(inputs)
                if self.joins:
                    (parts,) = distribute.split(self.strategy, (weights,))
                    weights = distribute.gather_all(self.strategy, parts)
                outputs = outputs[np.asarray(weights) > 0]
                self.meter.count(len(outputs))
                yield outputs
                bar.update(len(outputs))

    def all(
        self,
        batches: Iterable[tuple[Any, Any, Any]],
        total: int,
        name: str | None,
        run: Callable[[Any], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return the outputs of many batches in one array; see `over`."""
        return np.concatenate(list(self.over(batches, total, name, run)))
