"""What a training does so that its network resists attacks, batch by batch.

Each method is pure functions of a batch. Perturbations are bounded in linf, and the
images stay in [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.attack.engine.norms import bounds
from tfpipeline.config.adversary import RobustSettings
from tfpipeline.core.errors import check_each, unknown

# From images to logits.
Network = Callable[[Any], Any]

# Steps of an attack may pass the ball this often.
_REACH = 2.5


def _divergence(logits: Any, other: Any) -> Any:
    """Return by how much the second answers differ from the first, in nats."""
    share = tf.nn.softmax(logits)
    log_ratio = tf.nn.log_softmax(logits) - tf.nn.log_softmax(other)
    return tf.reduce_sum(share * log_ratio, 1)


@dataclass(frozen=True)
class Pgd:
    """The network is trained on attacked images instead.

    `steps` are those of the attack; each batch is trained on `replays` times.

    Source: Madry et al., arXiv:1706.06083.
    """

    epsilon: float
    steps: int
    replays: int = 1

    def perturb(self, network: Network, image: Any, target: Any, noise: Any) -> Any:
        """Return attacked images, by a network without dropout and noise in [-1, 1].

        Targets are shares of the classes, shape (batch, classes).
        """
        entropy = tf.nn.softmax_cross_entropy_with_logits
        return self._climb(image, noise, lambda moved: entropy(target, network(moved)))

    def _within(self, moved: Any, image: Any) -> Any:
        """Project into the ball around images, and into [0, 1]."""
        radius = tf.fill(tf.shape(image)[:1], self.epsilon)
        return tf.clip_by_value(moved, *bounds(image, radius))

    def _climb(self, image: Any, noise: Any, loss: Network) -> Any:
        moved = self._within(image + self.epsilon * noise, image)
        size = _REACH * self.epsilon / self.steps
        for _ in range(self.steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(moved)
                score = loss(moved)
            step = size * tf.sign(tape.gradient(score, moved))
            moved = self._within(moved + step, image)
        return tf.stop_gradient(moved)

    def advance(self, image: Any, moved: Any, slope: Any) -> Any:
        """Return where the next replay is, by the slope of the loss at `moved`."""
        return self._within(moved + self.epsilon * tf.sign(slope), image)

    def loss(self, each: Network, forward: Network, image: Any, moved: Any) -> Any:
        """Return the loss of each image, by `each` from logits, and the logits."""
        logits = forward(moved)
        return each(logits), logits


@dataclass(frozen=True)
class Trades(Pgd):
    """The network is trained on images, and to answer attacked ones alike.

    Source: Zhang et al., arXiv:1901.08573.
    """

    weight: float = 6.0

    def perturb(self, network: Network, image: Any, target: Any, noise: Any) -> Any:
        """Return images that are answered as differently as can be."""
        before = tf.stop_gradient(network(image))
        return self._climb(
            image, noise, lambda moved: _divergence(before, network(moved))
        )

    def loss(self, each: Network, forward: Network, image: Any, moved: Any) -> Any:
        """Return the loss of each image, and the logits of the images as they are."""
        logits = forward(image)
        divergence = _divergence(logits, forward(moved))
        return each(logits) + self.weight * divergence, logits


@dataclass(frozen=True)
class Free(Pgd):
    """Each batch is trained on several times, each time at a perturbation further on.

    It costs no more than to train so often: one backward pass gives the gradient of the
    weights and that of the image. As published the perturbation is handed on to the
    next batch; here each batch begins anew, so that a training resumes exactly.

    Source: Shafahi et al., arXiv:1904.12843.
    """

    def perturb(self, network: Network, image: Any, target: Any, noise: Any) -> Any:
        """Return where the first of the replays begins."""
        return self._within(image + self.epsilon * noise, image)


METHODS: dict[str, Callable[[RobustSettings, float], Pgd | None]] = {
    "none": lambda settings, radius: None,
    "pgd": lambda settings, radius: Pgd(radius, settings.steps),
    "trades": lambda settings, radius: Trades(
        radius, settings.steps, weight=settings.weight
    ),
    "free": lambda settings, radius: Free(radius, 1, replays=settings.steps),
}


def choose(settings: RobustSettings) -> Pgd | None:
    """Return the method of the section `robust`, or None."""
    if settings.method not in METHODS:
        raise unknown("--robust.method", settings.method, METHODS)
    radius = Epsilon.parse(settings.epsilon, "--robust.epsilon").value
    limits = {
        "epsilon": ("at most 1, of values in [0, 1], e.g. 2/255", radius <= 1),
        "steps": ("at least 1", settings.steps >= 1),
        "weight": ("at least 0", settings.weight >= 0),
    }
    check_each("robust", settings, limits)
    return METHODS[settings.method](settings, radius)
