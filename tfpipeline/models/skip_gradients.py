"""Residual networks: which of two summands is the branch, and what it passes back."""

from typing import Any

import keras
import tensorflow as tf

from tfpipeline.models.relu_gradients import altered


class Branches:
    """Lets the branches of a residual network pass back a share of their gradient.

    A network's outputs do not change. Its gradient comes to go by the skip
    connections, and those are what other networks have in common with it.

    It records every output in a graph, in order; then a sum is known to have a skip
    connection where one of its summands was made of the other one.

    Args:
        share: Of the gradient that a branch passes back; 1 is all.

    Source: the skip gradient method, Wu et al., arXiv:2002.05990.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        # By the id of an output: itself, so that no other gets its id, and one bit for
        # each output that it was made of.
        self._outputs: dict[int, tuple[Any, int]] = {}

    def record(self, args: Any, output: Any) -> None:
        """Record an operation's arguments and output; several outputs are ignored."""
        known = id(output) in self._outputs
        if self.share == 1 or known or not tf.is_tensor(output):
            return
        bits = 1 << len(self._outputs)
        for value in keras.tree.flatten(args):
            bits |= self._ancestors(value)
        self._outputs[id(output)] = (output, bits)

    def summands(self, layer: Any, args: Any) -> Any:
        """Return the arguments that an operation is to be called with."""
        # A layer, or the operation of `+`.
        if self.share == 1 or type(layer).__name__ != "Add":
            return args
        together = isinstance(args[0], list | tuple)
        pair = list(args[0] if together else args)
        branch = self._branch(pair)
        if branch is None:
            return args
        pair[branch] = _damp(pair[branch], self.share)
        return (pair, *args[1:]) if together else tuple(pair)

    def _branch(self, pair: list[Any]) -> int | None:
        """Return which of two summands was made of the other one."""
        if len(pair) != 2:
            return None
        first, second = map(self._ancestors, pair)
        if first == second or not first or not second:
            return None
        if first & second == first:
            return 1
        return 0 if first & second == second else None

    def _ancestors(self, value: Any) -> int:
        return self._outputs.get(id(value), (None, 0))[1]


def _damp(branch: Any, share: float) -> Any:
    """Return the same values, with a share of their gradient."""
    return altered(tf.identity, branch, lambda upstream, _: upstream * share)
