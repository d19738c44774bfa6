"""Dozens of heads on the same features, trained together in one traced program.

Heads whose input is dropped at the same rate read the same masked batch, so their
first layers are one wide matrix product. Nothing of a head depends on the others: its
start is drawn from the seed and its own shape, its order and noise from seed and step.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.training.heads import Head, check

# Of AdamW. Epsilon is that of a rate of 1; of a head it is this over its rate.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-10


class Program:
    """Trains the same heads on any features of one width: traced once.

    The columns of all first layers stand side by side, those with the same dropout in
    one matrix; a hidden layer has as many units as the largest, the others zero.

    Weights are kept in units of the learning rate: one fused step of Adam, at rate 1,
    then moves every head at its own. Adam does not see the scale of its gradients.

    Args:
        heads: What is trained together.
        width: Of the features.
        classes: Number of logits.

    Raises:
        UserError: A number out of range.
    """

    def __init__(self, heads: Sequence[Head], width: int, classes: int) -> None:
        check(heads)
        self.heads, self.width, self.classes = tuple(heads), width, classes
        self.units = max(head.hidden for head in heads)
        self.order = sorted(
            range(len(heads)), key=lambda i: (heads[i].dropout, heads[i].hidden > 0)
        )
        self._linear = [i for i in self.order if not heads[i].hidden]
        self._deep = [i for i in self.order if heads[i].hidden]
        self._rates = tuple(dict.fromkeys(heads[i].dropout for i in self.order))
        self._train = tf.function(self._steps, reduce_retracing=True)
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
            features: Shape (n, width).
            label: Index of the class of each, shape (n,).
            steps: Of the optimizer.
            batch_size: Examples a step; all of them where there are fewer.
            seed: Of starts, order and dropout.

        Returns:
            The heads as they are after the last step.
        """
        mean, scale = _scale(features)
        x = ((np.asarray(features, np.float64) - mean) / scale).astype(np.float32)
        order = _order(len(x), steps, min(batch_size, len(x)), seed)
        for name, value in self.start(seed).items():
            self._state[0][name].assign(value)
            for moments in self._state[1:]:
                moments[name].assign(np.zeros_like(value))
        self._train(x, np.asarray(label, np.int32), order, tf.constant(seed, tf.int32))
        weights = {name: value.numpy() for name, value in self._state[0].items()}
        return Trained(self, weights, mean, scale)

    def start(self, seed: int) -> dict[str, np.ndarray]:
        """Return the first weights; those of a head depend on its own shape alone.

        Args:
            seed: Of the draws.
        """
        found, last = {}, []

        @functools.cache
        def drawn(hidden: int) -> tuple[np.ndarray, np.ndarray]:
            rng = np.random.default_rng([seed, 78, hidden])
            first = _glorot(rng, self.width, hidden or self.classes)
            return first, _glorot(rng, max(hidden, 1), self.classes)

        for rate in self._rates:
            kernels = []
            for number in self._with(rate):
                hidden = self.heads[number].hidden
                kernel, top = drawn(hidden)
                if hidden:
                    unused = self.units - hidden
                    kernel = np.pad(kernel, ((0, 0), (0, unused)))
                    last.append(np.pad(top, ((0, unused), (0, 0))))
                kernels.append(kernel / np.float32(self.heads[number].learning_rate))
            found[f"kernel_{rate}"] = np.concatenate(kernels, axis=1)
            found[f"bias_{rate}"] = np.zeros(found[f"kernel_{rate}"].shape[1])
        if last:
            units = self._of(self._deep, "learning_rate")[:, None, None]
            found["last_kernel"] = np.stack(last) / units
            found["last_bias"] = np.zeros((len(last), 1, self.classes))
        return {name: value.astype(np.float32) for name, value in found.items()}

    def answers(self, weights: Any, x: Any, noise: Any = None) -> Any:
        """Return logits of all heads, in the program's own order: linear, then deep.

        Args:
            weights: As `start` returns them.
            x: Scaled features, shape (n, width).
            noise: int32, shape (2,): of dropout; None drops nothing.
        """
        flat, deep = [], []
        drops = noise is not None and any(self._rates)
        drawn = _drawn(tf.shape(x), noise, 0) if drops else None
        for rate in self._rates:
            mine = self._with(rate)
            few = sum(not self.heads[i].hidden for i in mine) * self.classes
            kernel = weights[f"kernel_{rate}"]
            wide = tf.matmul(_dropped(x, rate, drawn), kernel) + weights[f"bias_{rate}"]
            wide *= self._each(mine, "learning_rate")
            parts = tf.split(wide, [few, kernel.shape[1] - few], axis=1)
            flat.append(parts[0])
            deep.append(parts[1])
        logits = self._apart(flat, len(self._linear), self.classes)
        if not self._deep:
            return logits
        inner = tf.nn.relu(self._apart(deep, len(self._deep), self.units))
        if drops:
            # Turned: the draws of a smaller layer are the first ones of a larger.
            turned = [self.units, tf.shape(inner)[1]]
            own = tf.transpose(_drawn(turned, noise, 1))
            rates = self._of(self._deep, "dropout")[:, None, None]
            inner = inner * (tf.cast(own >= rates, tf.float32) / (1 - rates))
        last = tf.matmul(inner, weights["last_kernel"]) + weights["last_bias"]
        units = self._of(self._deep, "learning_rate")[:, None, None]
        return tf.concat([logits, last * units], 0)

    @staticmethod
    def _apart(wide: Sequence[Any], heads: int, units: int) -> Any:
        """Return columns that stand side by side in shape (heads, batch, units)."""
        joined = wide[0] if len(wide) == 1 else tf.concat(wide, 1)
        split = tf.reshape(joined, [tf.shape(joined)[0], heads, units])
        return tf.transpose(split, [1, 0, 2])

    def _steps(self, x: Any, label: Any, order: Any, seed: Any) -> None:
        """Train the weights, step by step."""
        total = tf.shape(order)[0]

        def body(step: Any) -> Any:
            rows = tf.gather(order, step)
            targets = tf.one_hot(tf.gather(label, rows), self.classes)
            share = tf.cast(step, tf.float32) / tf.cast(total, tf.float32)
            batch, noise = tf.gather(x, rows), tf.stack([seed, step])
            self._step(batch, targets, noise, 0.5 * (1 + tf.cos(np.pi * share)))
            return step + 1

        tf.while_loop(lambda step: step < total, body, [0], parallel_iterations=1)

    def _step(self, x: Any, targets: Any, noise: Any, fading: Any) -> None:
        weights, one, two = self._state
        smoothing = self._of([*self._linear, *self._deep], "label_smoothing")
        smoothing = smoothing[:, None, None]
        wanted = targets * (1 - smoothing) + smoothing / self.classes
        now = {name: value.value() for name, value in weights.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(now)
            logits = self.answers(now, x, noise)
            each = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            # Summed over the heads: none has a part in the others' gradients.
            loss = tf.reduce_sum(tf.reduce_mean(each, axis=1))
        gradients = tape.gradient(loss, now)
        done = tf.cast(noise[1] + 1, tf.float32)
        for name, value in weights.items():
            decays = self._decays(name)
            if decays is not None:
                value.assign(now[name] * (1 - fading * decays))
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle,
                m=one[name].handle,
                v=two[name].handle,
                beta1_power=_BETA_1**done,
                beta2_power=_BETA_2**done,
                lr=fading,
                beta1=_BETA_1,
                beta2=_BETA_2,
                epsilon=_EPSILON,
                grad=gradients[name],
            )

    def _decays(self, name: str) -> Any:
        """Return what of a weight decays in a step, before the rate fades; or None."""
        if "kernel" not in name:
            return None
        # Without a loop that has an else, which AutoGraph complains of.
        mine = [self._with(rate) for rate in self._rates if name == f"kernel_{rate}"]
        if mine:
            found = self._each(mine[0], "learning_rate", "weight_decay")
        else:
            found = self._of(self._deep, "learning_rate", "weight_decay")
            found = found[:, None, None]
        return found if found.any() else None

    def _with(self, dropout: float) -> list[int]:
        return [i for i in self.order if self.heads[i].dropout == dropout]

    def _each(self, members: Sequence[int], *names: str) -> np.ndarray:
        """Return a number a column of the heads with the same dropout."""
        columns = [
            self.units if self.heads[i].hidden else self.classes for i in members
        ]
        return np.repeat(self._of(members, *names), columns)

    def _of(self, members: Sequence[int], *names: str) -> np.ndarray:
        """Return the product of some numbers of each head."""
        heads = [self.heads[number] for number in members]
        found = [[getattr(head, name) for head in heads] for name in names]
        return np.prod(np.array(found), axis=0).astype(np.float32)

    def places(self) -> list[int]:
        """Return where each head stands in what `answers` returns."""
        standing = [*self._linear, *self._deep]
        return [standing.index(number) for number in range(len(self.heads))]


