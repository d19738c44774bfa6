"""Ways to train a head, to be tried together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfpipeline.core.errors import UserError, check_each


@dataclass(frozen=True)
class Head:
    """One way to make and train a head."""

    learning_rate: float = 1e-3  # Of AdamW at its start; it falls to 0 as a cosine.
    weight_decay: float = 0.0  # Decoupled, of kernels.
    dropout: float = 0.0  # Share of the inputs of each layer, in [0, 1).
    hidden: int = 0  # Units of a hidden layer with ReLU; 0 is a linear head.
    label_smoothing: float = 0.0


# What a random search draws from; rates and decays evenly on a logarithmic scale.
SPACE: dict[str, tuple[float, ...]] = {
    "learning_rate": (3e-4, 3e-2),
    "weight_decay": (1e-4, 1.0),
    "dropout": (0.0, 0.2, 0.5),
    "hidden": (0, 0, 0, 16),
    "label_smoothing": (0.0, 0.1),
}


def draw_heads(count: int, seed: int) -> tuple[Head, ...]:
    """Return heads to try, a plain linear one first; more of them include the fewer."""
    if count < 1:
        raise UserError(f"--heads: expected at least 1. Received: {count}.")
    rng = np.random.default_rng([seed, 77])
    heads = [Head(3e-3, 1e-2)]
    while len(heads) < count:
        rate, decay = (
            float(np.exp(rng.uniform(*np.log(SPACE[name]))))
            for name in ("learning_rate", "weight_decay")
        )
        dropout, hidden, smoothing = (
            SPACE[name][rng.integers(len(SPACE[name]))]
            for name in ("dropout", "hidden", "label_smoothing")
        )
        heads.append(Head(rate, decay, dropout, int(hidden), smoothing))
    return tuple(heads)


def check(heads: Sequence[Head]) -> None:
    """Refuse no heads, or a number that is out of range."""
    if not heads:
        raise UserError("Expected at least one head to search.")
    for head in heads:
        expected = {
            "learning_rate": ("a positive number", head.learning_rate > 0),
            "weight_decay": ("0 or more", head.weight_decay >= 0),
            "dropout": ("0 up to, but not, 1", 0 <= head.dropout < 1),
            "hidden": ("0 or more", head.hidden >= 0),
            "label_smoothing": ("0 up to, but not, 1", 0 <= head.label_smoothing < 1),
        }
        check_each("head", head, expected)
