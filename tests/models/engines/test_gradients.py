"""Gradients in bfloat16: only where they point the same way, and sooner."""

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.models.engines import bfloat16, gradients, trial
from tfpipeline.models.engines.names import BFLOAT16, TENSORFLOW
from tfpipeline.models.engines.trial import Record


def test_a_gradient_that_points_elsewhere_stays_in_float32(monkeypatch) -> None:
    monkeypatch.setattr(gradients, "WORTH_SECONDS", 0.0)
    exact = np.random.default_rng(0).normal(size=50)
    inside = []
    right = bfloat16.rewritten

    def rewritten():
        inside.append(1)
        return right()

    monkeypatch.setattr(bfloat16, "rewritten", rewritten)
    for other, fails in ((exact * 2, False), (-exact, True), (exact * np.nan, True)):
        inside.clear()
        record = Record()
        given = lambda _, other=other: other if inside else exact  # noqa: E731
        assert gradients.compare(record, given, np.zeros((2, 4, 4, 3)), 10)
        assert (BFLOAT16 in record.failed) is fails
        assert TENSORFLOW in record.milliseconds


def test_a_gradient_is_that_of_keras_and_changes_nothing(network, pictures) -> None:
    head = keras.layers.Dense(3)
    head.build((None, 12))
    variables = [*network.trainable_variables[-2:], *head.trainable_variables]
    before = [np.array(v) for v in (*network.variables, *variables)]

    def forward(images):
        return head(network(images, training=False))

    run = gradients.gradient(forward, variables)
    slope = run(pictures)
    assert slope.shape == (sum(int(np.prod(v.shape)) for v in variables),)
    # The derivative along one direction, by differences.
    step = 1e-2 * slope / np.linalg.norm(slope)
    ends = []
    for sign in (1, -1):
        start = 0
        for v in variables:
            part = sign * step[start : start + int(np.prod(v.shape))]
            v.assign_add(part.reshape(v.shape))
            start += part.size
        logits = np.asarray(forward(pictures), np.float64)
        ends.append((logits[:, 0] - np.log(np.exp(logits).sum(axis=1))).sum())
        start = 0
        for v in variables:
            part = sign * step[start : start + int(np.prod(v.shape))]
            v.assign_sub(part.reshape(v.shape))
            start += part.size
    np.testing.assert_allclose(
        ends[0] - ends[1], 2e-2 * np.linalg.norm(slope), rtol=1e-2
    )
    for v, old in zip((*network.variables, *variables), before, strict=True):
        np.testing.assert_allclose(np.array(v), old, atol=1e-6)


def test_a_gradient_of_images_is_that_of_keras(network, pictures) -> None:
    slope = gradients.gradient(network)(pictures).reshape(pictures.shape)
    images = tf.constant(pictures)
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(tf.nn.log_softmax(network(images))[:, 0])
    expected = tape.gradient(loss, images)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(slope).max() > 0


def test_a_training_is_tried_once_and_the_answer_kept(
    network, pictures, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(gradients, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(gradients.choice, "LEAST_PIXELS", 0)
    monkeypatch.setattr(trial, "clock", lambda *_: 4.0)
    tried = []

    def sample() -> np.ndarray:
        tried.append(1)
        return pictures

    def fast(count: int) -> bool:
        run = gradients.gradient(network, network.trainable_variables)
        given = network, ("learning", "all"), run, sample
        return gradients.in_bfloat16(*given, count, tmp_path)

    for own, expected in ((1.0, True), (9.0, False)):
        took = [[4.0, own]]
        monkeypatch.setattr(trial, "race", lambda *_, took=took: took.pop())
        assert fast(3) is False, "too few images"
        monkeypatch.setattr(gradients, "AGREEMENT", -1.0)
        assert fast(1000) is expected and fast(1000) is expected
        for file in tmp_path.glob("*.json"):
            file.unlink()
    assert len(tried) == 2
