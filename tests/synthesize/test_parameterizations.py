"""Whatever the numbers are, the image is one; and any photograph can be reached."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.core import image_io
from tfpipeline.synthesize.ascent import Ascent, Climb
from tfpipeline.synthesize.objectives import Objective
from tfpipeline.synthesize.parameterizations import (
    PARAMETERIZATIONS,
    Fourier,
    Parameterization,
    Phases,
    Pixels,
)

NAMES = list(PARAMETERIZATIONS)


def made(name: str, size: tuple[int, int] = (24, 32)) -> Parameterization:
    return PARAMETERIZATIONS[name](size)


def drawn_photograph(size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = [np.sin(rows / 3), np.cos(columns / 5), np.sin((rows + columns) / 7)]
    return (0.5 + 0.4 * np.stack(waves, -1)).astype(np.float32)


@given(scale=st.floats(0, 100), seed=st.integers(0, 2**31 - 1))
@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_in_range(name: str, scale: float, seed: int) -> None:
    parameterization = made(name)
    first, *rest = parameterization.start(seed, [0, 1])
    wild = parameterization.project(first * scale)
    image = parameterization.image((wild, *rest)).numpy()
    assert image.shape == (2, 24, 32, 3)
    assert np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_goes_there_and_back(name: str) -> None:
    photograph = drawn_photograph((24, 32))[None]
    parameterization = made(name)
    back = parameterization.image(parameterization.of(tf.constant(photograph)))
    np.testing.assert_allclose(back, photograph, atol=2e-3)


def _fitted(parameterization: Parameterization, photograph: np.ndarray) -> float:
    """Return the mean absolute error after an ascent towards a photograph."""
    target = tf.constant(photograph[None])
    nearness = Objective(
        ((-1.0, lambda seen: tf.reduce_sum((seen.image - target) ** 2, (1, 2, 3))),)
    )
    strength = parameterization.of(target)[1:]
    start = (parameterization.start(0, [0])[0], *strength)
    rate = 0.02 if isinstance(parameterization, Pixels) else 0.3
    climb = Climb(500, keras.optimizers.schedules.CosineDecay(rate, 500))
    one = tf.distribute.OneDeviceStrategy("/cpu:0")
    ascent = Ascent(lambda x: x, nearness, parameterization, [], climb, one)
    return float(np.abs(ascent.run(start).images - target).mean())


@pytest.mark.parametrize("name", NAMES)
def test_an_ascent_reaches_a_drawn_picture(name: str) -> None:
    """Phases with the strengths of the picture, which an ascent does not change."""
    assert _fitted(made(name), drawn_photograph((24, 32))) < 0.01


@pytest.mark.assets
@pytest.mark.parametrize("name", ["pixels", "fourier"])
def test_an_ascent_reaches_a_photograph(name: str, assets) -> None:
    picture = image_io.read(assets / "images" / "dog.jpg", 96, 96, "crop")
    assert _fitted(made(name, (96, 96)), picture.astype(np.float32) / 255) < 0.01


@pytest.mark.parametrize("name", NAMES)
def test_a_start_depends_on_the_seed_and_its_own_key_alone(name: str) -> None:
    parameterization = made(name)
    one = parameterization.start(3, [5])
    many = parameterization.start(3, [1, 5, 2])
    for single, several in zip(one, many):
        np.testing.assert_array_equal(single[0], several[1])
    other = parameterization.start(4, [5])
    assert np.abs(other[0] - one[0]).max() > 0
    assert np.abs(many[0][0] - many[0][1]).max() > 0


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (64, 65)])
@pytest.mark.parametrize("kind", [Fourier, Phases])
def test_waves_are_a_picture_of_the_contrast_asked_for(kind, size) -> None:
    """Contrast is the standard deviation of the independent planes, as logits."""
    from tfpipeline.synthesize.parameterizations import _planes

    parameterization = kind(size, contrast=0.4)
    image = parameterization.image(parameterization.start(0, range(8)))
    assert image.shape == (8, *size, 3)
    assert float(tf.math.reduce_std(_planes(image))) == pytest.approx(0.4, rel=0.15)


def test_phases_keep_the_strength_of_all_waves_that_stand_for_two() -> None:
    from tfpipeline.synthesize.parameterizations import _planes

    phases = Phases((32, 32))
    one, strength = phases.start(0, [0])
    other, _ = phases.start(1, [0])
    inside = [np.s_[:, :, :, 1:-1]] * 2  # The rest stands for itself, not for two.
    found = [
        np.abs(np.fft.rfft2(_planes(phases.image((phase, strength)))))[keep]
        for phase, keep in zip((one, other), inside)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=0.05, atol=1e-3)


def test_long_waves_move_further_than_short_ones() -> None:
    """One unit on a wave is as strong as that wave is in photographs: 1 / f."""
    waves = Fourier((64, 64), contrast=0.0)
    numbers = np.zeros((2, 3, 64, 33, 2), np.float32)
    numbers[0, 0, 0, 1, 0] = numbers[1, 0, 0, 16, 0] = 1e-3
    grey = waves.image(waves.start(0, [0]))
    moved = np.abs(waves.image((tf.constant(numbers),)) - grey).max((1, 2, 3))
    assert moved[0] / moved[1] == pytest.approx(16, rel=0.02)


def test_pixels_without_bounds_are_the_noise_of_the_lesson() -> None:
    noise = Pixels((64, 64), contrast=1.0, bounded=False)
    (first,) = noise.start(0, [0])
    assert float(tf.reduce_mean(first)) == pytest.approx(0, abs=0.03)
    assert float(tf.math.reduce_std(first)) == pytest.approx(1, abs=0.03)
    assert float(tf.reduce_max(noise.project(first))) > 1


@pytest.mark.parametrize("size", [(16, 16), (15, 16), (16, 15), (9, 7)])
def test_the_gradient_of_waves_is_that_of_tensorflow(size: tuple[int, int]) -> None:
    from tfpipeline.synthesize.parameterizations import _add_waves, _law

    rng = np.random.default_rng(0)
    shape = (2, 3, size[0], size[1] // 2 + 1, 2)
    numbers = tf.constant(rng.normal(size=shape), tf.float32)
    upstream = tf.constant(rng.normal(size=(2, 3, *size)), tf.float32)
    law = _law(size, 1.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(numbers)
        scaled = numbers * law[..., None]
        plain = tf.signal.irfft2d(tf.complex(scaled[..., 0], scaled[..., 1]), size)
        ours = _add_waves(numbers, law, size)
    np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-5)
    one, other = (
        tape.gradient(what, numbers, output_gradients=upstream)
        for what in (plain, ours)
    )
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(64, 48), (80, 80), (32, 96)])
def test_a_sketch_is_the_same_picture_at_the_places_it_shows(size) -> None:
    """Waves that it can show are the same function of the place at any size."""
    whole = Fourier(size, waves=0.5)
    numbers = whole.start(0, [1, 2])
    image, sketch = whole.image(numbers), whole.sketch(numbers)
    assert image.shape == (2, *size, 3) and sketch.shape[1] == size[0] // 2
    np.testing.assert_allclose(image[:, ::2, ::2], sketch, atol=1e-5)
    back = whole.image(whole.of(image))
    np.testing.assert_allclose(back, image, atol=1e-4)


@pytest.mark.parametrize("waves", [0.01, 0.3, 0.71, 0.99, 1.0])
@pytest.mark.parametrize("size", [(31, 32), (16, 17)])
def test_any_share_of_the_waves_makes_images_of_the_size(size, waves: float) -> None:
    some = Fourier(size, waves=waves)
    numbers = some.start(0, [0])
    assert some.image(numbers).shape == (1, *size, 3)
    assert np.isfinite(some.image(some.of(some.image(numbers)))).all()


@pytest.mark.parametrize("name", NAMES)
def test_fading_goes_towards_an_image_without_contrast(name: str) -> None:
    parameterization = made(name)
    first, *rest = parameterization.start(0, [0])
    if name == "phases":
        np.testing.assert_array_equal(parameterization.fade(first, 0.5), first)
        return
    grey = parameterization.image((parameterization.fade(first, 1.0), *rest))
    assert float(tf.reduce_max(tf.math.reduce_std(grey, (1, 2)))) < 1e-4
    half = parameterization.image((parameterization.fade(first, 0.5), *rest))
    whole = parameterization.image((first, *rest))
    np.testing.assert_allclose(half - grey, (whole - grey) / 2, atol=0.03)
