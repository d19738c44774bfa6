"""The one loop of all attacks: a batch that images leave as soon as they are done."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.attack.engine.base import FIXED, Attack, State, Task
from tfpipeline.attack.engine.model import check_images
from tfpipeline.core import progress
from tfpipeline.core.errors import UserError


@dataclass(frozen=True)
class Wanted:
    """Images to be attacked.

    Args:
        clean: In [0, 1], shape (n, height, width, 3), float32.
        index: The target or the label of each, shape (n,).
        epsilon: Radius for each, shape (n,); attacks of the minimal norm heed none.
        key: A number of its own for each, from which its draws are made.
        turn: How often each has been attacked in the same way before, shape (n,).
    """

    clean: np.ndarray
    index: np.ndarray
    epsilon: np.ndarray
    key: np.ndarray
    turn: np.ndarray

    def __len__(self) -> int:
        return len(self.clean)

    @classmethod
    def of(cls, clean: np.ndarray, index: Sequence[int], epsilon: float) -> "Wanted":
        """Return images with one radius for all, each with its place as its key.

        Args:
            clean: In [0, 1], shape (n, height, width, 3), or uint8.
            index: The target or the label of each.
            epsilon: The radius.

        Raises:
            UserError: It is no batch, values are no numbers or not in [0, 1], or there
                is another number of labels.
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

    def some(self, which: np.ndarray | slice) -> "Wanted":
        """Return some of them.

        Args:
            which: Their places, or a bool for each.
        """
        parts = (self.clean, self.index, self.epsilon, self.key, self.turn)
        return Wanted(*(part[which] for part in parts))


@dataclass
class Found:
    """What an attack came to; the first axis of each array is the image.

    Args:
        image: In [0, 1], shape (n, height, width, 3).
        success: Whether all networks are fooled by it.
        steps: That were made: questions to the network.
        flat: How many of them found no gradient.
        free: Whether only an attack without gradients has succeeded, after one with.
    """

    image: np.ndarray
    success: np.ndarray
    steps: np.ndarray
    flat: np.ndarray
    free: np.ndarray

    @classmethod
    def nothing(cls, wanted: Wanted) -> "Found":
        """Return what no step comes to.

        Args:
            wanted: The images.
        """
        count = len(wanted)
        none = np.zeros(count, np.int64)
        return cls(
            wanted.clean.copy(),
            np.zeros(count, bool),
            none,
            none.copy(),
            np.zeros(count, bool),
        )

    def some(self, which: np.ndarray) -> "Found":
        """Return what became of some of them.

        Args:
            which: Their places, or a bool for each.
        """
        parts = (self.image, self.success, self.steps, self.flat, self.free)
        return Found(*(part[which] for part in parts))


