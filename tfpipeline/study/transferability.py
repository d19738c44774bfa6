"""How well features will transfer, and how far images are from the pretraining's."""

from collections.abc import Callable, Sequence

import numpy as np

from tfpipeline.study.gram import Gram, Rows, eigenvectors, gather, gather_values
from tfpipeline.study.probes import decompose

# Rounds in which the evidence finds its two precisions; it rests after a dozen.
_ROUNDS = 50

# Numbers that a block of kernels may have: 32 MiB in float64.
_CELLS = 2**22


def logme(
    features: Rows, label: np.ndarray, classes: int, gram: Gram | None = None
) -> float:
    """Return the LogME score: the log evidence of a Bayesian linear model, per example.

    The model of each class's one-hot targets has a Gaussian prior on its weights and
    Gaussian noise; their two precisions are those of the largest evidence. Higher is
    better. It compares networks on the same images; of different images it says
    nothing. It is the mean over the classes, in nats an example.

    Source: LogME, You et al., arXiv:2102.11005.
    """
    gram = gram or gather(features, label, classes)
    return _mean_evidence(
        features, lambda: np.eye(classes)[np.asarray(label)], gram, gram.counts
    )


def logme_of_numbers(features: Rows, numbers: np.ndarray) -> float:
    """Return the LogME score of a number, as that of one class: shape (n, 1).

    The number is standardised: its unit changes nothing.
    """
    centred = np.asarray(numbers, np.float64) - np.mean(numbers, dtype=np.float64)
    centred /= centred.std() or 1.0
    gram, totals = gather_values(features, centred), np.square(centred).sum(axis=0)
    return _mean_evidence(features, lambda: centred, gram, totals)


def _mean_evidence(
    features: Rows, targets: Callable[[], np.ndarray], gram: Gram, totals: np.ndarray
) -> float:
    """Return the mean log evidence of targets whose squares have these sums."""
    count = len(features)
    if count > features.shape[1]:
        # About 0, not about the mean.
        squares, right = eigenvectors(
            gram.matrix + count * np.outer(gram.mean, gram.mean), count
        )
        sums = gram.sums + gram.counts[:, None] * gram.mean
        power = (sums @ right) ** 2 / squares
    else:
        left, squares, _ = decompose(np.asarray(features[:], np.float64))
        power = (left.T @ targets()).T ** 2
    evidence = [
        _evidence(squares, own, float(total), count)
        for own, total in zip(power, totals)
    ]
    return float(np.mean(evidence))


def _evidence(
    squares: np.ndarray, power: np.ndarray, total: float, count: int
) -> float:
    """Return the largest log evidence of one target, per example."""
    outside = max(total - float(power.sum()), 0.0)
    prior, noise = 1.0, 1.0
    for _ in range(_ROUNDS):
        ratio = prior / noise
        used = float((squares / (squares + ratio)).sum())
        length = float((squares * power / (squares + ratio) ** 2).sum())
        rest = float((power / (1 + squares / ratio) ** 2).sum()) + outside
        # Where a target is fitted exactly its noise would go to 0.
        prior, noise = used / (length + 1e-5), (count - used) / (rest + 1e-5)
        prior, noise = max(prior, 1e-10), max(noise, 1e-10)
        if abs(prior / noise - ratio) <= 1e-6 * ratio:
            break
    return log_evidence(squares, power, outside, count, prior, noise) / count


def log_evidence(
    squares: np.ndarray,
    power: np.ndarray,
    outside: float,
    count: int,
    prior: float,
    noise: float,
) -> float:
    """Return the log evidence, in nats, of one target under a Bayesian linear model.

    `squares` are the positive eigenvalues of the features' Gram matrix, `power` the
    squares of the target in its eigenvectors, and `outside` the square of what of the
    target no features can reach; `prior` and `noise` are precisions.
    """
    # The covariance of the targets: noise on every axis, and the prior on these.
    spread = squares / prior + 1 / noise
    return -0.5 * float(
        count * np.log(2 * np.pi)
        + np.log(spread).sum()
        - (count - len(squares)) * np.log(noise)
        + (power / spread).sum()
        + outside * noise
    )


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return the unbiased squared kernel distance between two sets of features.

    It is the squared maximum mean discrepancy under the cubic kernel: about 0 for two
    draws of the same images, and then as often below 0 as above.

    Source: Bińkowski et al., arXiv:1801.01401.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)

    def within(z: np.ndarray) -> float:
        itself = ((z * z).sum(axis=1) / z.shape[1] + 1) ** 3
        return float(_kernels(z, z) - itself.sum()) / (len(z) * (len(z) - 1))

    return within(x) + within(y) - 2 * _kernels(x, y) / (len(x) * len(y))


def _kernels(x: np.ndarray, y: np.ndarray) -> float:
    """Return the sum of the cubic kernel over all pairs, some rows at a time."""
    step = max(1, _CELLS // len(y))
    parts = (x[start : start + step] for start in range(0, len(x), step))
    return float(sum(((part @ y.T / x.shape[1] + 1) ** 3).sum() for part in parts))


def statistics_distance(
    maps: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> float:
    """Return how far activations are from the statistics that a batch norm has kept.

    A batch norm keeps the mean and the variance that each channel had in pretraining:
    what is left of the pretraining images where those are not to be had. The distance
    is the squared Fréchet distance between one Gaussian a channel, in units of the
    channel's deviation in pretraining, averaged over the channels. 1 is as far as one
    deviation of every channel.

    Source: statistics of batch norm as those of the pretraining images, Yin et al.,
        arXiv:1912.08795.
    """
    values = np.asarray(maps, np.float64).reshape(-1, len(mean))
    deviation = np.sqrt(np.maximum(np.asarray(variance, np.float64), 1e-12))
    apart = (values.mean(axis=0) - np.asarray(mean, np.float64)) / deviation
    wider = values.std(axis=0) / deviation - 1
    return float((apart * apart + wider * wider).mean())


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Return Spearman's rank correlation; equal values share their ranks.

    NaN for fewer than three pairs, or where one of them is constant.
    """
    ranks = _ranks(x), _ranks(y)
    if len(x) < 3 or not all(map(np.ptp, ranks)):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[where])
