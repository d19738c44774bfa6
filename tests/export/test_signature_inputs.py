"""What is no picture is told so, in words, and its neighbours do not notice."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.core import image_io
from tfpipeline.export import protocol, signature_inputs, signatures

GOOD = np.random.default_rng(0).random((8, 8, 3), np.float32)


def changed(value: float) -> np.ndarray:
    image = GOOD.copy()
    image[3, 4, 1] = value
    return image


OUTSIDE = {
    "0 to 255": GOOD * 255,
    "-1 to 1": GOOD * 2 - 1,
    "normalised": (GOOD - 0.45) / 0.225,
    "one NaN": changed(np.nan),
    "one infinity": changed(np.inf),
    "one minus infinity": changed(-np.inf),
    "one too dark": changed(-image_io.OVERSHOOT - 1e-3),
    "one too bright": changed(1 + image_io.OVERSHOOT + 1e-3),
}
INSIDE = {
    "black": np.zeros_like(GOOD),
    "white": np.ones_like(GOOD),
    "black and white": np.round(GOOD),
    "rounded too far": changed(1.0000001),
    "overshot": changed(1 + image_io.OVERSHOOT - 1e-3),
    "undershot": changed(-image_io.OVERSHOOT + 1e-3),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_pixels_out_of_range_are_not_valid_and_their_neighbours_are(
    loaded: signatures.Loaded, name: str
) -> None:
    ask = loaded.signatures["pixels"]
    alone = ask(images=GOOD[None])
    found = ask(images=np.stack([GOOD, OUTSIDE[name], GOOD]))
    assert found["valid"].numpy().tolist() == [True, False, True]
    assert not found["accepted"][1] and found["accepted"][0]
    assert not found["probabilities"][1].numpy().any()
    assert found["labels"][1].numpy().tolist() == [b"", b""]
    assert found["error"].numpy().tolist()[::2] == [b"", b""]
    for row in (0, 2):
        assert (
            found["labels"][row].numpy().tolist() == alone["labels"][0].numpy().tolist()
        )
        np.testing.assert_allclose(
            found["probabilities"][row], alone["probabilities"][0], atol=1e-6
        )
    answer = signatures.answers_of({k: v.numpy() for k, v in found.items()})[1]
    values = OUTSIDE[name]
    if np.isfinite(values).all():
        assert f"{values.min():g} to {values.max():g}" in answer.error
        assert "[0, 1]" in answer.error
    else:
        assert "NaN or infinite" in answer.error


@pytest.mark.parametrize("name", INSIDE)
def test_pixels_in_range_are_valid_and_clipped(
    loaded: signatures.Loaded, name: str
) -> None:
    image = INSIDE[name]
    found = loaded.signatures["pixels"](images=image[None])
    assert found["valid"].numpy().all() and found["error"].numpy().tolist() == [b""]
    clipped = loaded.signatures["pixels"](images=image[None].clip(0, 1))
    assert (found["probabilities"] == clipped["probabilities"]).numpy().all()


def test_the_range_of_resized_photographs_is_within_the_tolerance() -> None:
    """Bicubic weights are negative for up to an eighth on either side, by axis."""
    edges = np.zeros((64, 64, 3), np.float32)
    edges[::4, ::4] = edges[1::4, 1::4] = 1
    resized = tf.image.resize(edges, (40, 40), "bicubic", antialias=True)
    assert not ((resized >= 0) & (resized <= 1)).numpy().all()
    assert signature_inputs.in_range(resized[None]).numpy().all()


SHAPES = {
    "pixels": (
        "images",
        tf.float32,
        [(), (3,), (8, 8, 3), (1, 5, 5, 3), (0, 8, 8, 3), (1, 8, 8, 1)],
    ),
    "serving_default": ("image_bytes", tf.string, [(), (0,), (1, 1)]),
    "features": ("image_bytes", tf.string, [()]),
    "probabilities": ("image_bytes", tf.string, [(2, 1)]),
    "classify": ("inputs", tf.string, [(), (1, 2)]),
}
CASES = [
    (signature, shape) for signature, (*_, shapes) in SHAPES.items() for shape in shapes
]


@pytest.mark.parametrize(("signature", "shape"), CASES)
def test_a_wrong_shape_is_told_with_the_expected_one(
    loaded: signatures.Loaded, signature: str, shape: tuple[int, ...]
) -> None:
    name, kind, _ = SHAPES[signature]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        loaded.signatures[signature](**{name: tf.zeros(shape, kind)})
    said = protocol.reason(caught.value)
    expected = "(batch, 8, 8, 3)" if signature == "pixels" else "(batch,)"
    assert said.startswith(f"{name}: expected") and expected in said
    assert said.endswith(f"shape ({', '.join(map(str, shape))}).")


def test_a_session_as_the_official_server_has_tells_the_same(
    small_version: Path,
) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        told = tf.compat.v1.saved_model.loader.load(
            session, ["serve"], str(small_version)
        )
        for signature, shape in CASES:
            (sent,) = told.signature_def[signature].inputs.values()
            fetched = [o.name for o in told.signature_def[signature].outputs.values()]
            value: np.ndarray = np.full(shape, b"x", object)
            if signature == "pixels":
                value = np.zeros(shape, np.float32)
            with pytest.raises(tf.errors.InvalidArgumentError) as caught:
                session.run(fetched, {sent.name: value})
            assert "expected" in protocol.reason(caught.value), signature


def test_the_shapes_that_a_server_tells_its_clients_are_the_expected_ones(
    small_version: Path,
) -> None:
    for name, definition in signatures.definitions(small_version).items():
        (sent,) = definition.inputs.values()
        shape = tf.TensorShape(sent.tensor_shape).as_list()
        assert shape == ([None, 8, 8, 3] if name == "pixels" else [None]), name


def test_other_names_and_types_are_told_with_the_expected_ones(
    loaded: signatures.Loaded,
) -> None:
    ask = loaded.signatures["pixels"]
    signature_inputs.check(ask, {"images": tf.zeros((1, 8, 8, 3))})
    with pytest.raises(ValueError, match="inputs: expected images. Received: image."):
        signature_inputs.check(ask, {"image": tf.zeros((1, 8, 8, 3))})
    with pytest.raises(ValueError, match="inputs: .* Received: none."):
        signature_inputs.check(ask, {})
    for kind in (tf.uint8, tf.float64, tf.int32):
        with pytest.raises(
            ValueError, match="expected float32. Received: " + kind.name
        ):
            signature_inputs.check(ask, {"images": tf.zeros((1, 8, 8, 3), kind)})