class Loop:
    """An attack on any number of images, so many at a time.

    A step is traced once, for any number of images, and runs on every replica. After it
    the images that are done leave, others enter, and nobody pays for steps that are not
    needed. What becomes of an image does not depend on the others, but for the rounding
    errors of a network that adds up in another order for another batch size.

    Args:
        attack: A row of `ATTACKS`.
        task: What is asked of it.
        strategy: Where the steps run; its replicas and workers share the images.
        batch_size: Images at a time, on all replicas of a worker.
    """

    def __init__(
        self,
        attack: Attack,
        task: Task,
        strategy: tf.distribute.Strategy,
        batch_size: int = 20,
    ) -> None:
        self.attack = attack
        self.task = task
        self.strategy = strategy
        self.batch_size = batch_size
        self._names: tuple[str, ...] = ()
        traced = functools.partial(tf.function, autograph=False, reduce_retracing=True)
        self._start = traced(self._begin)
        self._finish = traced(self._end)
        self._replicated = traced(lambda *values: strategy.run(self._move, args=values))
        self._single: Any = None

    def run(self, wanted: Wanted, title: str | None = None) -> Found:
        """Attack some images.

        Args:
            wanted: The images.
            title: Of the progress bar; None shows none.
        """
        index, workers = distribute.workers(self.strategy)
        if workers == 1:
            return self._run(wanted, title)
        # So that no worker has to fill up its own part.
        padded = distribute.replica_multiple(len(wanted), self.strategy)
        rows = np.minimum(np.arange(padded), len(wanted) - 1)
        mine = distribute.own_part(self.strategy, rows)
        found = self._run(wanted.some(mine), title if index == 0 else None)
        parts = [found.image, found.success, found.steps, found.flat, found.free]
        return Found(*(self._joined(part)[: len(wanted)] for part in parts))

    def _joined(self, part: np.ndarray) -> np.ndarray:
        """Return what all workers have."""
        # What workers exchange are numbers.
        plain = part.astype(np.int32) if part.dtype == bool else part
        (value,) = distribute.split(self.strategy, (plain,))
        return distribute.gather_all(self.strategy, value).astype(part.dtype)

    def _run(self, wanted: Wanted, title: str | None) -> Found:
        found = Found.nothing(wanted)
        waiting, batch = list(range(len(wanted))), _Batch.empty()
        with progress.bar(len(wanted), title, "image") as bar:
            while waiting or len(batch.rows):
                room = self.batch_size - len(batch.rows)
                entering, waiting = waiting[:room], waiting[room:]
                if entering:
                    self._enter(batch, wanted, entering)
                while not batch.leaving(self.attack.steps).any():
                    self._step(batch)
                bar.update(self._leave(batch, found))
        return found

    def _enter(self, batch: "_Batch", wanted: Wanted, rows: Sequence[int]) -> None:
        """Put images into the batch."""
        some = wanted.some(np.asarray(rows))
        state = self._start(
            {
                "clean": tf.constant(some.clean, tf.float32),
                "index": tf.constant(some.index, tf.int32),
                "epsilon": tf.constant(some.epsilon, tf.float32),
                "key": tf.constant(some.key, tf.int32),
                "turn": tf.constant(some.turn, tf.int32),
                "number": tf.zeros([len(rows)], tf.int32),
            }
        )
        self._names = tuple(sorted(state))
        before = self._pulled(batch)
        if before is not None:
            state = {n: tf.concat([before[n], state[n]], 0) for n in state}
        batch.rows = np.append(batch.rows, rows).astype(int)
        batch.numbers = np.append(batch.numbers, np.zeros(len(rows), int))
        batch.done = np.append(batch.done, np.zeros(len(rows), bool))
        self._pushed(batch, state)

    def _leave(self, batch: "_Batch", found: Found) -> int:
        """Take out the images that are done, and note what became of them."""
        state, leaving = self._pulled(batch), batch.leaving(self.attack.steps)
        assert state is not None
        which = np.flatnonzero(leaving)
        ended = self._finish({n: tf.gather(v, which) for n, v in state.items()})
        rows = batch.rows[which]
        found.image[rows] = np.asarray(ended["found"])
        found.success[rows] = np.asarray(ended["success"])
        found.flat[rows] = np.asarray(ended["flat"])
        found.steps[rows] = batch.numbers[which]
        stay = np.flatnonzero(~leaving)
        batch.rows, batch.numbers = batch.rows[stay], batch.numbers[stay]
        batch.done = batch.done[stay]
        self._pushed(batch, {n: tf.gather(v, stay) for n, v in state.items()})
        return len(which)

    def _step(self, batch: "_Batch") -> None:
        """Make a step; see who is done."""
        if self._single is not None:
            batch.values = self._single(*batch.values)
        else:
            batch.values = self._replicated(*batch.values)
        batch.numbers += 1
        done = batch.values[self._names.index("done")]
        batch.done = distribute.gather(self.strategy, done)[: len(batch.rows)]

    def _pulled(self, batch: "_Batch") -> State | None:
        """Return the state of the batch, from all replicas."""
        if not len(batch.rows):
            return None
        count, found = len(batch.rows), {}
        for name, value in zip(self._names, batch.values):
            parts = self.strategy.experimental_local_results(value)
            whole = parts[0] if len(parts) == 1 else tf.concat(parts, 0)
            found[name] = whole[:count]
        return found

    def _pushed(self, batch: "_Batch", state: State) -> None:
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
                    lambda *some: self.strategy.run(self._move, args=some),
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

    def _begin(self, state: State) -> State:
        return self.attack.start(self.task, self.task.bounded(state))

    def _end(self, state: State) -> State:
        return self.attack.finish(self.task, state)

    def _move(self, *values: tf.Tensor) -> tuple[tf.Tensor, ...]:
        state = dict(zip(self._names, values))
        moved = self.attack.step(self.task, state)
        moved["number"] = state["number"] + 1
        # What the loop has put in keeps its place, and its shape.
        return tuple(
            values[k] if name in FIXED else moved[name]
            for k, name in enumerate(self._names)
        )


@dataclass
class _Batch:
    """The images that are under attack.

    Args:
        rows: Which of the wanted ones they are.
        numbers: Steps that each has made.
        done: Whether each may leave.
        values: Their state, one value a name, as the replicas have it.
    """

    rows: np.ndarray
    numbers: np.ndarray
    done: np.ndarray
    values: tuple[Any, ...]

    @classmethod
    def empty(cls) -> "_Batch":
        return cls(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool), ())

    def leaving(self, steps: int) -> np.ndarray:
        """Tell which images leave: those that are done, or have made all steps."""
        return self.done | (self.numbers >= steps)
