"""What a training does so that its network resists attacks, batch by batch.

Each method is what `training.loop` calls a `Hardening`: pure functions of a batch.
Perturbations are bounded in linf, and the images stay in [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.attack.engine.norms import bounds
from tfpipeline.config.adversary import RobustSettings
from tfpipeline.core.errors import check_each, unknown

# From images to logits.
Answer = Callable[[tf.Tensor], tf.Tensor]

# Steps of an attack may pass the ball this often.
_REACH = 2.5


def _entropy(target: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.softmax_cross_entropy_with_logits(target, logits)


def _divergence(logits: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Return by how much the second answers differ from the first, in nats."""
    share = tf.nn.softmax(logits)
    log_ratio = tf.nn.log_softmax(logits) - tf.nn.log_softmax(other)
    return tf.reduce_sum(share * log_ratio, 1)


@dataclass(frozen=True)
class Pgd:
    """The network is trained on attacked images instead.

    Args:
        epsilon: Radius in linf.
        steps: Of the attack.
        replays: How often each batch is trained on.

    Source: Madry et al., arXiv:1706.06083.
    """

    epsilon: float
    steps: int
    replays: int = 1

    def perturbed(
        self, answer: Answer, image: tf.Tensor, target: tf.Tensor, noise: tf.Tensor
    ) -> tf.Tensor:
        """Return attacked images.

        Args:
            answer: The network as it is now, without dropout.
            image: In [0, 1].
            target: Shares of the classes, shape (batch, classes).
            noise: In [-1, 1], of the shape of the images.
        """
        return self._climb(image, noise, lambda seen: _entropy(target, answer(seen)))

    def _within(self, moved: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """Return images moved into the ball around others, and into [0, 1]."""
        radius = tf.fill(tf.shape(image)[:1], self.epsilon)
        return tf.clip_by_value(moved, *bounds(image, radius))

    def _climb(self, image: tf.Tensor, noise: tf.Tensor, loss: Answer) -> tf.Tensor:
        moved = self._within(image + self.epsilon * noise, image)
        size = _REACH * self.epsilon / self.steps
        for _ in range(self.steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(moved)
                score = loss(moved)
            step = size * tf.sign(tape.gradient(score, moved))
            moved = self._within(moved + step, image)
        return tf.stop_gradient(moved)

    def loss(
        self, each: Answer, forward: Answer, image: tf.Tensor, moved: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what is trained on, and the logits.

        Args:
            each: From logits to the loss of each image.
            forward: From images to logits, with dropout.
            image: As they are.
            moved: Attacked.
        """
        logits = forward(moved)
        return each(logits), logits


@dataclass(frozen=True)
class Trades(Pgd):
    """The network is trained on images, and to answer attacked ones alike.

    Args:
        epsilon: Radius in linf.
        steps: Of the attack.
        replays: How often each batch is trained on.
        weight: Of the second term.

    Source: Zhang et al., arXiv:1901.08573.
    """

    weight: float = 6.0

    def perturbed(
        self, answer: Answer, image: tf.Tensor, target: tf.Tensor, noise: tf.Tensor
    ) -> tf.Tensor:
        """Return images that are answered as differently as can be."""
        before = tf.stop_gradient(answer(image))
        return self._climb(image, noise, lambda seen: _divergence(before, answer(seen)))

    def loss(
        self, each: Answer, forward: Answer, image: tf.Tensor, moved: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what is trained on, and the logits of the images as they are."""
        logits = forward(image)
        apart = _divergence(logits, forward(moved))
        return each(logits) + self.weight * apart, logits


@dataclass(frozen=True)
class Free(Pgd):
    """Each batch is trained on several times, each time at a perturbation further on.

    It costs no more than to train so often: one backward pass gives the gradient of the
    weights and that of the image. As published the perturbation is handed on to the
    next batch; here each batch begins anew, so that a training goes on exactly.

    Source: Shafahi et al., arXiv:1904.12843.
    """

    def perturbed(
        self, answer: Answer, image: tf.Tensor, target: tf.Tensor, noise: tf.Tensor
    ) -> tf.Tensor:
        """Return where the first of the replays begins."""
        return self._within(image + self.epsilon * noise, image)

    def further(
        self, image: tf.Tensor, moved: tf.Tensor, slope: tf.Tensor
    ) -> tf.Tensor:
        """Return where the next replay is.

        Args:
            image: As it is.
            moved: Where this one was.
            slope: Of the loss, at `moved`.
        """
        return self._within(moved + self.epsilon * tf.sign(slope), image)


METHODS: dict[str, Callable[[RobustSettings, float], Pgd | None]] = {
    "none": lambda settings, radius: None,
    "pgd": lambda settings, radius: Pgd(radius, settings.steps),
    "trades": lambda settings, radius: Trades(
        radius, settings.steps, weight=settings.weight
    ),
    "free": lambda settings, radius: Free(radius, 1, replays=settings.steps),
}


def choose(settings: RobustSettings) -> Pgd | None:
    """Return what is asked for, or None.

    Args:
        settings: The section `robust`.

    Raises:
        UserError: A name is unknown, or a number means nothing.
    """
    if settings.method not in METHODS:
        raise unknown("--robust.method", settings.method, METHODS)
    radius = Epsilon.parse(settings.epsilon, "--robust.epsilon").value
    check_each(
        "robust",
        settings,
        {
            "epsilon": ("at most 1, of values in [0, 1], e.g. 2/255", radius <= 1),
            "steps": ("at least 1", settings.steps >= 1),
            "weight": ("at least 0", settings.weight >= 0),
        },
    )
    return METHODS[settings.method](settings, radius)
