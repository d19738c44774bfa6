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

from tfpipeline.study.heads import pca
from tfpipeline.study.heads.layout import Layout
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
    trace and to run than a tape.

    Args:
        heads: What is trained together.
        width: Axes of the features that are learned from; see `axes`.
        classes: Number of logits.

    Raises:
        UserError: A number out of range.
    """

    def __init__(self, heads: Sequence[Head], width: int, classes: int) -> None:
        check(heads)
        self.heads, self.width, self.classes = tuple(heads), width, classes
        self.layout = Layout(heads, classes)
        signature = [
            tf.TensorSpec((None, width), tf.float32),
            tf.TensorSpec((None,), tf.int32),
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

    def train(
        self,
        features: np.ndarray,
        label: np.ndarray,
        *,
        steps: int,
        batch_size: int = 32,
        seed: int = 0,
    ) -> "Trained":
        """Train every head.

        Args:
            features: Shape (n, any width).
            label: Index of the class of each, shape (n,).
            steps: Of the optimizer.
            batch_size: Examples a step; all of them where there are fewer.
            seed: Of starts, order and dropout.

        Returns:
            The heads as they are after the last step.
        """
        found = pca.fit(features, self.width)
        order = _order(len(features), steps, min(batch_size, len(features)), seed)
        for name, value in self.start(seed).items():
            self._state[0][name].assign(value)
            for moments in self._state[1:]:
                moments[name].assign(np.zeros_like(value))
        label = np.asarray(label, np.int32)
        self._train(found(features), label, order, tf.constant(seed, tf.int32))
        weights = {name: value.numpy() for name, value in self._state[0].items()}
        return Trained(self, weights, found)

    def start(self, seed: int) -> dict[str, np.ndarray]:
        """Return the first weights; those of a head depend on its own shape alone.

        Args:
            seed: Of the draws.

        Returns:
            `kernel` and `bias` of all first layers, shapes (groups, rows, width) and
            (groups, rows, 1); with hidden layers `last_kernel` and `last_bias` of those
            above them, shapes (groups, heads, classes, units) and (groups, heads,
            classes, 1).
        """
        own, groups = self.layout, self.layout.groups

        @functools.cache
        def drawn(hidden: int) -> tuple[np.ndarray, np.ndarray]:
            rng = np.random.default_rng([seed, 78, hidden])
            first = _glorot(rng, self.width, hidden or self.classes)
            return first.T, _glorot(rng, max(hidden, 1), self.classes).T

        shapes = ((self.classes, own.flat), (own.hidden, own.units))
        flat, inner = (np.zeros((groups, *s, self.width), np.float32) for s in shapes)
        last = np.zeros((groups, own.hidden, self.classes, own.units), np.float32)
        for (group, place), number in own.places(own.linear):
            rate = np.float32(self.heads[number].learning_rate)
            flat[group, :, place] = drawn(0)[0] / rate
        for (group, place), number in own.places(own.deep):
            rate = np.float32(self.heads[number].learning_rate)
            hidden = self.heads[number].hidden
            first, top = drawn(hidden)
            inner[group, place, :hidden] = first / rate
            last[group, place, :, :hidden] = top / rate
        parts = [part.reshape(groups, -1, self.width) for part in (flat, inner)]
        kernel = np.concatenate(parts, axis=1)
        found = {"kernel": kernel, "bias": np.zeros_like(kernel[..., :1])}
        if own.hidden:
            found |= {"last_kernel": last, "last_bias": np.zeros_like(last[..., :1])}
        return found

    def answers(
        self, weights: Any, x: Any, noise: Any = None
    ) -> tuple[list[Any], list[Any]]:
        """Return the logits of all heads, and what their gradients need.

        Args:
            weights: As `start` returns them.
            x: Features on their axes, shape (n, width).
            noise: int32, shape (2,): of dropout; None drops nothing.

        Returns:
            Logits of linear heads, shape (groups, classes, heads, n), and, with hidden
            layers, of the others, shape (groups, heads, classes, n). The inputs of the
            first layers and, with hidden layers, of the last ones.
        """
        own, count = self.layout, tf.shape(x)[0]
        inputs = self._dropped(tf.transpose(x)[None], noise, 0)
        wide = tf.matmul(weights["kernel"], inputs) + weights["bias"]
        flat, inner = tf.split(wide * own.each_row("learning_rate"), own.rows, axis=1)
        logits = [tf.reshape(flat, [own.groups, self.classes, own.flat, count])]
        if not own.hidden:
            return logits, [inputs]
        inner = tf.nn.relu(inner)
        inner = tf.reshape(inner, [own.groups, own.hidden, own.units, count])
        inner = self._dropped(inner, noise, 1)
        last = tf.matmul(weights["last_kernel"], inner) + weights["last_bias"]
        return [*logits, last * own.each(own.deep, "learning_rate")], [inputs, inner]

    def _dropped(self, x: Any, noise: Any, layer: int) -> Any:
        """Return what each group sees: the same draws decide for every head.

        Args:
            x: Its last two axes are units and examples, so that the draws of fewer
                units are the first ones of more.
            noise: See `answers`.
            layer: 0 for the first.
        """
        dropout = self.layout.dropout
        if noise is None or not dropout.any():
            return x
        seed = noise + tf.constant([0, layer * 1_000_000_000])
        drawn = tf.random.stateless_uniform(tf.shape(x)[-2:], seed)
        rates = dropout.reshape([-1] + [1] * (len(x.shape) - 1))
        return x * (tf.cast(drawn >= rates, tf.float32) / (1 - rates))

    def _steps(self, x: Any, label: Any, order: Any, seed: Any) -> None:
        """Train the weights, step by step."""
        total = tf.shape(order)[0]

        def body(step: Any) -> Any:
            rows = tf.gather(order, step)
            targets = tf.one_hot(tf.gather(label, rows), self.classes, axis=0)
            share = tf.cast(step, tf.float32) / tf.cast(total, tf.float32)
            batch, noise = tf.gather(x, rows), tf.stack([seed, step])
            self._step(batch, targets, noise, 0.5 * (1 + tf.cos(np.pi * share)))
            return step + 1

        tf.while_loop(lambda step: step < total, body, [0], parallel_iterations=1)

    def _step(self, x: Any, targets: Any, noise: Any, fading: Any) -> None:
        own, (weights, one, two) = self.layout, self._state
        now = {name: value.value() for name, value in weights.items()}
        gradients = self._gradients(now, x, targets, noise)
        done = tf.cast(noise[1] + 1, tf.float32)
        decays = {
            "kernel": own.each_row("learning_rate", "weight_decay"),
            "last_kernel": own.each(own.deep, "learning_rate", "weight_decay"),
        }
        for name, value in weights.items():
            if name in decays and decays[name].any():
                value.assign(now[name] * (1 - fading * decays[name]))
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle,
                m=one[name].handle,
                v=two[name].handle,
                beta1_power=_BETA_1**done,
                beta2_power=_BETA_2**done,
                lr=fading,
                beta1=_BETA_1,
                beta2=_BETA_2,
                # Gradients are summed over the batch: its mean has this over its size.
                epsilon=_EPSILON * tf.cast(tf.shape(x)[0], tf.float32),
                grad=gradients[name],
            )

    def _gradients(
        self, now: Any, x: Any, targets: Any, noise: Any
    ) -> dict[str, tf.Tensor]:
        """Return the gradients of each head's own loss, summed over the batch."""
        own, count = self.layout, tf.shape(x)[0]
        logits, inputs = self.answers(now, x, noise)
        smoothing = own.each(own.linear, "label_smoothing").swapaxes(1, 2)
        slope = _slope(logits[0], targets[:, None], smoothing, 1)
        parts = [tf.reshape(slope, [own.groups, own.rows[0], count])]
        found = {}
        if own.hidden:
            top = _slope(logits[1], targets, own.each(own.deep, "label_smoothing"), 2)
            found["last_kernel"] = tf.matmul(top, inputs[1], transpose_b=True)
            found["last_bias"] = tf.reduce_sum(top, axis=3, keepdims=True)
            top = top * own.each(own.deep, "learning_rate")
            down = tf.matmul(now["last_kernel"], top, transpose_a=True)
            # What was dropped, or not above zero, has no part in it.
            kept = 1 - own.dropout.reshape(-1, 1, 1, 1)
            down = down * (tf.cast(inputs[1] > 0, tf.float32) / kept)
            parts.append(tf.reshape(down, [own.groups, own.rows[1], count]))
        wide = parts[0] if len(parts) == 1 else tf.concat(parts, 1)
        found["kernel"] = tf.matmul(wide, inputs[0], transpose_b=True)
        found["bias"] = tf.reduce_sum(wide, axis=2, keepdims=True)
        return found


