"""Which layers of a backbone learn in fine-tuning, and how fast each of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfpipeline.config import FineTuneSettings
from tfpipeline.core.errors import UserError, check_each, unknown

# Up to its number, a name tells the block: block_13_expand, conv4_block2_1_conv.
_BLOCK = re.compile(r"^.*?(?:block_?\d+[a-z]?|expanded_conv(?:_\d+)?)(?![0-9])")


@dataclass(frozen=True)
class Unfrozen:
    """The layers that learn, block by block from the top.

    Args:
        blocks: Names of the blocks, and their layers that have weights to train.
    """

    blocks: tuple[tuple[str, tuple[Any, ...]], ...]

    def multipliers(
        self,
        settings: FineTuneSettings,
        variables: Sequence[keras.Variable],
        epoch: int,
    ) -> list[float]:
        """Return what the learning rate of each variable is multiplied by.

        Args:
            settings: The section `fine_tune`.
            variables: Those of the head, at 1, and those of the blocks.
            epoch: Number of the epoch, from 0; blocks that have yet to join are at 0.

        Returns:
            One factor a variable.

        Source: Howard & Ruder, arXiv:1801.06146 (gradual unfreezing, discriminative
            rates); Clark et al., arXiv:2003.10555 (layer-wise decay).
        """
        factors: dict[int, float] = {}
        for number, (_, layers) in enumerate(self.blocks):
            joined = epoch >= number * settings.gradual_epochs
            rate = settings.layer_decay**number if joined else 0.0
            factors.update((id(weight), rate) for weight in _weights(layers))
        return [factors.get(id(variable), 1.0) for variable in variables]


def check(settings: FineTuneSettings) -> None:
    """Refuse settings of the section `fine_tune` that cannot be.

    Args:
        settings: The section.

    Raises:
        UserError: A number out of range.
    """
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

    Returns:
        What learns now.

    Raises:
        UserError: No such block, or a number out of range.
    """
    backbone.trainable = True
    layers = [layer for layer in _leaves(backbone) if _learns(layer)]
    chosen = layers[_first(layers, str(wish)) :]
    for layer in _leaves(backbone):
        layer.trainable = any(layer is one for one in chosen)
    blocks: list[tuple[str, list[Any]]] = []
    for layer in reversed(chosen):
        name = block_name(layer.name)
        if not blocks or blocks[-1][0] != name:
            blocks.append((name, []))
        blocks[-1][1].append(layer)
    return Unfrozen(tuple((name, tuple(some)) for name, some in blocks))


def check_wish(backbone: keras.Model, wish: str | int | float) -> None:
    """Refuse a wish that `unfreeze` could not fulfil; the backbone stays frozen.

    Args:
        backbone: Frozen.
        wish: As for `unfreeze`.

    Raises:
        UserError: No such block, or a number out of range.
    """
    try:
        unfreeze(backbone, wish)
    finally:
        backbone.trainable = False


def block_name(layer: str) -> str:
    """Return the name of the block that a layer belongs to; its own where it has none.

    Args:
        layer: Its name, e.g. `block_13_expand` or `conv4_block2_1_conv`.
    """
    found = _BLOCK.match(layer)
    return found[0] if found else layer


def moving_statistics(model: keras.Model) -> list[np.ndarray]:
    """Return the statistics that batch norm must not move while it is frozen.

    Args:
        model: A backbone.
    """
    return [
        np.array(weight)
        for layer in _leaves(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        for weight in layer.non_trainable_weights
    ]


def check_unmoved(model: keras.Model, before: Sequence[np.ndarray]) -> None:
    """Make sure that a training left the batch norm alone.

    Args:
        model: A backbone.
        before: What `moving_statistics` returned before the training.

    Raises:
        RuntimeError: They have moved: a bug here or in Keras.
    """
    for old, new in zip(before, moving_statistics(model), strict=True):
        if not np.array_equal(old, new, equal_nan=True):
            raise RuntimeError("Frozen batch-norm statistics have moved in training.")


def _leaves(model: keras.Model) -> list[Any]:
    found = []
    for layer in model.layers:
        found += _leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def _learns(layer: Any) -> bool:
    norm = isinstance(layer, keras.layers.BatchNormalization)
    return not norm and bool(layer.trainable_weights)


def _weights(layers: Sequence[Any]) -> list[keras.Variable]:
    return [weight for layer in layers for weight in layer.trainable_weights]


def _first(layers: Sequence[Any], wish: str) -> int:
    """Return the position of the lowest layer that a wish means."""
    count = len(layers)
    if wish == "all":
        return 0
    try:
        number = float(wish)
    except ValueError:
        names = [layer.name for layer in layers]
        blocks = [block_name(name) for name in names]
        for known in (blocks, names):
            if wish in known:
                return known.index(wish)
        known_names = {"all", *blocks}
        raise unknown("--fine_tune.unfreeze", wish, known_names) from None
    if 0 < number < 1:
        return count - max(1, round(number * count))
    if number != int(number) or not 1 <= number <= count:
        raise UserError(
            f"--fine_tune.unfreeze: expected all, a number of layers from 1 to {count},"
            f" a share between 0 and 1, or the name of a block. Received: {wish}."
        )
    return count - int(number)
