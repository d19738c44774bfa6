"""A number is learned in standard deviations, and answered in its own unit."""

import keras
import numpy as np
import pytest

from tests.data.sources.test_targets import prepare, several, written
from tfpipeline.config import ModelSettings
from tfpipeline.core import file_io
from tfpipeline.models import classifier
from tfpipeline.train import optimizers
from tfpipeline.train.targets import scaling


def test_mean_and_deviation_are_those_of_the_training_images(tmp_path) -> None:
    file = written(tmp_path, ("age",), range(60))
    examples = prepare(file, "number", label_column="age")
    numbers = examples.source.values[examples.of("train"), 0]
    mean, deviation = scaling.of_examples(examples)
    assert mean == pytest.approx(numbers.mean())
    assert deviation == pytest.approx(numbers.std(), rel=1e-6)
    flat = prepare(written(tmp_path, ("age",), [4] * 60), "number", label_column="age")
    assert scaling.of_examples(flat) == (4.0, 1.0)


def test_the_network_has_them_inside_and_other_heads_have_none() -> None:
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    build = classifier.build_classifier
    model = build(backbone, "tf", ModelSettings(), 1, (40.0, 12.0))
    assert scaling.unit_of(model) == (40.0, 12.0)
    assert scaling.deviation_of(model) == 12.0
    plain = build(backbone, "tf", ModelSettings(), 3)
    assert scaling.unit_of(plain) is None and scaling.deviation_of(plain) == 1.0
    head = model.get_layer(classifier.HEAD)
    kernel, bias = head.get_weights()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    expected = 40 + 12 * (x @ kernel + bias)
    np.testing.assert_allclose(head(x), expected, rtol=1e-5)


def test_a_network_can_be_given_another_unit() -> None:
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    build = classifier.build_classifier
    model = build(backbone, "tf", ModelSettings(), 1, (40.0, 12.0))
    scaling.set_unit(model, None)
    assert scaling.unit_of(model) == (40.0, 12.0)
    picture = np.full((1, 8, 8, 3), 0.5, np.float32)
    z = (float(np.asarray(model(picture))[0, 0]) - 40) / 12
    scaling.set_unit(model, (-3.0, 2.0))
    assert scaling.unit_of(model) == (-3.0, 2.0)
    moved = float(np.asarray(model(picture))[0, 0])
    assert moved == pytest.approx(-3 + 2 * z, abs=1e-4)


def test_balanced_weights_make_both_answers_of_a_class_weigh_the_same(
    tmp_path,
) -> None:
    examples = prepare(written(tmp_path, ("label",), several([])[:60]), "multi")
    assert scaling.class_weights("none", examples) is None
    there, gone = scaling.class_weights("balanced", examples)
    values = examples.source.values[examples.of("train")]
    total = len(values) / 2
    np.testing.assert_allclose((there * values).sum(axis=0), total, rtol=1e-6)
    np.testing.assert_allclose((gone * (1 - values)).sum(axis=0), total, rtol=1e-6)


def test_of_one_class_an_image_they_are_as_ever(tmp_path) -> None:
    examples = prepare(written(tmp_path, ("label",), list("aab") * 20))
    found = scaling.class_weights("balanced", examples)
    expected = optimizers.class_weights("balanced", examples.mass())
    np.testing.assert_array_equal(found, expected)


def test_equal_numbers_of_any_weights_have_the_deviation_1(tmp_path) -> None:
    # With these, the mean of equal numbers is not one of them, by the last bit.
    weight = np.random.default_rng(3).uniform(0.3, 3, 60)
    file = written(tmp_path, ("age", "weight"), ["0.1"] * 60, weight)
    examples = prepare(file, "number", label_column="age")
    mean, deviation = scaling.of_examples(examples)
    assert mean == pytest.approx(np.float32(0.1)) and deviation == 1


def test_a_weight_of_2_is_the_number_twice_to_the_last_bit(tmp_path) -> None:
    numbers = np.random.default_rng(1).normal(40, 20, 60)
    weight = [1 + i % 3 for i in range(60)]
    split = ["train", "train", "test"] * 20
    file = written(tmp_path, ("n", "split", "weight"), numbers, split, weight)
    own = {"label_column": "n", "validation_fraction": 0.0}
    found = scaling.of_examples(prepare(file, "number", **own))
    ids = [f"{i}-{k}" for i in range(60) for k in range(weight[i])]
    rows = [int(name.partition("-")[0]) for name in ids]
    columns = [f"{i:02d}.png" for i in rows], numbers[rows], [split[i] for i in rows]
    header = ("id", "path", "n", "split")
    file_io.write_csv(tmp_path / "twice.csv", header, zip(ids, *columns))
    examples = prepare(tmp_path / "twice.csv", "number", **own)
    assert scaling.of_examples(examples) == found
