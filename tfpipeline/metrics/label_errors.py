"""Which labels look wrong, by what a classifier says of the images."""

import numpy as np


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
