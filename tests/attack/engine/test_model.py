"""The model: asked in one way, and looked at before it is attacked."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine import losses, random
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.model import AttackedModel, inspect
from tfpipeline.core.errors import UserError


def margin(index: tf.Tensor, targeted: bool = False):
    return lambda logits: losses.margin(logits, index, targeted)


def test_gradients_are_those_of_each_image_alone(linear) -> None:
    index = tf.zeros([5], tf.int32)
    asked = AttackedModel([linear], False).ask(
        tf.constant(linear.clean), index, [margin(index)]
    )
    assert np.allclose(asked.scores[0], linear.margin(linear.clean), atol=1e-4)
    assert np.allclose(asked.gradients[0], np.repeat(linear.slope[None], 5, 0))
    assert not np.any(asked.fooled)


def test_several_networks_must_all_be_fooled(linear) -> None:
    image, index = tf.constant(linear.clean), tf.zeros([5], tf.int32)

    def sure(x: tf.Tensor) -> tf.Tensor:
        return tf.tile(tf.constant([[0.0, 1.0]]), [tf.shape(x)[0], 1])

    assert np.all(AttackedModel([sure], False).ask(image, index, ()).fooled)
    assert not np.any(AttackedModel([sure, linear], False).ask(image, index, ()).fooled)


def test_samples_are_averaged() -> None:
    def shifted(image: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        return image + tf.cast(draw[:, 0] % 1000, tf.float32)[:, None, None, None]

    model = AttackedModel(
        [lambda x: x[:, 0, 0, :2]], False, changes=[shifted], samples=3
    )
    index, image = tf.zeros([1], tf.int32), tf.zeros((1, 1, 1, 3))
    asked = model.ask(image, index, [lambda logits: logits[:, 0]])
    first = tf.zeros([1, 2], tf.int32)
    shifts = [int(random.another(first, 100 * k)[0, 0]) % 1000 for k in range(3)]
    assert len(set(shifts)) == 3
    assert float(asked.scores[0][0]) == pytest.approx(np.mean(shifts))
    assert np.allclose(asked.gradients[0][0, 0, 0], [1, 0, 0])


def test_only_what_fools_in_every_sample_is_a_success() -> None:
    def chance(image: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        return image + random.uniform(draw, 1, 1, 3) - 0.5

    def answer(image: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.zeros_like(image[:, 0, 0, 0]), image[:, 0, 0, 0]], 1)

    image, index = tf.fill((400, 1, 1, 3), 0.1), tf.zeros([400], tf.int32)
    draw = random.seeds(0, (tf.range(400), index), index, 4)
    for samples in (1, 3):
        model = AttackedModel([answer], False, changes=[chance], samples=samples)
        fooled = model.ask(image, index, (), draw=draw, gradients=False).fooled
        # Each sample fools in 6 of 10 cases, whatever the others do.
        assert np.mean(fooled) == pytest.approx(0.6**samples, abs=0.08)


def test_the_worst_of_several_networks_is_asked_for(linear) -> None:
    image, index = tf.constant(linear.clean), tf.zeros([5], tf.int32)
    easy = lambda x: linear(x) + [0.0, 100.0]  # noqa: E731
    both = AttackedModel([easy, linear], False)
    mean = both.ask(image, index, [margin(index)]).scores[0]
    worst = both.ask(image, index, [margin(index)], worst=True).scores[0]
    assert np.allclose(worst, linear.margin(linear.clean), atol=1e-4)
    assert np.allclose(mean, worst + 50, atol=1e-3)


def test_probabilities_are_refused(linear) -> None:
    softmax = AttackedModel([lambda x: tf.nn.softmax(linear(x))], False)
    with pytest.raises(UserError, match="expected logits, found probabilities"):
        inspect(softmax, linear.clean, [0] * 5)


def test_another_pixel_space_is_refused(linear) -> None:
    with pytest.raises(UserError, match=r"expected values in \[0, 1\]"):
        inspect(AttackedModel([linear], False), 255 * linear.clean, [0] * 5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_of_what_is_no_number_are_refused(value: float, linear) -> None:
    broken = linear.clean.copy()
    broken[1, 2, 3, 0] = value
    for refused in (
        lambda: inspect(AttackedModel([linear], False), broken, [0] * 5),
        lambda: Goals.of(broken, [0] * 5, 0.1),
    ):
        with pytest.raises(UserError, match="1 values that are NaN"):
            refused()


def test_what_is_no_number_is_refused(linear) -> None:
    broken = AttackedModel([lambda x: linear(x) * np.nan], False)
    with pytest.raises(UserError, match="expected numbers as logits"):
        inspect(broken, linear.clean, [0] * 5)


def test_masked_gradients_and_saturated_logits_are_seen(linear) -> None:
    plain = inspect(AttackedModel([linear], False), linear.clean, [0] * 5)
    assert plain.deterministic and plain.zero_gradients == plain.saturated == 0
    sharp = inspect(
        AttackedModel([lambda x: 1000 * linear(x)], False), linear.clean, [0] * 5
    )
    assert sharp.saturated == 1 and sharp.zero_gradients == 1
    rounded = AttackedModel([lambda x: linear(tf.round(16 * x) / 16)], False)
    assert inspect(rounded, linear.clean, [0] * 5).zero_gradients == 1


def test_it_is_seen_how_many_are_right_before_an_attack(linear) -> None:
    labels = [0, 0, 0, 0, 1]
    assert inspect(AttackedModel([linear], False), linear.clean, labels).right == 0.8
    both = AttackedModel([linear, lambda x: -linear(x)], False)
    assert inspect(both, linear.clean, [0] * 5).right == 0.5
    # Nobody has said what is on the images.
    assert inspect(AttackedModel([linear], True), linear.clean, [1] * 5).right is None


def test_a_random_network_is_seen(linear) -> None:
    noisy = AttackedModel([lambda x: linear(x + tf.random.normal(tf.shape(x)))], False)
    assert not inspect(noisy, linear.clean, [0] * 5).deterministic
