"""JPEG files that are as much work to decode as photographs, and show nothing."""

from pathlib import Path

import numpy as np
from PIL import Image

from tfpipeline.core import disk, file_io

# The middle of what `cats_vs_dogs` and many others hold.
HEIGHT, WIDTH = 375, 500

# Amplitude falls with the frequency, as in photographs (Field, 1987).
_CONTRAST = 45
_QUALITY = 90

LABELS = ("left", "right")


def picture(seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Return noise with the spectrum of photographs."""
    rng = np.random.default_rng(seed)
    down = np.fft.fftfreq(size[0])[:, None]
    across = np.fft.rfftfreq(size[1])[None]
    falling = 1 / np.maximum(np.hypot(down, across), 1 / max(size))
    # Colours of a photograph mostly go together.
    grey, *colours = (
        np.fft.irfft2(falling * np.fft.rfft2(one), s=size)
        for one in rng.normal(size=(4, *size))
    )
    planes = np.stack([grey + 0.3 * colour for colour in colours], -1)
    planes = 128 + _CONTRAST * (planes - planes.mean()) / planes.std()
    return np.clip(planes, 0, 255).astype(np.uint8)


def write_folder(root: Path, count: int, seed: int) -> Path:
    """Write JPEG files into a folder of two class folders, those that are missing."""
    for number in range(count):
        file = root / LABELS[number % 2] / f"{seed + number:06d}.jpg"
        if not file.is_file():
            with file_io.replacing(file) as part, disk.naming(part):
                Image.fromarray(picture(seed + number)).save(
                    part, "JPEG", quality=_QUALITY
                )
    return root
