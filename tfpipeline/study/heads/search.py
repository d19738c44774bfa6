"""Dozens of heads on the same features, trained together in one traced program.

Heads whose input is dropped at the same rate read the same masked batch, so their
first layers are one wide matrix product. Nothing of a head depends on the others: its
start is drawn from the seed and its own shape, its order and noise from seed and step.

They learn on the principal axes of the features: far less arithmetic, and no worse.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.core import target as targets
from tfpipeline.study.gram import Gram, Rows, blocks
from tfpipeline.study.heads import draws, losses, pca
from tfpipeline.study.heads.choice import Answers
from tfpipeline.study.heads.pca import Axes
from tfpipeline.study.heads.space import Head, check

# Of AdamW.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class Program:
    """Trains the same heads on any features, by as many of their axes: traced once.

    The rows of all first layers stand in one matrix a group of heads with the same
    dropout: first the linear heads, class by class, then those with a hidden layer,
    which has as many units as the largest, the others zero. All groups have as many
    rows as the largest, again by zeros, and so are one array.

    Weights are kept in units of the learning rate: one fused step of Adam, at rate 1,
    then moves every head at its own. Adam does not see the scale of its gradients, so
    those are of the weights themselves; they are written out, which is quicker to
    trace and to run than a tape (a tape took 1.2 to 1.5 times as long).
    """

    def __init__(
        self,
        heads: Sequence[Head],
        width: int,
        classes: int,
        target: str = targets.SINGLE,
    ) -> None:
        check(heads)
        self.heads, self.width, self.classes = tuple(heads), width, classes
        self.target, self._by_class = target, target in targets.CLASSES
        self.units = max(head.hidden for head in heads)
        rates = dict.fromkeys(head.dropout for head in heads)
        self.dropout = np.array(list(rates), np.float32)
        self.linear, self.deep = self._table(False), self._table(True)
        self.groups, self.flat = self.linear.shape
        self.hidden = self.deep.shape[1]
        self.rows = [classes * self.flat, self.hidden * self.units]
        signature = [
            tf.TensorSpec((None, width), tf.float32),
            (
                tf.TensorSpec((None,), tf.int32)
                if self._by_class
                else tf.TensorSpec((None, classes), tf.float32)
            ),
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((), tf.int32),
        ]
        self._train = tf.function(
            self._steps, input_signature=signature, autograph=False
        )
        start = self.start(0)
        # Weights, and both moments of Adam.
        self._state = [
            {name: tf.Variable(value) for name, value in start.items()}
            for _ in range(3)
        ]

    def _table(self, deep: bool) -> np.ndarray:
        """Return the number of the head at each place of each group; -1 for none."""
        groups = [
            [
                number
                for number, head in enumerate(self.heads)
                if np.float32(head.dropout) == rate and bool(head.hidden) == deep
            ]
            for rate in self.dropout
        ]
        most = max(map(len, groups))
        return np.array([row + [-1] * (most - len(row)) for row in groups], int)

    def _each(self, table: np.ndarray, *names: str) -> np.ndarray:
        """Return the product of some fields of each head, (groups, heads, 1, 1)."""
        values = [np.prod([getattr(head, n) for n in names]) for head in self.heads]
        return np.array([*values, 0], np.float32)[table][:, :, None, None]

    def _each_row(self, *names: str) -> np.ndarray:
        """Return the same for each row of the first layers, (groups, rows, 1)."""
        flat, deep = (self._each(t, *names)[..., 0] for t in (self.linear, self.deep))
        parts = [np.tile(flat, (1, self.classes, 1)), np.repeat(deep, self.units, 1)]
        return np.concatenate(parts, axis=1)

    def train(
        self,
        features: Rows,
        truth: np.ndarray,
        *,
        steps: int,
        batch_size: int = 32,
        seed: int = 0,
        gram: Gram | None = None,
    ) -> "Trained":
        """Train every head for so many steps of the optimizer.

        Of many examples, those alone are read that a step sees. What is true of each is
        its class; of several labels or a number its values, shape (n, classes). Numbers
        are learned in standard deviations from their mean.
        """
        axes = pca.fit(features, self.width, gram)
        order = draws.order(len(features), steps, min(batch_size, len(features)), seed)
        used, order = np.unique(order, return_inverse=True)
        order = order.reshape(steps, -1).astype(np.int32)
        for name, value in self.start(seed).items():
            self._state[0][name].assign(value)
            for moments in self._state[1:]:
                moments[name].assign(np.zeros_like(value))
        unit = losses.unit(truth) if self.target == targets.NUMBER else (0.0, 1.0)
        if self._by_class:
            own = np.asarray(truth, np.int32)[used]
        else:
            own = ((np.asarray(truth)[used] - unit[0]) / unit[1]).astype(np.float32)
        self._train(axes(features[used]), own, order, tf.constant(seed, tf.int32))
        weights = {name: value.numpy() for name, value in self._state[0].items()}
        return Trained(self, weights, axes, unit)

    def start(self, seed: int) -> dict[str, np.ndarray]:
        """Return the first weights; those of a head depend on its own shape alone.

        `kernel` and `bias` of all first layers have shapes (groups, rows, width) and
        (groups, rows, 1); with hidden layers there are `last_kernel` and `last_bias`
        above them, (groups, heads, classes, units) and (groups, heads, classes, 1).
        """

        @functools.cache
        def draw(hidden: int) -> tuple[np.ndarray, np.ndarray]:
            rng = np.random.default_rng([seed, 78, hidden])
            first = draws.glorot(rng, self.width, hidden or self.classes)
            return first.T, draws.glorot(rng, max(hidden, 1), self.classes).T

        # The last one is that of places without a head.
        count, classes, units = len(self.heads) + 1, self.classes, self.units
        shapes = (classes, self.width), (units, self.width), (classes, units)
        flat, inner, last = (np.zeros((count, *s), np.float32) for s in shapes)
        for number, head in enumerate(self.heads):
            first, top = (x / np.float32(head.learning_rate) for x in draw(head.hidden))
            if head.hidden:
                inner[number, : head.hidden] = first
                last[number, :, : head.hidden] = top
            else:
                flat[number] = first
        parts = [flat[self.linear].swapaxes(1, 2), inner[self.deep]]
        kernel = np.concatenate(
            [part.reshape(self.groups, -1, self.width) for part in parts], axis=1
        )
        weights = {"kernel": kernel, "bias": np.zeros_like(kernel[..., :1])}
        if self.hidden:
            weights["last_kernel"] = last[self.deep]
            weights["last_bias"] = np.zeros_like(weights["last_kernel"][..., :1])
        return weights

    def answers(
        self, weights: Any, x: Any, noise: Any = None
    ) -> tuple[list[Any], list[Any]]:
        """Return the logits of all heads, and what their gradients need.

        Logits have shape (groups, classes, heads, n) for linear heads and, where there
        are any, (groups, heads, classes, n) for the others. With them come the inputs
        of the first layers and of the last ones. Dropout needs `noise`, int32, (2,).
        """
        count = tf.shape(x)[0]
        inputs = self._drop(tf.transpose(x)[None], noise, 0)
        wide = tf.matmul(weights["kernel"], inputs) + weights["bias"]
        flat, inner = tf.split(
            wide * self._each_row("learning_rate"), self.rows, axis=1
        )
        logits = [tf.reshape(flat, [self.groups, self.classes, self.flat, count])]
        if not self.hidden:
            return logits, [inputs]
        inner = tf.nn.relu(inner)
        inner = tf.reshape(inner, [self.groups, self.hidden, self.units, count])
        inner = self._drop(inner, noise, 1)
        last = tf.matmul(weights["last_kernel"], inner) + weights["last_bias"]
        return [*logits, last * self._each(self.deep, "learning_rate")], [inputs, inner]

    def _drop(self, x: Any, noise: Any, layer: int) -> Any:
        """Return what each group sees: the same draws decide for every head.

        The last two axes are units and examples, so that the draws of fewer units are
        the first ones of more.
        """
        if noise is None or not self.dropout.any():
            return x
        seed = noise + tf.constant([0, layer * 1_000_000_000])
        drawn = tf.random.stateless_uniform(tf.shape(x)[-2:], seed)
        rates = self.dropout.reshape([-1] + [1] * (len(x.shape) - 1))
        return x * (tf.cast(drawn >= rates, tf.float32) / (1 - rates))

    def _steps(self, x: Any, truth: Any, order: Any, seed: Any) -> None:
        """Train the weights, step by step."""
        total = tf.shape(order)[0]

        def body(step: Any) -> Any:
            rows = tf.gather(order, step)
            wanted = tf.gather(truth, rows)
            if self._by_class:
                wanted = tf.one_hot(wanted, self.classes, axis=0)
            else:
                wanted = tf.transpose(wanted)
            share = tf.cast(step, tf.float32) / tf.cast(total, tf.float32)
            batch, noise = tf.gather(x, rows), tf.stack([seed, step])
            self._step(batch, wanted, noise, 0.5 * (1 + tf.cos(np.pi * share)))
            return step + 1

        tf.while_loop(lambda step: step < total, body, [0], parallel_iterations=1)

    def _step(self, x: Any, wanted: Any, noise: Any, fading: Any) -> None:
        weights, *moments = self._state
        now = {name: value.value() for name, value in weights.items()}
        gradients = self._gradients(now, x, wanted, noise)
        done = tf.cast(noise[1] + 1, tf.float32)
        terms = self.classes if self.target == targets.MULTI else 1
        decays = {
            "kernel": self._each_row("learning_rate", "weight_decay"),
            "last_kernel": self._each(self.deep, "learning_rate", "weight_decay"),
        }
        for name, value in weights.items():
            if name in decays and decays[name].any():
                value.assign(now[name] * (1 - fading * decays[name]))
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle,
                m=moments[0][name].handle,
                v=moments[1][name].handle,
                beta1_power=_BETA_1**done,
                beta2_power=_BETA_2**done,
                lr=fading,
                beta1=_BETA_1,
                beta2=_BETA_2,
                # Gradients are summed over the batch: its mean has this over its size.
                # Those of several labels are summed over these, too.
                epsilon=_EPSILON * terms * tf.cast(tf.shape(x)[0], tf.float32),
                grad=gradients[name],
            )

    def _gradients(
        self, now: Any, x: Any, wanted: Any, noise: Any
    ) -> dict[str, tf.Tensor]:
        """Return the gradients of each head's own loss, summed over the batch."""
        count = tf.shape(x)[0]
        logits, inputs = self.answers(now, x, noise)
        smoothing = self._each(self.linear, "label_smoothing").swapaxes(1, 2)
        slope = losses.slope(self.target, logits[0], wanted[:, None], smoothing, 1)
        parts = [tf.reshape(slope, [self.groups, self.rows[0], count])]
        gradients = {}
        if self.hidden:
            smoothing = self._each(self.deep, "label_smoothing")
            top = losses.slope(self.target, logits[1], wanted, smoothing, 2)
            gradients["last_kernel"] = tf.matmul(top, inputs[1], transpose_b=True)
            gradients["last_bias"] = tf.reduce_sum(top, axis=3, keepdims=True)
            top = top * self._each(self.deep, "learning_rate")
            down = tf.matmul(now["last_kernel"], top, transpose_a=True)
            # What was dropped, or not above zero, has no part in it.
            kept = 1 - self.dropout.reshape(-1, 1, 1, 1)
            down = down * (tf.cast(inputs[1] > 0, tf.float32) / kept)
            parts.append(tf.reshape(down, [self.groups, self.rows[1], count]))
        wide = parts[0] if len(parts) == 1 else tf.concat(parts, 1)
        gradients["kernel"] = tf.matmul(wide, inputs[0], transpose_b=True)
        gradients["bias"] = tf.reduce_sum(wide, axis=2, keepdims=True)
        return gradients


