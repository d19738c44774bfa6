"""What is really changed when an image is: pixels, waves, or the phases of waves.

Numbers are a tuple of tensors whose first axis is the batch; an ascent changes the
first of them. Images are in [0, 1], shape (batch, height, width, 3).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

Numbers = tuple[tf.Tensor, ...]

# Colours of photographs: how the channels vary together, as a square root of their
# covariance, and their mean. Source: ImageNet, as published with Olah et al.,
# "Feature Visualization", distill.pub, 2017.
_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
_COLOURS = (_ROOT / np.linalg.norm(_ROOT, axis=0).max()).astype(np.float32)
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_MEAN_LOGIT = np.log(_MEAN / (1 - _MEAN))

# A photograph's own black and white have no finite logit.
_RIM = 1e-3


@dataclass(frozen=True)
class Parameterization:
    """What each row of `PARAMETERIZATIONS` makes.

    Args:
        size: Height and width of its images.
    """

    size: tuple[int, int]

    def start(self, seed: int, keys: Sequence[int]) -> Numbers:
        """Return drawn numbers: of each image by the seed and its own key alone."""
        raise NotImplementedError

    def of(self, photograph: tf.Tensor) -> Numbers:
        """Return the numbers that make photographs in [0, 1]."""
        raise NotImplementedError

    def image(self, numbers: Numbers) -> tf.Tensor:
        """Return the images that numbers make."""
        raise NotImplementedError

    def sketch(self, numbers: Numbers) -> tf.Tensor:
        """Return the same images, smaller where that costs less and loses nothing."""
        return self.image(numbers)

    def project(self, changed: tf.Tensor) -> tf.Tensor:
        """Return changed numbers, moved to where their images are in [0, 1]."""
        return changed

    def fade(self, changed: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        """Return changed numbers, a share of the way nearer to a grey image."""
        return changed


def _normal(shape: Sequence[int], seed: int, keys: Sequence[int]) -> tf.Tensor:
    """Return normal noise for each key, whatever the others are."""
    drawn = [tf.random.stateless_normal(shape, [seed, key]) for key in keys]
    return tf.stack(drawn)


def _colour(planes: tf.Tensor) -> tf.Tensor:
    """Return the image of three independent planes, shape (batch, 3, height, width)."""
    batch, _, height, width = planes.shape
    flat = tf.reshape(planes, (batch, 3, height * width))
    # Planes as rows: as columns it takes twice as long, by `einsum` even longer.
    values = tf.matmul(tf.tile(_COLOURS[None], (batch, 1, 1)), flat)
    image = tf.sigmoid(values + _MEAN_LOGIT[:, None])
    return tf.reshape(tf.transpose(image, (0, 2, 1)), (batch, height, width, 3))


def _planes(image: tf.Tensor) -> tf.Tensor:
    """Return the three independent planes that make an image."""
    inner = tf.clip_by_value(image, _RIM, 1 - _RIM)
    values = tf.math.log(inner) - tf.math.log1p(-inner) - _MEAN_LOGIT
    return tf.einsum("bhwd,cd->bchw", values, np.linalg.inv(_COLOURS))


def _law(size: tuple[int, int], decay: float) -> np.ndarray:
    """Return the strength of each wave in photographs: a power of its frequency.

    Waves of these strengths, times normal noise in the real and the imaginary part,
    are a picture of standard deviation 1.
    """
    height, width = size
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    law = np.maximum(np.hypot(rows, columns), 1 / max(size)) ** -decay
    power = float((2 * _multiplicity(size) * law**2).sum())
    deviation = math.sqrt(power) / (height * width)
    return (law / deviation).astype(np.float32)


def _multiplicity(size: tuple[int, int]) -> np.ndarray:
    """Return how many waves each of half a spectrum stands for: itself, or two."""
    counts = np.full(size[1] // 2 + 1, 2.0, np.float32)
    counts[0] = 1
    if size[1] % 2 == 0:
        counts[-1] = 1
    return counts


def _add_waves(numbers: tf.Tensor, law: np.ndarray, size: tuple[int, int]) -> tf.Tensor:
    """Return the planes that waves of given strengths add up to.

    It is `irfft2d` of real and imaginary parts times a law, with the gradient written
    out: in one transform and one product, where TensorFlow's own takes several more.

    Args:
        numbers: Real and imaginary parts, shape (batch, 3, height, width // 2 + 1, 2).
        law: Strength of each wave, shape (height, width // 2 + 1).
        size: Height and width.
    """
    scale = law[..., None]
    back = scale * (_multiplicity(size) / (size[0] * size[1]))[:, None]

    @tf.custom_gradient
    def add(numbers: tf.Tensor) -> tf.Tensor:
        waves = tf.bitcast(numbers * scale, tf.complex64)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.bitcast(tf.signal.rfft2d(upstream), tf.float32) * back

        return tf.signal.irfft2d(waves, size), gradient

    planes: tf.Tensor = add(numbers)
    return planes


@dataclass(frozen=True)
class Pixels(Parameterization):
    """The pixels themselves, moved back into [0, 1] after every step.

    Args:
        contrast: Standard deviation of the noise around grey that it starts from.
        bounded: Whether they are moved back. Otherwise they are no image, and the noise
            is around zero: for the lesson's method alone.
    """

    contrast: float = 0.05
    bounded: bool = True

    def start(self, seed: int, keys: Sequence[int]) -> Numbers:
        noise = self.contrast * _normal((*self.size, 3), seed, keys)
        return (self.project(0.5 + noise) if self.bounded else noise,)

    def of(self, photograph: tf.Tensor) -> Numbers:
        return (tf.convert_to_tensor(photograph),)

    def image(self, numbers: Numbers) -> tf.Tensor:
        return numbers[0]

    def project(self, changed: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(changed, 0.0, 1.0) if self.bounded else changed

    def fade(self, changed: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        grey = 0.5 if self.bounded else 0.0
        return grey + (changed - grey) * (1 - share)


@dataclass(frozen=True)
class Fourier(Parameterization):
    """Waves of decorrelated colours; a step moves long ones further than short ones.

    Args:
        contrast: Standard deviation of the noise that it starts from, as logits.
        decay: Power of the frequency by which a step falls; 1 is as in photographs.
        waves: Share of the waves along each side that there are, beginning with the
            longest. Steps need not make more than the small image that shows them all,
            and cost by its area.

    Source: Olah et al., "Feature Visualization", distill.pub, 2017; the spectrum of
    photographs, Field, J. Opt. Soc. Am. A 4 (1987).
    """

    contrast: float = 0.3
    decay: float = 1.0
    waves: float = 1.0

    @property
    def _shown(self) -> tuple[int, int]:
        """Height and width of the smallest image that shows all waves: both even."""
        if self.waves >= 1:
            return self.size
        height, width = (max(2, 2 * round(side * self.waves / 2)) for side in self.size)
        return height, width

    @property
    def _strengths(self) -> np.ndarray:
        law = _law(self._shown, self.decay)
        if self._shown != self.size:
            # Which of two such waves it is can be told at no larger size.
            law[self._shown[0] // 2] = 0
            law[:, -1] = 0
        return law

    def start(self, seed: int, keys: Sequence[int]) -> Numbers:
        shape = (3, self._shown[0], self._shown[1] // 2 + 1, 2)
        return (self.contrast * _normal(shape, seed, keys),)

    def of(self, photograph: tf.Tensor) -> Numbers:
        # Waves that are too short are lost.
        height, width = self._shown
        waves = tf.signal.rfft2d(_planes(photograph))[..., : width // 2 + 1]
        if self._shown != self.size:
            rows = [waves[..., : height // 2, :], waves[..., -(height // 2) :, :]]
            waves = tf.concat(rows, 2) * (height * width / math.prod(self.size))
        law = self._strengths
        waves = waves * np.divide(1, law, out=np.zeros_like(law), where=law > 0)
        return (tf.stack([tf.math.real(waves), tf.math.imag(waves)], -1),)

    def image(self, numbers: Numbers) -> tf.Tensor:
        if self._shown == self.size:
            return self.sketch(numbers)
        half = self._shown[0] // 2
        scale = math.prod(self.size) / math.prod(self._shown)
        scaled = numbers[0] * self._strengths[..., None] * scale
        waves = tf.complex(scaled[..., 0], scaled[..., 1])
        between = [[0, 0], [0, 0], [0, self.size[0] - 2 * half], [0, 0]]
        waves = tf.concat(
            [tf.pad(waves[:, :, :half], between), waves[:, :, half:]], axis=2
        )
        return _colour(tf.signal.irfft2d(waves, self.size))

    def sketch(self, numbers: Numbers) -> tf.Tensor:
        return _colour(_add_waves(numbers[0], self._strengths, self._shown))

    def fade(self, changed: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        # Each wave becomes weaker by what is rare for it in photographs.
        return changed * (1 - share)


@dataclass(frozen=True)
class Phases(Parameterization):
    """The phases of waves alone: how strong each wave is stays as in photographs.

    The source measures the strengths on ImageNet. Here they are a power of the
    frequency, which photographs follow closely, and those of `of` are the photograph's.
    Upright and level waves are the exception: each stands for two in half a spectrum,
    whose phases may contradict each other, and is then weaker.

    Args:
        contrast: Standard deviation of the picture, as logits.
        decay: Power of the frequency by which the waves of photographs become weaker.

    Source: MaCo, Fel et al., arXiv:2306.06805.
    """

    contrast: float = 1.0
    decay: float = 1.0

    def start(self, seed: int, keys: Sequence[int]) -> Numbers:
        law = self.contrast * math.sqrt(2) * _law(self.size, self.decay)
        shape = (3, *law.shape)
        strength = tf.broadcast_to(law, (len(keys), *shape))
        return (math.pi * _normal(shape, seed, keys), strength)

    def of(self, photograph: tf.Tensor) -> Numbers:
        waves = tf.signal.rfft2d(_planes(photograph))
        return (tf.math.angle(waves), tf.abs(waves))

    def image(self, numbers: Numbers) -> tf.Tensor:
        phase, strength = numbers
        waves = tf.complex(strength * tf.cos(phase), strength * tf.sin(phase))
        return _colour(tf.signal.irfft2d(waves, self.size))


PARAMETERIZATIONS: dict[str, Callable[..., Parameterization]] = {
    "pixels": Pixels,
    "fourier": Fourier,
    "phases": Phases,
}
