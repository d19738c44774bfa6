"""Heads that are trained together learn what each would learn alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config.train import TrainSettings
from tfpipeline.core.errors import UserError
from tfpipeline.study import value_rows
from tfpipeline.study.heads import choice, space
from tfpipeline.study.heads.search import Program
from tfpipeline.study.heads.space import Head
from tfpipeline.train.targets import losses as target_losses

HEADS = (
    Head(0.01),
    Head(0.003, weight_decay=0.3, dropout=0.5),
    Head(0.02, hidden=8, dropout=0.2),
    Head(0.001, hidden=8, label_smoothing=0.2),
    Head(0.005, label_smoothing=0.1),
    Head(0.01, dropout=0.2),
    Head(0.03, hidden=16, dropout=0.5, weight_decay=1.0),
)


def data(count: int = 50, width: int = 12, seed: int = 0):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    features = rng.normal(size=(count, width))
    features[np.arange(count), label] += 2
    return (features * 3 + 1).astype(np.float32), label.astype(np.int32)


def test_every_head_is_as_if_it_were_trained_alone() -> None:
    features, label = data()
    together = Program(HEADS, 12, 3).train(
        features, label, steps=25, batch_size=16, seed=3
    )
    found = together.logits(features)
    for number, head in enumerate(HEADS):
        alone = Program([head], 12, 3).train(
            features, label, steps=25, batch_size=16, seed=3
        )
        np.testing.assert_allclose(
            found[number], alone.logits(features)[0], atol=2e-4, err_msg=str(head)
        )
    assert np.ptp(found, axis=0).max() > 0.1, "the heads differ"


def test_a_step_is_that_of_keras() -> None:
    features, label = data()
    head = Head(0.01, weight_decay=0.1, label_smoothing=0.1)
    program = Program([head], 12, 3)
    trained = program.train(features, label, steps=5, batch_size=50, seed=1)
    start = program.start(1)
    x = trained.axes(features)
    layer = keras.layers.Dense(3)
    layer.build((None, 12))
    layer.set_weights([start["kernel"][0].T * 0.01, start["bias"][0, :, 0]])
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-8)
    optimizer.exclude_from_weight_decay(var_list=[layer.bias])
    model = keras.Sequential([layer])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(optimizer, loss)
    for step in range(5):
        optimizer.learning_rate = 0.01 * 0.5 * (1 + np.cos(np.pi * step / 5))
        model.train_on_batch(x, np.eye(3)[label])
    expected = np.asarray(layer(x))
    np.testing.assert_allclose(trained.logits(features)[0], expected, atol=1e-4)


def valued(target: str, count: int = 50):
    """Return features, and three labels or a number that they tell."""
    features, label = data(count)
    if target == "number":
        values = features @ np.linspace(-1, 1, 12)[:, None] * 5 + 300
    else:
        values = np.eye(3)[label] + np.eye(3)[np.arange(count) // 2 % 3] > 0
    return features, values.astype(np.float32)


@pytest.mark.parametrize("target", ["multi", "number"])
def test_heads_of_other_targets_are_as_if_each_were_trained_alone(target: str) -> None:
    features, values = valued(target)
    heads = value_rows.fitting(target, HEADS)
    own = {"steps": 25, "batch_size": 16, "seed": 3}
    together = Program(heads, 12, values.shape[1], target).train(
        features, values, **own
    )
    found = together.logits(features)
    for number, head in enumerate(heads):
        program = Program([head], 12, values.shape[1], target)
        alone = program.train(features, values, **own).logits(features)[0]
        np.testing.assert_allclose(found[number], alone, atol=2e-4, err_msg=str(head))
    assert np.ptp(found, axis=0).max() > 0.1, "the heads differ"


@pytest.mark.parametrize("target", ["multi", "number"])
@pytest.mark.parametrize("hidden", [0, 5])
def test_a_step_of_another_target_is_that_of_train(target: str, hidden: int) -> None:
    features, values = valued(target)
    smoothing = 0.1 if target == "multi" else 0.0
    head = Head(0.01, weight_decay=0.1, label_smoothing=smoothing, hidden=hidden)
    outputs = values.shape[1]
    program = Program([head], 12, outputs, target)
    trained = program.train(features, values, steps=5, batch_size=50, seed=1)
    start = program.start(1)
    x = trained.axes(features)
    kernels = [start["kernel"][0].T]
    if hidden:
        kernels.append(start["last_kernel"][0, 0].T)
    sizes = [hidden, outputs] if hidden else [outputs]
    layers = [keras.layers.Dense(size) for size in sizes]
    if hidden:
        layers[0].activation = keras.activations.relu
    model = keras.Sequential([keras.Input((12,)), *layers])
    for layer, kernel in zip(layers, kernels):
        layer.set_weights([kernel * 0.01, np.zeros(kernel.shape[1])])
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-8)
    optimizer.exclude_from_weight_decay(var_list=[layer.bias for layer in layers])
    wanted, mean, scale = values, 0.0, 1.0
    if target == "number":
        mean, scale = float(values.mean()), float(values.std())
        wanted = (values - mean) / scale
    loss = target_losses.choose(TrainSettings(), target, 1.0)
    model.compile(optimizer, target_losses.function(loss, smoothing, None))
    for step in range(5):
        optimizer.learning_rate = 0.01 * 0.5 * (1 + np.cos(np.pi * step / 5))
        model.train_on_batch(x, wanted)
    expected = np.asarray(model(x))
    np.testing.assert_allclose(trained.logits(features)[0], expected, atol=1e-4)
    told = trained.outputs(features)
    np.testing.assert_allclose(told[0], expected * scale + mean, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(trained.outputs(features, 0), told[0])


def test_the_same_seed_gives_the_same_heads_and_another_one_others() -> None:
    features, label = data()
    program = Program(HEADS, 12, 3)
    one, two, other = (
        program.train(features, label, steps=5, seed=s).logits(features)
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-3


def test_the_best_head_is_chosen_by_the_examples_that_it_is_given() -> None:
    features, label = data(200)
    some = [Head(1e-6), Head(0.02), Head(1e-6, hidden=4)]
    trained = Program(some, 12, 3).train(features, label, steps=80)
    others, true = data(300, seed=9)
    logits = trained.logits(others)
    assert choice.best(choice.Answers.of(logits, true), true) == 1
    right = (logits.argmax(2) == true).mean(1)
    assert right[1] > 0.7 and right[1] == right.max()


def test_heads_are_drawn_from_the_space_and_more_include_the_fewer() -> None:
    few, many = space.draw_heads(8, 0), space.draw_heads(64, 0)
    assert many[:8] == few and len(set(many)) == 64
    assert {head.dropout for head in many} == {0.0, 0.2, 0.5}
    assert space.draw_heads(8, 1)[1:] != few[1:]
    space.check(many)


@pytest.mark.parametrize("head", [Head(0), Head(dropout=1), Head(hidden=-1)])
def test_a_number_out_of_range_is_refused(head: Head) -> None:
    with pytest.raises(UserError, match="head"):
        Program([head], 4, 2)
    with pytest.raises(UserError, match="heads"):
        space.draw_heads(0, 0)


def test_as_many_operations_are_traced_for_64_heads_as_for_a_few() -> None:
    few, many = space.draw_heads(8, 0), space.draw_heads(64, 0)
    assert {bool(h.hidden) for h in few} == {bool(h.hidden) for h in many}

    def products(some: list[Head]) -> int:
        program = Program(some, 12, 3)
        noise = tf.zeros(2, tf.int32)
        graph = tf.function(lambda x: program.answers(program.start(0), x, noise)[0])
        drawn = graph.get_concrete_function(tf.TensorSpec((None, 12))).graph
        return sum("MatMul" in operation.type for operation in drawn.get_operations())

    assert products(few) == products(many) == 2
