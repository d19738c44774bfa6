"""What a classifier says of each single example, and how wrong it is."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfpipeline.metrics import classification, label_errors

# Examples whose probabilities are in memory at a time.
_CHUNK = 16384


@dataclass(frozen=True)
class Judgement:
    """The answers to some examples; every array has one entry an example.

    Args:
        label: Index of the class that it is said to have.
        best: Indices of the likeliest classes, best first, shape (n, 3 at most).
        chance: Their probabilities, as the logits are, shape (n, 3 at most).
        own: Probability of the label.
        loss: Cross-entropy in nats.
        confidence: Probability of the best class, with the temperature.
        other: What it may be instead of its label, -1 where nothing is suspected.
        suspicion: How much speaks for that, in [0, 1].
    """

    label: np.ndarray
    best: np.ndarray
    chance: np.ndarray
    own: np.ndarray
    loss: np.ndarray
    confidence: np.ndarray
    other: np.ndarray
    suspicion: np.ndarray

    @property
    def called(self) -> np.ndarray:
        """Index of the likeliest class of each example, shape (n,)."""
        return np.asarray(self.best[:, 0])


def judge(logits: np.ndarray, label: np.ndarray, temperature: float = 1.0) -> Judgement:
    """Return what logits say of examples of one split.

    Args:
        logits: Shape (n, classes), n at least 1.
        label: Index of the true class, shape (n,).
        temperature: By which logits are divided for `confidence`.
    """
    parts = [
        _part(
            logits[start : start + _CHUNK], label[start : start + _CHUNK], temperature
        )
        for start in range(0, len(label), _CHUNK)
    ]
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    shares = found.pop("shares")
    other, suspicion = label_errors.suspect(shares, label)
    return Judgement(label=np.asarray(label), other=other, suspicion=suspicion, **found)


def _part(
    logits: np.ndarray, label: np.ndarray, temperature: float
) -> dict[str, np.ndarray]:
    logs = classification.log_probabilities(logits)
    each = np.arange(len(label))
    best = classification.top_k(logits, 3)
    tempered = classification.log_probabilities(logits / temperature)
    return {
        "best": best,
        "chance": np.exp(np.take_along_axis(logs, best, 1)),
        "own": np.exp(logs[each, label]),
        "loss": -logs[each, label],
        "confidence": np.exp(tempered[each, best[:, 0]]),
        # A probability has no more digits that matter than these.
        "shares": np.exp(logs).astype(np.float32),
    }


def joined(parts: Sequence[Judgement]) -> Judgement:
    """Return the answers to the examples of several splits.

    Args:
        parts: At least one.
    """
    names = [entry.name for entry in dataclasses.fields(Judgement)]
    return Judgement(
        **{n: np.concatenate([getattr(part, n) for part in parts]) for n in names}
    )
