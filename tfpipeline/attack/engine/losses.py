"""What an attack climbs: how far a network is on the way to the wrong answer.

Each loss takes logits, shape (batch, classes), a class an image (int32), and whether it
is the target (to be reached) or the label (to be left); it returns one number an image,
which an attack raises.
"""

from collections.abc import Callable

import tensorflow as tf

Loss = Callable[[tf.Tensor, tf.Tensor, bool], tf.Tensor]


def fooled(
    logits: tf.Tensor, index: tf.Tensor, targeted: bool, confidence: float = 0.0
) -> tf.Tensor:
    """Tell which images an attack has succeeded on; where logits are NaN, it has not.

    The wanted answer has to be above the others by a confidence.
    """
    first = tf.argmax(logits, axis=1, output_type=tf.int32)
    there = first == index if targeted else first != index
    if confidence:
        there &= margin(logits, index, targeted) >= confidence
    return there & tf.reduce_all(tf.math.is_finite(logits), 1)


def cross_entropy(logits: tf.Tensor, index: tf.Tensor, targeted: bool) -> tf.Tensor:
    """Return the cross-entropy with the label, or less that with the target.

    Its gradient is zero where the network is sure: large logits hide it.
    """
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(index, logits)
    return -loss if targeted else loss


def margin(logits: tf.Tensor, index: tf.Tensor, targeted: bool) -> tf.Tensor:
    """Return by how much the best other class is above the label, or the target above.

    Above zero an attack has succeeded.

    Source: Carlini & Wagner, arXiv:1608.04644.
    """
    own = tf.gather(logits, index, batch_dims=1)
    others = tf.reduce_max(_without(logits, index), 1)
    return own - others if targeted else others - own


def dlr(logits: tf.Tensor, index: tf.Tensor, targeted: bool) -> tf.Tensor:
    """Return the margin as a share of how far the best classes lie apart.

    It does not change when all logits are scaled or shifted. With three classes it is
    the share of the whole span; with two it is the margin.

    Source: Croce & Hein, arXiv:2003.01690.
    """
    return _share(margin(logits, index, targeted), logits, targeted)


def towards(logits: tf.Tensor, index: tf.Tensor, rival: tf.Tensor) -> tf.Tensor:
    """Return how near an image is to one wrong class, as a share like `dlr`.

    Source: Croce & Hein, arXiv:2003.01690 (targeted DLR).
    """
    own = tf.gather(logits, index, batch_dims=1)
    other = tf.gather(logits, rival, batch_dims=1)
    return _share(other - own, logits, True)


def _share(above: tf.Tensor, logits: tf.Tensor, targeted: bool) -> tf.Tensor:
    classes = int(logits.shape[1])
    if classes < 3:
        return above
    best = tf.math.top_k(logits, min(classes, 4)).values
    last = (best[:, 2] + best[:, -1]) / 2 if targeted else best[:, 2]
    return above / (best[:, 0] - last + 1e-12)


def rivals(logits: tf.Tensor, index: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
    """Return the wrong class that comes `which` places after the best wrong one.

    Beyond the last it begins again.
    """
    count = int(logits.shape[1]) - 1
    order = tf.argsort(_without(logits, index), direction="DESCENDING", stable=True)
    return tf.gather(order, which % count, batch_dims=1)


def _without(logits: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Return logits in which one class an image can never be the best."""
    own = tf.one_hot(index, int(logits.shape[1]), on_value=True, off_value=False)
    return tf.where(own, logits.dtype.min, logits)


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "margin": margin,
    "dlr": dlr,
}
