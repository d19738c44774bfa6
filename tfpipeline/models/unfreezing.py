"""Which layers of a backbone learn in fine-tuning, and how fast each of them."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfpipeline.config import FineTuneSettings
from tfpipeline.core.errors import UserError, check_each, unknown
from tfpipeline.models.classifier import leaves

# Up to its number, a name tells the block: block_13_expand, conv4_block2_1_conv.
_BLOCK = re.compile(r"^.*?(?:block_?\d+[a-z]?|expanded_conv(?:_\d+)?)(?![0-9])")


@dataclass(frozen=True)
class Unfrozen:
    """The layers that learn, by the names of their blocks, from the top."""

    blocks: tuple[tuple[str, tuple["Part", ...]], ...]

    def multipliers(
        self,
        settings: FineTuneSettings,
        variables: Sequence[keras.Variable],
        epoch: int,
    ) -> list[float]:
        """Return what the learning rate of each variable is multiplied by.

        Those of the head are at 1, those of blocks that have yet to join at 0.

        Source: Howard & Ruder, arXiv:1801.06146 (gradual unfreezing, discriminative
            rates); Clark et al., arXiv:2003.10555 (layer-wise decay).
        """
        factors: dict[int, float] = {}
        for number, (_, parts) in enumerate(self.blocks):
            joined = epoch >= number * settings.gradual_epochs
            rate = settings.layer_decay**number if joined else 0.0
            for part in parts:
                factors.update((id(weight), rate) for weight in part.trainable_weights)
        return [factors.get(id(variable), 1.0) for variable in variables]


def check(settings: FineTuneSettings) -> None:
    """Refuse numbers of the section `fine_tune` that are out of range."""
    expected = {
        "epochs": ("0 or more", settings.epochs >= 0),
        "layer_decay": ("more than 0, at most 1", 0 < settings.layer_decay <= 1),
        "gradual_epochs": ("0 or more", settings.gradual_epochs >= 0),
    }
    check_each("fine_tune", settings, expected)


def unfreeze(backbone: keras.Model, wish: str | int | float) -> Unfrozen:
    """Let the top of a backbone learn; batch norm stays frozen, wherever it stands.

    Args:
        backbone: Of a classifier.
        wish: `all`, a number of layers (those with weights count), a share of them, or
            the name of the lowest block or layer.
    """
    backbone.trainable = True
    norm = keras.layers.BatchNormalization
    every = [part for layer in leaves(backbone) for part in _parts(layer)]
    learning = [
        part
        for part in every
        if not isinstance(part.layer, norm) and any(w.trainable for w in part.weights)
    ]
    chosen = learning[_first([part.name for part in learning], str(wish)) :]
    for part in every:
        part.learn(part in chosen)
    blocks = itertools.groupby(reversed(chosen), lambda part: block_name(part.name))
    return Unfrozen(tuple((name, tuple(own)) for name, own in blocks))


@dataclass(frozen=True, eq=False)
class Part:
    """A layer, or what a layer that is made of others has beside them."""

    name: str
    layer: Any
    whole: bool  # Whether it is made of no others.

    @property
    def weights(self) -> list[Any]:
        """Its own weights, without those of the layers that it is made of."""
        return list(self.layer.weights if self.whole else self._own)

    @property
    def _own(self) -> list[Any]:
        return list(self.layer._trainable_variables)

    @property
    def trainable_weights(self) -> list[Any]:
        """Its own weights that learn."""
        return [weight for weight in self.weights if weight.trainable]

    def learn(self, learns: bool) -> None:
        """Let it learn, or freeze it; the layers that it is made of stay as they are.

        Keras asks a layer within another one only where the outer one learns.
        """
        if self.whole:
            self.layer.trainable = learns
            return
        for weight in self._own:
            weight.trainable = learns


def _parts(layer: Any, within: str = "") -> Iterator[Part]:
    """Yield the parts of a layer in order: a transformer is often one layer."""
    below = [one for one in layer._layers if one.weights]
    yield Part(f"{within}{layer.name}", layer, not below)
    for one in below:
        yield from _parts(one, f"{within}{layer.name}/")


def check_wish(backbone: keras.Model, wish: str | int | float) -> None:
    """Refuse a wish that `unfreeze` could not fulfil; the backbone stays frozen."""
    try:
        unfreeze(backbone, wish)
    finally:
        backbone.trainable = False


def block_name(layer: str) -> str:
    """Return the name of the block that a layer belongs to; its own where it has none.

    Of `block_13_expand` it is `block_13`, of `conv4_block2_1_conv` `conv4_block2`; of a
    layer in another one, `encoder/layers_3/mlp`, it is `encoder/layers_3`.
    """
    match = _BLOCK.match(layer)
    return match[0] if match else "/".join(layer.split("/")[:2])


def moving_statistics(model: keras.Model) -> list[np.ndarray]:
    """Return the statistics that batch norm must not move while it is frozen."""
    return [
        np.array(weight)
        for layer in leaves(model)
        for part in _parts(layer)
        if isinstance(part.layer, keras.layers.BatchNormalization)
        for weight in part.layer.non_trainable_weights
    ]


def check_unmoved(model: keras.Model, before: Sequence[np.ndarray]) -> None:
    """Make sure that a training left batch norm alone; else here or Keras is a bug.

    Args:
        model: A backbone.
        before: What `moving_statistics` returned before the training.
    """
    for old, new in zip(before, moving_statistics(model), strict=True):
        if not np.array_equal(old, new, equal_nan=True):
            raise RuntimeError("Frozen batch-norm statistics have moved in training.")


def _first(names: Sequence[str], wish: str) -> int:
    """Return the position of the lowest layer that a wish means."""
    count = len(names)
    if wish == "all":
        return 0
    try:
        number = float(wish)
    except ValueError:
        blocks = [block_name(name) for name in names]
        for known in (blocks, names):
            if wish in known:
                return known.index(wish)
        raise unknown("--fine_tune.unfreeze", wish, {"all", *blocks}) from None
    if 0 < number < 1:
        return count - max(1, round(number * count))
    if number != int(number) or not 1 <= number <= count:
        raise UserError(
            f"--fine_tune.unfreeze: expected all, a number of layers from 1 to {count},"
            f" a share between 0 and 1, or the name of a block. Received: {wish}."
        )
    return count - int(number)
