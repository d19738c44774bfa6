"""Maps of where a class is seen, against networks whose answer is known."""

import numpy as np
import tensorflow as tf

from tfpipeline.metrics import saliency


def spotted(count: int = 2) -> np.ndarray:
    images = np.zeros((count, 8, 8, 3), np.float32)
    images[0, 1, 2, 0] = 1
    images[-1, 6, 5, 0] = 1
    return images


def forward(image: tf.Tensor, watch) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps are pooled pixels; red speaks for class 0, green against class 1."""
    maps = tf.nn.avg_pool2d(image, 2, 2, "VALID")
    watch(maps)
    means = tf.reduce_mean(maps, (1, 2))
    return maps, tf.stack([means[:, 0], -means[:, 1]], 1)


def test_grad_cam_is_high_where_the_class_is() -> None:
    heat = saliency.grad_cam(forward, tf.constant(spotted()), tf.constant([0, 0]))
    assert heat.shape == (2, 4, 4)
    for one, place in zip(heat.numpy(), [(0, 1), (3, 2)]):
        assert one[place] == 1 and one.sum() == 1


def test_grad_cam_is_nought_where_nothing_speaks_for_the_class() -> None:
    image = np.ones((1, 8, 8, 3), np.float32)
    heat = saliency.grad_cam(forward, tf.constant(image), tf.constant([1]))
    assert (heat.numpy() == 0).all()


def test_smooth_grad_of_a_linear_network_is_its_weight() -> None:
    """Noise does not change the gradient; the largest colour counts."""
    weights = np.random.default_rng(0).normal(size=(16, 16, 3, 2)).astype(np.float32)

    def logits(image: tf.Tensor) -> tf.Tensor:
        return tf.einsum("bhwc,hwck->bk", image, weights)

    found = saliency.smooth_grad(
        logits, tf.zeros((2, 16, 16, 3)), tf.constant([0, 1]), samples=3
    ).numpy()
    for index, one in enumerate(found):
        strength = np.abs(weights[..., index]).max(-1)
        expected = np.clip(strength / np.percentile(strength, 99), 0, 1)
        np.testing.assert_allclose(one, expected, rtol=1e-4)


def test_an_image_does_not_depend_on_its_batch_mates() -> None:
    images = tf.constant(spotted() + np.float32(0.1))

    def logits(image: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.reduce_sum(image**3, (1, 2, 3))] * 2, 1)

    both = saliency.smooth_grad(logits, images, tf.constant([0, 1]))
    for row in range(2):
        alone = saliency.smooth_grad(logits, images[row : row + 1], tf.constant([row]))
        np.testing.assert_allclose(alone[0], both[row], rtol=1e-5)


def test_several_layers_are_shown_as_their_mean_at_the_size_of_the_picture() -> None:
    weights = tf.constant([[1.0, 0.0], [0.0, 1.0]])

    def forward(size: int, turned: bool) -> saliency.Forward:
        def ask(image: tf.Tensor, watch) -> tuple[tf.Tensor, tf.Tensor]:
            maps = tf.image.resize(image[..., :2], (size, size))
            watch(maps)
            mean = tf.reduce_mean(maps, (1, 2))
            return maps, mean @ (1 - weights if turned else weights)

        return ask

    both = [forward(4, False), forward(6, True)]
    picture, index = tf.constant(spotted()), tf.constant([1, 1])
    found = [saliency.seen_by_all([one], picture, index) for one in both]
    mean = saliency.seen_by_all(both, picture, index)
    assert mean.shape == picture.shape[:3]
    np.testing.assert_allclose(mean, (found[0] + found[1]) / 2, atol=1e-6)
    assert float(tf.reduce_max(tf.abs(found[0] - found[1]))) > 0.1
