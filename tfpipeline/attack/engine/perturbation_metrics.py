"""How large and how visible a change of a picture is, and what of it survives JPEG."""

import io
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from tfpipeline.attack.engine.epsilon import within


def sizes(changed: np.ndarray, clean: np.ndarray) -> dict[str, float | int | None]:
    """Return every norm of the difference of two pictures, and how alike they look.

    Of uint8 pictures, shape (height, width, 3): `linf`, `l2`, `l1` of values in [0, 1];
    `l0`: the share of the pixels that were changed; `psnr` in dB (null where nothing
    was changed); `ssim`, 1 at most.

    Source: of SSIM, Wang et al., IEEE TIP 13 (2004).
    """
    delta = (changed.astype(np.int64) - clean) / 255
    size = np.abs(delta)
    square = float((delta**2).mean())
    both = (tf.constant(picture[None], tf.uint8) for picture in (changed, clean))
    window = min(11, *clean.shape[:2])
    ssim = tf.image.ssim(*both, max_val=255, filter_size=window)
    return {
        "linf": float(size.max()),
        "l2": float(np.sqrt((delta**2).sum())),
        "l1": float(size.sum()),
        "l0": float((size.max(-1) > 0).mean()),
        "psnr": float(-10 * np.log10(square)) if square else None,
        "ssim": float(ssim[0]),
    }


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """Return what a uint8 picture is after it was kept as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def carried(
    photograph: np.ndarray, changed: np.ndarray, clean: np.ndarray
) -> np.ndarray | None:
    """Return a photograph at its own size with the change of its small picture.

    Each new pixel of the small picture is the mean over an area of the photograph: the
    same is added everywhere in it. None where the photograph is smaller than its
    picture, whose changes it cannot hold. All are uint8; `clean` was made of the
    photograph by squeezing both sides, `changed` is the attacked one.
    """
    (height, width), (rows, columns) = photograph.shape[:2], clean.shape[:2]
    if height < rows or width < columns:
        return None
    delta = changed.astype(np.int64) - clean
    down, across = _areas(height, rows), _areas(width, columns)
    large: np.ndarray = np.clip(photograph + delta[down][:, across], 0, 255)
    return large.astype(np.uint8)


def _areas(long: int, short: int) -> np.ndarray:
    """Return which area of the short side each place of the long one lies in."""
    return np.minimum(((np.arange(long) + 0.5) * short / long).astype(int), short - 1)


def robust_accuracy(
    least: Sequence[float], right: Sequence[bool], epsilons: Sequence[float]
) -> list[float]:
    """Return the share of images that are still right at some radii.

    Of each image, `least` is the smallest perturbation that is known to fool.
    """
    size = np.where(right, np.asarray(least, np.float64), -np.inf)
    return [float((~within(size, epsilon)).mean()) for epsilon in epsilons]
