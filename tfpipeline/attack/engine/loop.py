"""The one loop of all attacks: a batch that images leave as soon as they are done."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.attack.engine.base import FIXED, Attack, State, Task
from tfpipeline.attack.engine.model import check_images
from tfpipeline.core import progress
from tfpipeline.core.errors import UserError

_R = TypeVar("_R", bound="_Rows")

# Of the wanted ones; the others are whole numbers.
_FLOATS = ("clean", "epsilon")


class _Rows:
    """A dataclass of arrays; the first axis of each is the image."""

    def take(self: _R, which: np.ndarray | slice) -> _R:
        """Return some of them, by their places or a bool for each."""
        return type(self)(*(part[which] for part in vars(self).values()))

    @classmethod
    def joined(cls: type[_R], parts: Iterable[_R]) -> _R:
        """Return several, one after the other."""
        return cls(*map(np.concatenate, zip(*(vars(p).values() for p in parts))))


@dataclass(frozen=True)
class Goals(_Rows):
    """Images to be attacked."""

    clean: np.ndarray  # In [0, 1], shape (n, height, width, 3), float32.
    index: np.ndarray  # The target or the label of each, shape (n,).
    epsilon: np.ndarray  # Radii, shape (n,); attacks of the minimal norm heed none.
    key: np.ndarray  # A number of its own for each, from which its draws are made.
    turn: np.ndarray  # How often each has been attacked in the same way before.

    def __len__(self) -> int:
        return len(self.clean)

    @classmethod
    def of(cls, clean: np.ndarray, index: Sequence[int], epsilon: float) -> "Goals":
        """Return images (uint8, or in [0, 1]) with one radius, and a class each.

        Raises:
            UserError: It is no batch, values are NaN or not in [0, 1], or there is
                another number of classes.
        """
        check_images(clean)
        if len(index) != len(clean):
            raise UserError(
                f"Images to attack: expected a label or target each. Received: "
                f"{len(clean)} images and {len(index)} of those."
            )
        if clean.dtype == np.uint8:
            clean = clean.astype(np.float32) / np.float32(255)
        clean = clean.astype(np.float32, copy=False)
        rows = np.arange(len(clean))
        radius = np.full(len(clean), epsilon, np.float32)
        return cls(clean, np.asarray(index), radius, rows, np.zeros_like(rows))


@dataclass
class Outcome(_Rows):
    """What an attack came to."""

    image: np.ndarray  # In [0, 1], shape (n, height, width, 3).
    success: np.ndarray  # Whether all networks are fooled by it.
    steps: np.ndarray  # That were made: questions to the network.
    flat: np.ndarray  # How many of them found no gradient.
    # Whether only an attack without gradients succeeded, after others.
    free: np.ndarray

    @classmethod
    def nothing(cls, goals: Goals) -> "Outcome":
        """Return what no step comes to."""
        no, none = (np.zeros(len(goals), kind) for kind in (bool, np.int64))
        return cls(goals.clean.copy(), no, none, none.copy(), no.copy())


class Loop:
    """An attack on any number of images, so many at a time.

    A step is traced once, for any number of images, and runs on every replica. After it
    the images that are done leave, others enter, and nobody pays for steps that are not
    needed. What becomes of an image does not depend on the others, but for the rounding
    errors of a network that adds up in another order for another batch size. Replicas
    and workers share the images; the batch size is that of a worker.
    """

    def __init__(
        self,
        attack: Attack,
        task: Task,
        strategy: tf.distribute.Strategy,
        batch_size: int = 20,
    ) -> None:
        self.attack, self.task, self.strategy = attack, task, strategy
        self.batch_size = batch_size
        self._names: tuple[str, ...] = ()
        traced = functools.partial(tf.function, autograph=False, reduce_retracing=True)
        self._start = traced(lambda state: attack.start(task, task.bounded(state)))
        self._finish = traced(lambda state: attack.finish(task, state))
        self._replicated = traced(lambda *values: strategy.run(self._move, args=values))
        self._single: Any = None

    def run(self, goals: Goals, title: str | None = None) -> Outcome:
        """Attack some images, with a progress bar if it gets a title."""
        index, workers = distribute.workers(self.strategy)
        if workers == 1:
            return self._run(goals, title)
        # So that no worker has to fill up its own part.
        padded = distribute.replica_multiple(len(goals), self.strategy)
        rows = np.minimum(np.arange(padded), len(goals) - 1)
        mine = distribute.own_part(self.strategy, rows)
        own = self._run(goals.take(mine), title if index == 0 else None)
        return Outcome(*(self._gathered(part) for part in vars(own).values())).take(
            slice(len(goals))
        )

    def _gathered(self, part: np.ndarray) -> np.ndarray:
        """Return what all workers have."""
        # What workers exchange are numbers.
        plain = part.astype(np.int32) if part.dtype == bool else part
        (value,) = distribute.split(self.strategy, (plain,))
        return distribute.gather_all(self.strategy, value).astype(part.dtype)

    def _run(self, goals: Goals, title: str | None) -> Outcome:
        result = Outcome.nothing(goals)
        waiting, batch = list(range(len(goals))), _Batch()
        with progress.bar(len(goals), title, "image") as bar:
            while waiting or len(batch.rows):
                room = self.batch_size - len(batch.rows)
                entering, waiting = waiting[:room], waiting[room:]
                if entering:
                    self._enter(batch, goals, entering)
                while not batch.leaving(self.attack.steps).any():
                    self._step(batch)
                bar.update(self._leave(batch, result))
        return result

    def _enter(self, batch: "_Batch", goals: Goals, rows: Sequence[int]) -> None:
        """Put images into the batch."""
        state = {
            name: tf.constant(part, tf.float32 if name in _FLOATS else tf.int32)
            for name, part in vars(goals.take(np.asarray(rows))).items()
        }
        state = self._start(state | {"number": tf.zeros([len(rows)], tf.int32)})
        self._names = tuple(sorted(state))
        if len(batch.rows):
            before = self._pull(batch)
            state = {n: tf.concat([before[n], state[n]], 0) for n in state}
        batch.rows = np.append(batch.rows, rows).astype(int)
        batch.numbers = np.append(batch.numbers, np.zeros(len(rows), int))
        batch.done = np.append(batch.done, np.zeros(len(rows), bool))
        self._push(batch, state)

    def _leave(self, batch: "_Batch", result: Outcome) -> int:
        """Take out the images that are done, and note what became of them."""
        state, leaving = self._pull(batch), batch.leaving(self.attack.steps)
        which, stay = np.flatnonzero(leaving), np.flatnonzero(~leaving)
        last = self._finish({n: tf.gather(v, which) for n, v in state.items()})
        rows = batch.rows[which]
        result.image[rows] = np.asarray(last["adversarial"])
        result.success[rows] = np.asarray(last["success"])
        result.flat[rows] = np.asarray(last["flat"])
        result.steps[rows] = batch.numbers[which]
        batch.rows, batch.numbers = batch.rows[stay], batch.numbers[stay]
        batch.done = batch.done[stay]
        self._push(batch, {n: tf.gather(v, stay) for n, v in state.items()})
        return len(which)

    def _step(self, batch: "_Batch") -> None:
        """Make a step; see who is done."""
        step = self._replicated if self._single is None else self._single
        batch.values = step(*batch.values)
        batch.numbers += 1
        done = batch.values[self._names.index("done")]
        batch.done = distribute.gather(self.strategy, done)[: len(batch.rows)]

    def _pull(self, batch: "_Batch") -> State:
        """Return the state of the batch, from all replicas."""
        state = {}
        for name, value in zip(self._names, batch.values):
            parts = self.strategy.experimental_local_results(value)
            whole = parts[0] if len(parts) == 1 else tf.concat(parts, 0)
            state[name] = whole[: len(batch.rows)]
        return state

    def _push(self, batch: "_Batch", state: State) -> None:
        """Give each replica its part of a state; the last image fills it up."""
        if not len(batch.rows):
            batch.values = ()
            return
        replicas = int(self.strategy.num_replicas_in_sync)
        values = [state[name] for name in self._names]
        if replicas == 1:
            if self._single is None:
                # For any number of images at once: a retrace costs seconds.
                specs = [tf.TensorSpec([None, *v.shape[1:]], v.dtype) for v in values]
                self._single = tf.function(
                    lambda *values: self.strategy.run(self._move, args=values),
                    autograph=False,
                    input_signature=specs,
                )
            batch.values = tuple(values)
            return
        local = replicas // distribute.workers(self.strategy)[1]
        count = len(batch.rows)
        rows = np.minimum(np.arange(-(-count // local) * local), count - 1)
        padded = [tf.gather(value, rows) for value in values]
        batch.values = distribute.split(self.strategy, padded)

    def _move(self, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
        state = dict(zip(self._names, values))
        moved = self.attack.step(self.task, state)
        moved["number"] = state["number"] + 1
        # What the loop has put in keeps its place, and its shape.
        return tuple(
            values[k] if name in FIXED else moved[name]
            for k, name in enumerate(self._names)
        )


class _Batch:
    """The images that are under attack."""

    def __init__(self) -> None:
        # Which of the wanted ones they are, steps that each has made, and whether each
        # may leave; their state, one value a name, as the replicas have it.
        self.rows, self.numbers = np.zeros(0, int), np.zeros(0, int)
        self.done = np.zeros(0, bool)
        self.values: tuple[Any, ...] = ()

    def leaving(self, steps: int) -> np.ndarray:
        """Tell which images leave: those that are done, or have made all steps."""
        return self.done | (self.numbers >= steps)
