"""What a classifier says of each single example, and whether its label is wrong."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfpipeline.metrics import classification

# Examples whose probabilities are in memory at a time.
_CHUNK = 16384


@dataclass(frozen=True)
class Judgement:
    """The answers to some examples; every array has one entry an example."""

    label: np.ndarray
    best: np.ndarray  # The likeliest classes, best first, shape (n, 3 at most).
    chance: np.ndarray  # Their probabilities, as the logits are.
    own: np.ndarray  # Probability of the label.
    loss: np.ndarray  # Cross-entropy in nats.
    confidence: np.ndarray  # Probability of the best class, with the temperature.
    other: np.ndarray  # What it may be instead of its label, -1 if not suspected.
    suspicion: np.ndarray  # How much speaks for that, in [0, 1].

    @property
    def called(self) -> np.ndarray:
        """Index of the likeliest class of each example, shape (n,)."""
        return np.asarray(self.best[:, 0])


def judge(logits: np.ndarray, label: np.ndarray, temperature: float = 1.0) -> Judgement:
    """Return what logits, shape (n, classes), n at least 1, say of each example."""
    chunks = (slice(i, i + _CHUNK) for i in range(0, len(label), _CHUNK))
    parts = [_part(logits[chunk], label[chunk], temperature) for chunk in chunks]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    shares = whole.pop("shares")
    other, suspicion = suspect(shares, label)
    return Judgement(label=np.asarray(label), other=other, suspicion=suspicion, **whole)


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
    """Return the answers to the examples of several splits, at least one."""
    names = [entry.name for entry in dataclasses.fields(Judgement)]
    return Judgement(
        **{n: np.concatenate([getattr(part, n) for part in parts]) for n in names}
    )


def suspect(chance: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what each example might be instead, and how much speaks for it.

    A classifier is surer of some classes than of others. So an example is only
    suspected where it looks as much like another class as the examples of that class
    do on average, and more like it than like its own (confident learning).

    The images should be ones that the classifier did not learn: one that has memorised
    a wrong label agrees with it.

    Returns:
        The index of the other class, -1 where nothing is suspected, int64, shape (n,);
        and by how much its probability is the higher one, in [0, 1], 0 where nothing is
        suspected.

    Source: Northcutt et al., Confident Learning, arXiv:1911.00068.
    """
    count, classes = chance.shape
    own = chance[np.arange(count), label]
    sums = np.bincount(label, own, classes)
    sizes = np.bincount(label, minlength=classes)
    usual = np.divide(sums, sizes, out=np.full(classes, np.inf), where=sizes > 0)
    seen = np.where(chance >= usual, chance, -1.0)
    seen[np.arange(count), label] = -1.0
    other = seen.argmax(axis=1)
    more = seen[np.arange(count), other] - own
    suspected = more > 0
    return np.where(suspected, other, -1), np.where(suspected, more, 0.0)