@dataclass(frozen=True)
class Trained:
    """Heads that were trained together, on these axes of the training features."""

    program: Program
    weights: Mapping[str, np.ndarray]
    axes: Axes
    unit: tuple[float, float] = (0.0, 1.0)  # Mean and deviation of a number.

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return what every head answers, float32, shape (heads, n, classes).

        Numbers are in units of their deviation from their mean.
        """
        own = self.program
        (flat, *deep), _ = own.answers(self.weights, self.axes(features))
        shape = (len(own.heads) + 1, len(features), own.classes)
        logits = np.zeros(shape, np.float32)
        logits[own.linear] = np.transpose(flat, (0, 2, 3, 1))
        if deep:
            logits[own.deep] = np.swapaxes(deep[0], 2, 3)
        return logits[:-1]

    def answers(self, features: Rows, label: np.ndarray) -> Answers:
        """Return which class each head chooses, and the true one's log probability."""
        shape = (len(self.program.heads), len(features))
        found = Answers(np.zeros(shape, np.int32), np.zeros(shape, np.float32))
        columns = max(shape[0] * self.program.classes, features.shape[1])
        for part in blocks(len(label), columns):
            one = Answers.of(self.logits(features[part]), label[part])
            found.classes[:, part], found.sure[:, part] = one.classes, one.sure
        return found

    def outputs(self, features: Rows, head: int | None = None) -> np.ndarray:
        """Return logits of labels, or numbers in their unit, a block at a time.

        Returns:
            float32, shape (heads, n, classes); of one head shape (n, classes).
        """
        own = self.program
        count = len(own.heads) if head is None else 1
        found = np.zeros((count, len(features), own.classes), np.float32)
        columns = max(len(own.heads) * own.classes, features.shape[1])
        for part in blocks(len(features), columns):
            logits = self.logits(features[part])
            found[:, part] = logits if head is None else logits[[head]]
        found = found * np.float32(self.unit[1]) + np.float32(self.unit[0])
        return found if head is None else found[0]
