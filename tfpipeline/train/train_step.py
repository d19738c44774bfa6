"""The one training step: `strategy.run` and GradientTape, under every strategy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import TrainSettings
from tfpipeline.models.engines import bfloat16
from tfpipeline.train.dropout import Noise
from tfpipeline.train.targets.objective import Criterion

# Some networks have weights that nothing uses: the mask token of DINOv2.
_UNUSED = {"unconnected_gradients": tf.UnconnectedGradients.ZERO}


@dataclass(frozen=True)
class Steps:
    """Some global batches in a row, to be trained on in one call.

    Args:
        inputs: float32, shape (steps, batch, ...).
        labels: int32, shape (steps, batch); or targets, shape (steps, batch, classes).
        weights: float32, shape (steps, batch); 0 leaves an example out.
    """

    inputs: Any
    labels: Any
    weights: Any


@dataclass(frozen=True)
class Sums:
    """Sums of some steps over all examples, replicas and workers."""

    loss: float
    correct: float
    weight: float
    # The first step whose loss is NaN or infinite, or -1.
    bad_step: int
    # Whether any worker was asked to stop.
    stops: bool

    @classmethod
    def read(cls, tensor: Any) -> "Sums":
        """Wait for a result of `Trainer.run` and return it."""
        loss, correct, weight, stops, bad_step = np.asarray(tensor, np.float64)
        return cls(loss, correct, weight, int(bad_step), stops > 0)


@dataclass(eq=False)
class Trainer:
    """What one step of training does, traced once and run on every replica.

    The variables are those that are trainable now. Changing that later and not building
    another trainer is a mistake that Keras lets pass: part of the network silently does
    not train. Here it is an error.

    Args:
        forward: From inputs and noise to logits, in training mode.
        models: Whose trainable variables learn.
        optimizer: Built for those variables under the strategy's scope.
        criterion: What is minimised.
        strategy: Where the steps run.
        settings: The section `train`: clipping and compilation.
    """

    forward: Callable[[Any, Noise], Any]
    models: Sequence[keras.Model]
    optimizer: keras.optimizers.Optimizer
    criterion: Criterion
    strategy: tf.distribute.Strategy
    settings: TrainSettings
    # Whether the graph computes in bfloat16; weights and updates are float32.
    rewrites: bool = False

    def __post_init__(self) -> None:
        settings = self.settings
        self.hardening = self.criterion.hardening
        self.variables = trainable(self.models)
        self.loss = self.criterion.loss_function()
        self._replicas = int(self.strategy.num_replicas_in_sync)
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        clips = settings.clip_norm is not None or settings.clip_value is not None
        self._whole = self._replicas > 1 and (clips or scaled)
        self._values = [variable.value for variable in self.variables]
        self._compute = self._gradients
        if settings.jit_compile:
            self._compute = tf.function(
                self._gradients, autograph=False, jit_compile=True
            )
        self._run = tf.function(self._run_steps, autograph=False, reduce_retracing=True)

    def _check_trainable(self) -> None:
        now = trainable(self.models)
        if list(map(id, now)) != list(map(id, self.variables)):
            raise RuntimeError(
                f"This trainer was built for {len(self.variables)} variables, but "
                f"{len(now)} are trainable now. Build a new one (and its optimizer) "
                "after changing `trainable`."
            )

    def run(
        self,
        steps: Steps,
        seed: int,
        first: int,
        rates: np.ndarray,
        stop: bool = False,
    ) -> Any:
        """Train on this worker's part of some global batches, without waiting.

        Args:
            steps: The batches.
            seed: Of everything that is drawn in this stage of the training.
            first: The first of the steps, counted from 0 over all epochs.
            rates: The learning rate of each, shape (steps,).
            stop: Whether this worker was asked to stop; the others hear of it.

        Returns:
            A tensor for `Sums.read`.
        """
        self._check_trainable()
        targets = self.criterion.targets(steps.labels)
        weights = self.criterion.weigh(targets, steps.weights)
        # Of this worker's part; the steps add the others'.
        totals = tf.reduce_sum(weights, axis=1)
        parts = distribute.split(
            self.strategy, (steps.inputs, targets, weights), axis=1
        )
        start = tf.constant([seed, first], tf.int64)
        wish = tf.constant(float(stop))
        given = parts, totals, start, tf.convert_to_tensor(rates), wish
        if self.rewrites:
            with bfloat16.rewritten():
                return self._run(*given)
        return self._run(*given)

    def _run_steps(
        self, parts: Any, totals: Any, start: Any, rates: Any, stop: Any
    ) -> Any:
        # Every replica divides by the weight of the global batch.
        totals = distribute.sum_over_workers(self.strategy, totals)

        def step(k: Any, bad: Any, sums: Any) -> tuple[Any, Any, Any]:
            self.optimizer.learning_rate.assign(rates[k])
            seed = start + tf.stack([tf.zeros([], tf.int64), tf.cast(k, tf.int64)])
            each = self.strategy.run(self._step, args=(k, parts, totals, seed, stop))
            now = self.strategy.reduce("SUM", each, axis=None)
            fails = (bad < 0) & ~tf.math.is_finite(now[0])
            return k + 1, tf.where(fails, tf.cast(k, tf.float32), bad), sums + now

        # Written out: AutoGraph takes a second to turn a `for` into the same loop.
        _, bad, sums = tf.while_loop(
            lambda k, *_: k < tf.shape(totals)[0],
            step,
            (tf.constant(0), tf.constant(-1.0), tf.zeros([4])),
            parallel_iterations=1,
        )
        return tf.concat([sums, [bad]], 0)

    def _step(self, k: Any, parts: Any, totals: Any, seed: Any, stop: Any) -> Any:
        """Train on this replica's part of a batch, attacked or not; return its sums."""
        x, target, weight = (part[k] for part in parts)
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        rows = tf.shape(weight, tf.int64)[0]
        noise = Noise(seed, replica * rows)
        moved, replays = x, 1
        if self.hardening is not None:
            method, answer = self.hardening
            replays = method.replays
            moved = method.perturb(answer, x, target, noise.signed(tf.shape(x)))
        for replay in range(replays):
            each, logits, gradients, slope = self._compute(
                x, moved, target, weight, totals[k], noise
            )
            self._apply(gradients, context)
            if replay < replays - 1:
                moved = method.advance(x, moved, slope)
        correct = self.criterion.score(target, logits) * weight
        sums = [tf.reduce_sum(part) for part in (each, correct, weight)]
        return tf.stack([*sums, stop])

    def _apply(self, gradients: Any, context: Any) -> None:
        if self._whole:
            # The optimizer will sum over replicas: what is clipped is the whole.
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradients = self._clip(gradients)
        if self._whole:
            gradients = [gradient / self._replicas for gradient in gradients]
        self.optimizer.apply(gradients)

    def _gradients(
        self, x: Any, moved: Any, target: Any, weight: Any, total: Any, noise: Noise
    ) -> tuple[Any, Any, Any, Any]:
        method = self.hardening[0] if self.hardening else None
        replays = method is not None and method.replays > 1

        def forward(inputs: Any) -> Any:
            return tf.cast(self.forward(inputs, noise), tf.float32)

        def of_each(logits: Any) -> Any:
            return self.loss(target, logits)

        # Only what learns is watched: no gradient is computed below it.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*self._values, moved] if replays else self._values)
            if method is None:
                logits = forward(x)
                each = of_each(logits)
            else:
                each, logits = method.loss(of_each, forward, x, moved)
            each *= weight
            # The optimizer sums over replicas: divide by the global batch, not ours.
            loss = self.optimizer.scale_loss(tf.reduce_sum(each) / total)
        if replays:
            *gradients, slope = tape.gradient(loss, [*self._values, moved], **_UNUSED)
            return each, logits, gradients, slope
        return each, logits, tape.gradient(loss, self._values, **_UNUSED), x

    def _clip(self, gradients: Any) -> Any:
        settings = self.settings
        if settings.clip_norm is None and settings.clip_value is None:
            return gradients
        # With float16 the gradients are scaled up, and so are the limits.
        scale = tf.convert_to_tensor(self.optimizer.scale_loss(1.0))
        if settings.clip_value is not None:
            most = settings.clip_value * scale
            gradients = [tf.clip_by_value(g, -most, most) for g in gradients]
        if settings.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, settings.clip_norm * scale)
        return gradients


def trainable(models: Sequence[keras.Model]) -> list[keras.Variable]:
    """Return what is trainable in some models now."""
    return [variable for model in models for variable in model.trainable_variables]
