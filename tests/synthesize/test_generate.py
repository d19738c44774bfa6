"""Ideal images as commands make them, on small networks."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import layer_outputs
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import generate, presets, writer
from tfpipeline.synthesize.generate import Job

LABELS = ClassNames(("a", "Great Grey Owl", "c", "d"))


@pytest.fixture(scope="module")
def network() -> Network:
    keras.utils.set_random_seed(0)
    inner_image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(inner_image)
    x = keras.layers.Conv2D(8, 3, activation="relu")(x)
    inner = keras.Model(inner_image, keras.layers.GlobalAveragePooling2D()(x))
    image = keras.Input((32, 32, 3))
    x = inner(keras.layers.Rescaling(2.0, -1.0)(image))
    return Network("small", keras.Model(image, keras.layers.Dense(4)(x)), LABELS)


def job(network: Network, indices, strategy=None, preset="best", **settings) -> Job:
    given = SynthesisSettings(**{"steps": 8, "learning_rate": 0.1, **settings})
    one = strategy or tf.distribute.OneDeviceStrategy("/cpu:0")
    chosen = presets.choose_preset(preset, given)
    return Job(network, indices, chosen, given, 0, one)


def test_what_is_told_is_of_the_8_bit_picture(network) -> None:
    for ideal in generate.make(job(network, [1, 3])):
        image = ideal.picture[None].astype(np.float32) / 255
        logits = network.model(image).numpy()[0]
        shares = np.exp(logits) / np.exp(logits).sum()
        assert ideal.probability == pytest.approx(shares[ideal.index], rel=1e-4)
        assert ideal.end_score == pytest.approx(
            _score(ideal, network, image), rel=1e-3, abs=1e-3
        )
        assert ideal.rose and ideal.alive and not ideal.cured
        variation = float(tf.image.total_variation(tf.constant(image))[0])
        assert ideal.total_variation == pytest.approx(variation)
        assert ideal.score_before_rounding != ideal.end_score
        assert ideal.rounding_change <= generate.EIGHT_BIT_TOLERANCE


def _score(ideal, network: Network, image: np.ndarray) -> float:
    from tfpipeline.synthesize.objectives import Seen

    objective = presets.PRESETS["best"].build_objective([ideal.index])
    outputs = {"logits": network.model(image)}
    return float(objective(Seen(tf.constant(image), outputs, tf.range(1)))[0])


def test_batches_of_any_size_make_the_same_images(network, strategy) -> None:
    whole = list(generate.make(job(network, [0, 1, 2], strategy)))
    parts = list(generate.make(job(network, [0, 1, 2], strategy, batch_size=2)))
    for one, other in zip(whole, parts):
        difference = np.abs(one.picture.astype(int) - other.picture)
        assert difference.max() <= 1 and one.index == other.index


def test_one_at_a_time_makes_byte_for_byte_what_runs_of_one_make(network) -> None:
    many = list(generate.make(job(network, [0, 1, 2], steps=40, batch_size=1)))
    for ideal in many:
        (alone,) = generate.make(job(network, [ideal.index], steps=40))
        np.testing.assert_array_equal(alone.picture, ideal.picture)


def test_copies_of_a_class_start_elsewhere_and_have_names_of_their_own(network) -> None:
    made = list(generate.make(job(network, [1, 0], copies=2)))
    assert [i.name for i in made] == [
        "1_great_grey_owl",
        "1_great_grey_owl_2",
        "0_a",
        "0_a_2",
    ]
    assert np.abs(made[0].picture.astype(int) - made[1].picture).max() > 5


def test_diversity_makes_copies_differ_more_under_any_strategy(
    network, strategy
) -> None:
    """Copies see each other, so those of a class stay together on a replica."""

    def made(diversity: float, where=None) -> np.ndarray:
        what = job(network, [1, 2, 0], where, copies=2, steps=30, diversity=diversity)
        return np.stack([i.picture for i in generate.make(what)]).astype(np.float32)

    def alike(pictures: np.ndarray) -> float:
        inner = network.model.layers[2]
        maps = keras.Model(inner.input, inner.layers[1].output)(pictures / 127.5 - 1)
        flat = tf.reshape(maps, (6, -1, maps.shape[-1]))
        grams = tf.reshape(tf.matmul(flat, flat, transpose_a=True), (6, -1))
        grams = tf.math.l2_normalize(grams, 1)
        return float(tf.reduce_mean(tf.reduce_sum(grams[::2] * grams[1::2], 1)))

    diverse = made(3.0, strategy)
    assert alike(diverse) < alike(made(0.0, strategy))
    assert np.abs(diverse - made(3.0)).max() <= 2


def test_the_lesson_is_followed_with_its_defects(network) -> None:
    what = job(network, [2], preset="lesson", steps=40, learning_rate=None)
    assert what.preset.raw and what.preset.learning_rate == 1.0
    (ideal,) = generate.make(what)
    raw = ideal.raw
    assert raw is not None and raw["end_score"] > raw["start_score"]
    # It is no picture: it has no bounds, and what is shown scores differently.
    assert raw["least"] < 0 and raw["largest"] > 1
    assert ideal.picture.min() == 0 and ideal.picture.max() == 255
    assert what.preset.defects


def test_the_lesson_is_its_own_formula(network) -> None:
    """x <- x - d(10 CE + 0.005 TV)/dx from N(0, 1), in a loop written here."""
    what = job(network, [2], preset="lesson", steps=3, learning_rate=None)
    (ideal,) = generate.make(what)
    x = tf.random.stateless_normal((32, 32, 3), [0, 2000])[None]
    inner, dense = network.model.layers[2], network.model.layers[3]
    for _ in range(3):
        with tf.GradientTape() as tape:
            tape.watch(x)
            shares = tf.nn.softmax(dense(inner(x)))
            entropy = keras.losses.sparse_categorical_crossentropy(
                tf.constant([2]), shares
            )
            loss = 10 * entropy + 0.005 * tf.image.total_variation(x)
        x = x - tape.gradient(loss, x)
    stretched = (x - tf.reduce_min(x)) / (tf.reduce_max(x) - tf.reduce_min(x))
    expected = np.asarray(stretched[0] * 255 + 0.5).astype(int)
    assert np.abs(expected - ideal.picture).max() <= 1


def test_a_photograph_is_where_it_may_start(network, tmp_path) -> None:
    from tfpipeline.core import image_io

    rng = np.random.default_rng(0)
    photograph = rng.integers(30, 220, (32, 32, 3)).astype(np.uint8)
    image_io.save_png(tmp_path / "p.png", photograph)
    start = str(tmp_path / "p.png")
    (ideal,) = generate.make(job(network, [0], start=start, steps=0))
    assert np.abs(ideal.picture.astype(int) - photograph).max() <= 1
    assert not ideal.rose
    (tmp_path / "p.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="p.png: expected a photograph"):
        list(generate.make(job(network, [0], start=start)))


def test_an_accentuated_photograph_stays_near_it_in_features(network, tmp_path) -> None:
    from tfpipeline.core import image_io

    rng = np.random.default_rng(0)
    photograph = rng.integers(30, 220, (32, 32, 3)).astype(np.uint8)
    image_io.save_png(tmp_path / "p.png", photograph)
    name = list(layer_outputs.maps(network.model))[0]
    settings = {"start": str(tmp_path / "p.png"), "steps": 60}
    found = {}
    for weight in (1e-6, 0.5, 1e4):
        given = job(network, [0, 2], feature_distance=weight, **settings)
        assert generate.feature_layer(given) == name
        found[weight] = list(generate.make(given))
    far, near, nearest = (
        np.array([ideal.feature_distance for ideal in found[weight]])
        for weight in (1e-6, 0.5, 1e4)
    )
    assert (far > near).all() and (near > nearest).all() and (nearest < 0.05).all()
    # The distance is that of the saved pictures, in the layer that is named.
    inside = layer_outputs.Inside(network.model, [name])
    first, picture = (
        inside(np.float32(one[None]) / 255)[name].numpy()
        for one in (photograph, found[0.5][0].picture)
    )
    expected = np.linalg.norm(picture - first) / np.linalg.norm(first)
    assert near[0] == pytest.approx(expected, rel=1e-3)
    assert all(ideal.rose for ideal in found[1e-6])


def test_a_layer_to_compare_in_that_is_not_there_is_refused(network, tmp_path) -> None:
    settings = {"start": "p.png", "feature_distance": 1.0, "feature_layer": "conf"}
    with pytest.raises(UserError, match="--synthesis.feature_layer: no layer 'conf'"):
        generate.feature_layer(job(network, [0], **settings))


def test_a_judge_is_asked_by_the_name_of_the_class(network) -> None:
    made = list(generate.make(job(network, [1, 3])))
    pictures = np.stack([i.picture for i in made])

    def named(*labels: str) -> Network:
        return dataclasses.replace(network, labels=ClassNames(labels), name="other")

    other = named("d", "great_grey-owl", "x", "y")
    verdicts = writer.judge(made, pictures, other, network.labels)
    logits = other.logits(pictures)
    assert verdicts[0]["rank"] == int((logits[0] >= logits[0, 1]).sum())
    assert verdicts[1]["rank"] == int((logits[1] >= logits[1, 0]).sum())
    doubled = named("d", "d", "great grey owl", "y")
    assert writer.judge(made, pictures, doubled, network.labels)[1]["rank"] is None
    unknown = named("p", "q", "r", "s")
    assert writer.judge(made, pictures, unknown, network.labels)[0]["rank"] is None
    same = writer.judge(made, pictures, network, network.labels)
    logits = network.logits(pictures)
    assert same[0]["rank"] == int((logits[0] >= logits[0, 1]).sum())
    assert same[0]["probability"] == pytest.approx(made[0].probability, rel=1e-4)


def test_a_judge_that_cannot_tell_does_not_recognise(network) -> None:
    made = list(generate.make(job(network, [1], steps=1)))
    pictures = np.stack([i.picture for i in made])
    image = keras.Input((32, 32, 3))
    flat = keras.layers.Flatten()(image)
    constant = keras.layers.Dense(4, kernel_initializer="zeros")
    blank = Network("blank", keras.Model(image, constant(flat)), LABELS)
    assert writer.judge(made, pictures, blank, LABELS)[0]["rank"] == 4
    constant.set_weights([np.full((3072, 4), np.nan), np.zeros(4)])
    with pytest.raises(UserError, match="blank: expected numbers as logits"):
        writer.judge(made, pictures, blank, LABELS)


def test_an_ascent_that_diverges_is_told(network) -> None:
    """A logit of squares without bounds: each step multiplies the pixels."""
    image = keras.Input((32, 32, 3))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1.0)(image))
    squares = keras.layers.Multiply()([flat, flat])
    inner = keras.Model(
        image, keras.layers.Dense(4, kernel_initializer="ones")(squares)
    )
    image = keras.Input((32, 32, 3))
    squared = keras.Model(image, inner(keras.layers.Rescaling(1.0)(image)))
    preset = dataclasses.replace(presets.PRESETS["lesson"], objective="logit")
    preset = dataclasses.replace(preset, steps=60, learning_rate=1e5)
    what = job(dataclasses.replace(network, model=squared), [0], preset="lesson")
    (ideal,) = generate.make(dataclasses.replace(what, preset=preset))
    assert not ideal.finite
    assert np.isfinite(ideal.picture).all() and 0 <= ideal.probability <= 1


def test_a_photograph_is_changed_and_not_painted_over(network, tmp_path) -> None:
    from tfpipeline.core import image_io

    fitted = np.zeros((32, 32, 3), np.uint8) + 90
    fitted[8:24, 8:24] = (200, 120, 40)
    image_io.save_png(tmp_path / "p.png", fitted)
    settings = {"steps": 128, "learning_rate": None}

    def far(**start: str) -> float:
        (ideal,) = generate.make(job(network, [0], **settings, **start))
        assert ideal.rose
        return float(np.abs(ideal.picture.astype(float) - fitted).mean())

    assert far(start=str(tmp_path / "p.png")) < far() / 2
    given = SynthesisSettings(start="p.png", learning_rate=0.3, fading=0.2)
    kept = presets.choose_preset("best", given)
    assert (kept.learning_rate, kept.fading) == (0.3, 0.2)
