"""LiteRT files are joined and reordered, and compute what they did."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.export import converters, litert_graphs

# What runs a file here will move to a package of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")

SHAPE = (1, 4, 4, 3)


def converted(function, **shapes: tuple[int, ...]) -> bytes:
    specs = [tf.TensorSpec(shape, tf.float32, name=n) for n, shape in shapes.items()]
    module = tf.Module()
    module.forward = tf.function(function, input_signature=specs)
    concrete = module.forward.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    return bytes(converter.convert())


def first(images):
    rows = tf.reshape(images, (1, -1))
    return {"a": rows * 2 + 1, "b": tf.reduce_sum(rows, axis=1, keepdims=True)}


def second(a, b):
    weights = tf.reshape(tf.range(48 * 5, dtype=tf.float32), (48, 5)) / 240
    return {"c": tf.matmul(a, weights) - b, "d": tf.reduce_min(a, axis=1) * b[:, 0]}


@pytest.fixture
def joined() -> bytes:
    # A signature has an order of its own, so that names alone say what belongs where.
    parts = converted(first, images=SHAPE), converted(second, a=(1, 48), b=(1, 1))
    return litert_graphs.join(*parts)


def asked(content: bytes, folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    (folder / "model.tflite").write_bytes(content)
    return converters.run(folder / "model.tflite", images)


def test_joined_graphs_compute_one_after_the_other(joined, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((3, *SHAPE[1:]), np.float32)
    found = asked(joined, tmp_path, images)
    for place, image in enumerate(images):
        parts = first(tf.constant(image[None]))
        for name, value in {**parts, **second(**parts)}.items():
            np.testing.assert_allclose(found[name][place], value[0], rtol=1e-5)


def test_only_what_is_named_is_answered_and_in_that_order(
    joined, tmp_path: Path
) -> None:
    images = np.ones(SHAPE, np.float32)
    whole = asked(joined, tmp_path, images)
    for names in (["c"], ["d", "b"], ["a", "c", "d"]):
        content = litert_graphs.select(joined, names)
        assert litert_graphs.outputs(litert_graphs.read(content)) == names
        found = asked(content, tmp_path, images)
        assert sorted(found) == sorted(names)
        for name in names:
            assert np.array_equal(found[name], whole[name])


def test_what_is_read_and_written_again_is_the_same(joined) -> None:
    again = litert_graphs.write(litert_graphs.read(joined))
    assert litert_graphs.write(litert_graphs.read(again)) == again
