"""What comes before an activation function is told, and dead ReLUs are woken."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.models.layer_outputs import BEFORE, LOGITS, Backward, Inside


def test_what_comes_before_an_activation_becomes_what_comes_after() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", padding="same", name="a")(image)
    x = keras.layers.DepthwiseConv2D(3, activation="relu", name="b")(x)
    x = keras.layers.ReLU(6.0, name="c")(x - 0.1)
    x = keras.layers.Activation("tanh", name="d")(x)
    x = keras.layers.Conv2D(3, 1, name="e")(x)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(2, activation="gelu", name="f")(x))
    names = list("abcdef")
    values = tf.constant(np.random.default_rng(0).random((2, 8, 8, 3), np.float32))
    found = Inside(model, [*names, *(n + BEFORE for n in names)])(values)
    bends = {
        "a": tf.nn.relu,
        "b": tf.nn.relu,
        "c": tf.nn.relu6,
        "d": tf.tanh,
        "e": tf.identity,
        "f": keras.activations.gelu,
    }
    for name, bend in bends.items():
        before = found[name + BEFORE]
        np.testing.assert_allclose(bend(before), found[name], rtol=1e-5, atol=1e-6)
    for name in "ab":
        assert float(tf.reduce_min(found[name + BEFORE])) < 0


def test_redirected_relus_answer_the_same_and_wake_only_the_dead() -> None:
    image = keras.Input((4, 4, 1))
    conv = keras.layers.Conv2D(1, 1, activation="relu", name="conv")
    model = keras.Model(image, keras.layers.Flatten()(conv(image)))
    conv.set_weights([np.ones((1, 1, 1, 1)), np.array([-0.5])])
    half = np.zeros((4, 4, 1), np.float32)
    half[:2] = 1
    values = tf.constant(np.stack([half, np.zeros_like(half)]))

    def gradient(network: Inside, sign: float) -> np.ndarray:
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = sign * tf.reduce_sum(network(values)[LOGITS])
        return tape.gradient(loss, values).numpy()

    plain, waking = Inside(model), Inside(model).waking()
    np.testing.assert_array_equal(plain(values)[LOGITS], waking(values)[LOGITS])
    alive, dead = gradient(waking, -1.0)
    np.testing.assert_array_equal(alive, gradient(plain, -1.0)[0])
    assert (gradient(plain, -1.0)[1] == 0).all() and (dead == -1).all()
    # A loss that falls when the ReLU stays dead has no reason to wake it.
    assert (gradient(waking, 1.0)[1] == 0).all()


@pytest.mark.parametrize("own", [False, True])
def test_a_share_of_the_gradient_passes_a_relu_and_nothing_else_changes(own) -> None:
    """The slope is `share` where the output is 0, and 1 above, at a limit too."""
    image = keras.Input((4, 4, 1))
    conv = keras.layers.Conv2D(
        1, 1, kernel_initializer="ones", activation="relu" if own else None
    )
    x = conv(image)
    x = x if own else keras.layers.ReLU(6.0)(x)
    model = keras.Model(image, keras.layers.Flatten()(x))
    rows = np.array([-2, 0.5, 3, 7], np.float32)
    values = tf.constant(np.broadcast_to(rows[None, :, None, None], (1, 4, 4, 1)))
    for share in (0.0, 0.25):
        network = Inside(model, backward=Backward(relus=share))
        with tf.GradientTape() as tape:
            tape.watch(values)
            answer = network(values)[LOGITS]
        np.testing.assert_array_equal(answer, model(values))
        found = np.asarray(tape.gradient(answer, values))[0, :, 0, 0]
        at_limit = 1 if own or share else 0
        np.testing.assert_allclose(found, [share, 1, 1, at_limit])


def test_networks_without_relus_keep_their_gradient() -> None:
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 1, activation="swish")(image)
    model = keras.Model(image, keras.layers.Flatten()(x))
    values = tf.constant(np.random.default_rng(0).random((1, 4, 4, 1), np.float32))
    found = []
    for share in (0.0, 0.5):
        network = Inside(model, backward=Backward(relus=share))
        with tf.GradientTape() as tape:
            tape.watch(values)
            answer = network(values)[LOGITS]
        found.append(tape.gradient(answer, values))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.ReLU(),
        keras.layers.ReLU(6.0),
        keras.layers.ReLU(2.0, negative_slope=0.1),
        keras.layers.ReLU(negative_slope=0.1, threshold=1.0),
        keras.layers.Activation("relu"),
        keras.layers.Activation("relu6"),
    ],
    ids=lambda layer: f"{layer.name}",
)
def test_the_gradient_is_the_same_whether_a_function_or_its_caller_asks_for_it(
    layer: keras.Layer, inside: bool
) -> None:
    """A tape that is recording is told; one around the function finds it later."""
    image = keras.Input((2, 3, 1))
    model = keras.Model(image, keras.layers.Flatten()(layer(image)))
    network = Inside(model, backward=Backward(relus=0.25))
    rows = [-2.0, -0.5, 0.5, 1.5, 5.0, 7.0]
    values = tf.reshape(tf.constant(rows), (1, 2, 3, 1))

    def gradient(ask) -> np.ndarray:
        with tf.GradientTape() as tape:
            tape.watch(values)
            score = tf.reduce_sum(ask(values))
        return tape.gradient(score, values)

    def ask(x):
        return network(x)[LOGITS]

    if inside:
        found = tf.function(lambda: gradient(ask), autograph=False)()
    else:
        found = gradient(tf.function(ask, autograph=False))
    slope, start = (getattr(layer, n, 0.0) for n in ("negative_slope", "threshold"))
    expected = np.where(values > start, 1.0, slope + 0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