@dataclass(frozen=True)
class Trained:
    """Heads that were trained together.

    Args:
        program: That trained them.
        weights: Of all heads.
        mean: Of the training features, which is subtracted.
        scale: That they are divided by.
    """

    program: Program
    weights: Mapping[str, np.ndarray]
    mean: np.ndarray
    scale: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return what every head answers.

        Args:
            features: Shape (n, width).

        Returns:
            float32, shape (heads, n, classes).
        """
        x = ((np.asarray(features, np.float64) - self.mean) / self.scale).astype("f4")
        found = np.asarray(self.program.answers(self.weights, x))
        return found[self.program.places()]

    def best(self, features: np.ndarray, label: np.ndarray) -> int:
        """Return the number of the head with the best accuracy; of equals, least loss.

        Args:
            features: Of the validation examples, shape (n, width); without any it is
                the first head.
            label: Index of the class of each, shape (n,).
        """
        if not len(label):
            return 0
        logits = self.logits(features)
        right = (logits.argmax(axis=2) == label).mean(axis=1)
        rows = np.arange(len(label))
        sure = np.asarray(tf.nn.log_softmax(logits))[:, rows, label].mean(axis=1)
        return int(np.lexsort((-sure, -right))[0])


def _drawn(shape: Any, noise: Any, layer: int) -> Any:
    """Return what decides which values are dropped, the same for every head."""
    seed = noise + tf.constant([0, layer * 1_000_000_000])
    return tf.random.stateless_uniform(shape, seed)


def _dropped(x: Any, rate: float, drawn: Any) -> Any:
    if drawn is None or not rate:
        return x
    return x * tf.cast(drawn >= rate, tf.float32) / (1 - rate)


def _scale(features: np.ndarray) -> tuple[np.ndarray, float]:
    x = np.asarray(features, np.float64)
    mean = x.mean(axis=0)
    return mean, float(np.sqrt(((x - mean) ** 2).mean())) or 1.0


def _order(count: int, steps: int, batch_size: int, seed: int) -> np.ndarray:
    """Return the rows of each step: every example once before any comes again."""
    rounds = -(-steps * batch_size // count)
    rng = np.random.default_rng([seed, 79])
    rows = np.concatenate([rng.permutation(count) for _ in range(rounds)])
    return rows[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    most = np.sqrt(6 / (rows + columns))
    return rng.uniform(-most, most, (rows, columns)).astype(np.float32)