@dataclass(frozen=True)
class Trained:
    """Heads that were trained together.

    Args:
        program: That trained them.
        weights: Of all heads.
        axes: Of the training features.
    """

    program: Program
    weights: Mapping[str, np.ndarray]
    axes: Axes

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return what every head answers.

        Args:
            features: Shape (n, width).

        Returns:
            float32, shape (heads, n, classes).
        """
        found, _ = self.program.answers(self.weights, self.axes(features))
        return self.program.layout.by_head(found)


def _slope(logits: Any, targets: Any, smoothing: np.ndarray, axis: int) -> Any:
    """Return the gradient of the cross-entropy by the logits.

    Sums over an axis that is not the last one are several times as quick.
    """
    raised = tf.exp(logits - tf.reduce_max(logits, axis=axis, keepdims=True))
    chance = raised / tf.reduce_sum(raised, axis=axis, keepdims=True)
    return chance - (targets * (1 - smoothing) + smoothing / logits.shape[axis])


def _order(count: int, steps: int, batch_size: int, seed: int) -> np.ndarray:
    """Return the rows of each step: every example once before any comes again."""
    rounds = -(-steps * batch_size // count)
    rng = np.random.default_rng([seed, 79])
    rows = np.concatenate([rng.permutation(count) for _ in range(rounds)])
    return rows[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    most = np.sqrt(6 / (rows + columns))
    return rng.uniform(-most, most, (rows, columns)).astype(np.float32)
